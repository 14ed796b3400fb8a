"""Loading backbones: what they compute, and the messages for files that are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph import backbones
from src.graph.backbones import load_backbone
from src.graph.graph_io import write_graph
from src.images.reader import ImageReader
from tests.graph.graphs import DEPTH, SIDE, answer, bottleneck_of, graph_of_2015, graph_of_pixels
from tests.graph.real import dogs_and_cats
from tests.pictures import encoded, photo

PHOTOS = [photo(40 + n, 30 + 2 * n, seed=n) for n in range(5)]


@pytest.fixture
def path_2015(tmp_path):
    return write_graph(graph_of_2015(), tmp_path / '2015.pb')


def bottlenecks(backbone, pixels):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})


def test_facts_of_a_graph_of_2015(path_2015):
    backbone = load_backbone(path_2015)
    assert backbone.sha256 == files.sha256(path_2015)
    assert backbone.width == DEPTH
    assert (backbone.preprocessing.image, backbone.preprocessing.decoded) == (
        'DecodeJpeg/contents:0',
        'DecodeJpeg:0',
    )
    assert (backbone.preprocessing.pixels, backbone.preprocessing.height, backbone.preprocessing.width) == (
        'ResizeBilinear:0',
        SIDE,
        SIDE,
    )
    assert not {'softmax', 'MatMul'} & {node.name for node in backbone.graph_def.node}


@pytest.mark.parametrize('tensor', ['pool_3:0', 'pool_3', 'pool_3/_reshape:0'])
def test_a_batch_equals_the_old_graph_one_by_one(path_2015, tensor):
    backbone = load_backbone(path_2015, tensor)
    encoded_photos = [encoded(p, 'PNG') for p in PHOTOS]
    one_by_one = [
        answer(graph_of_2015(), 'pool_3:0', {backbone.preprocessing.image: data}) for data in encoded_photos
    ]
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    batched = bottlenecks(backbone, np.stack([reader.read(data) for data in encoded_photos]))
    assert batched.shape == (len(PHOTOS), DEPTH)
    np.testing.assert_allclose(batched, np.reshape(one_by_one, batched.shape), rtol=1e-5, atol=1e-6)


def test_one_encoded_image_can_be_fed(path_2015):
    backbone = load_backbone(path_2015)
    data = encoded(photo(SIDE, SIDE), 'PNG')
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(backbone.attach(), {backbone.preprocessing.image: data})
    np.testing.assert_allclose(
        got, bottleneck_of(photo(SIDE, SIDE)[None].astype(float)), rtol=1e-5, atol=1e-6
    )


def test_a_feature_map_is_averaged_over_its_positions(path_2015):
    backbone = load_backbone(path_2015, 'conv')
    pixels = photo(SIDE, SIDE)[None].astype(np.float32)
    np.testing.assert_allclose(bottlenecks(backbone, pixels), bottleneck_of(pixels), rtol=1e-5, atol=1e-6)


def test_no_weights_are_missing_after_loading(path_2015):
    # Shapes are inferred on a copy without weights.
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        weights = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, 9)).astype(np.float32)
        tf.matmul(tf.reshape(pixels, [-1, SIDE * SIDE * 3]), tf.constant(weights), name='dense')
        path = write_graph(graph.as_graph_def(), path_2015.with_name('large.pb'))
    backbone = load_backbone(path, 'dense', (0, 255))
    picture = photo(SIDE, SIDE)[None].astype(np.float32)
    got = bottlenecks(backbone, picture)
    np.testing.assert_allclose(got, picture.reshape(1, -1) @ weights, rtol=1e-4)


def test_a_truncated_file_is_refused(path_2015):
    path_2015.write_bytes(path_2015.read_bytes()[:-40])
    with pytest.raises(UserError, match='is not a TensorFlow GraphDef'):
        load_backbone(path_2015)


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(UserError, match=r'no backbone .*gone\.pb: give the path'):
        load_backbone(tmp_path / 'gone.pb')
    with pytest.raises(
        UserError, match=r'inception_download\.sh, or use another one with --backbone .*pocket\.pb'
    ):
        load_backbone(paths.IMAGENET_GRAPH_DEF)


def test_a_mistyped_tensor_lists_similar_names(path_2015):
    with pytest.raises(UserError, match=r'no tensor pool3:0; similar names: .*pool_3:0'):
        load_backbone(path_2015, 'pool3')
    with pytest.raises(UserError, match=r"'pool_3:4' refers to a Tensor which does not exist"):
        load_backbone(path_2015, 'pool_3:4')


def with_identity(graph_def, name, build):
    """The graph with one more tensor, computed from pool_3."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name='')
        build(graph.get_tensor_by_name('pool_3:0'), name)
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ('build', 'words'),
    [
        (
            lambda t, name: tf.reshape(t, [-1], name=name),
            r'last:0 is float32 \(\?,\), not float32 \[N, width',
        ),
        (lambda t, name: tf.reduce_sum(t, name=name), r'last:0 is float32 \(\), not'),
        (lambda t, name: tf.cast(t, tf.int32, name=name), 'last:0 is int32'),
        (lambda t, name: tf.multiply(tf.ones([2, 1]), t[0, 0, 0], name=name), 'always holds 2 rows'),
        (lambda t, name: tf.boolean_mask(t[:, 0, 0], [True] * DEPTH, axis=1, name=name), r'\(\?, \?\)'),
    ],
    ids=['rank 1', 'rank 0', 'integers', 'fixed batch', 'unknown width'],
)
def test_a_tensor_without_one_row_for_each_image_is_refused(tmp_path, build, words):
    graph_def = with_identity(graph_of_pixels(), 'last', build)
    last = next(n.name for n in reversed(graph_def.node) if n.name.startswith('last'))
    path = write_graph(graph_def, tmp_path / 'g.pb')
    with pytest.raises(UserError, match=words):
        load_backbone(path, last, (-1, 1))


@pytest.mark.parametrize('name', ['output_node', 'labels', 'model_info'])
def test_a_backbone_may_use_the_names_of_a_frozen_model(tmp_path, name):
    graph_def = with_identity(graph_of_pixels(low=0, high=255), name, lambda t, name: tf.identity(t, name))
    graph_def = with_identity(
        graph_def, 'behind', lambda t, _: tf.identity(t.graph.get_tensor_by_name(f'{name}:0'), 'behind')
    )
    path = write_graph(graph_def, tmp_path / 'g.pb')
    pixels = photo(SIDE, SIDE)[None].astype(np.float32)
    for bottleneck in (name, 'behind'):
        backbone = load_backbone(path, bottleneck, (0, 255))
        assert backbone.facts()['bottleneck'] == f'{bottleneck}:0'
        assert name not in {node.name for node in backbone.graph_def.node}
        np.testing.assert_allclose(bottlenecks(backbone, pixels), bottleneck_of(pixels), rtol=1e-4, atol=1e-5)


def test_an_unknown_op_is_reported(tmp_path):
    graph_def = graph_of_2015()
    next(node for node in graph_def.node if node.name == 'conv').op = 'Snake'
    with pytest.raises(UserError, match=r"does not accept .*g\.pb: Op type not registered 'Snake'"):
        load_backbone(write_graph(graph_def, tmp_path / 'g.pb'))


def test_the_command_prints_the_facts(capsys):
    backbones.main([str(paths.POCKET_GRAPH_DEF)])
    out = capsys.readouterr().out
    assert 'pool_3:0  [N, 512]' in out
    assert '[N, 144, 144, 3]' in out
    assert files.sha256(paths.POCKET_GRAPH_DEF) in out


@pytest.mark.parametrize('text', ['1,-1', '0', '0,1,2', 'nan,1', 'a,b', '0,inf'])
def test_a_malformed_pixel_range_is_refused(text, capsys):
    with pytest.raises(SystemExit) as ended:
        backbones.main([str(paths.POCKET_GRAPH_DEF), f'--pixel-range={text}'])
    assert ended.value.code == 2
    assert 'is not a range such as -1,1' in capsys.readouterr().err


def test_the_command_line_ends_with_one_line_and_code_2():
    command = [sys.executable, '-m', 'src.graph.backbones', paths.POCKET_GRAPH_DEF, '--bottleneck', 'pol_3']
    ended = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True)
    line = 'error: frozen/pocket/pocket.pb has no tensor pol_3:0; similar names: pool_3:0\n'
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, '', line)


def test_mobilenet_in_batches_equals_the_released_graph_one_by_one(real_data):
    path = real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb'
    photos = list(dogs_and_cats(real_data, 20).values())
    backbone = load_backbone(path)
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    batched = bottlenecks(backbone, np.stack([reader.read(data) for data in photos]))
    released = tf.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(released, name='')
        one_by_one = [session.run('pool_3:0', {'DecodeJpeg/contents:0': data}) for data in photos]
    one_by_one = np.reshape(one_by_one, batched.shape)
    assert len(np.unique(one_by_one, axis=0)) == len(photos)
    assert np.abs(batched - one_by_one).max() <= 1e-4 * np.abs(one_by_one).max()


@pytest.mark.parametrize(
    ('flag', 'words'),
    [
        ('--set=keep_prob', "'keep_prob' is not TENSOR=VALUE, such as keep_prob:0=1"),
        ('--set==1', "'=1' is not TENSOR=VALUE"),
        ('--set=keep_prob=nan', "'keep_prob=nan' is not TENSOR=VALUE"),
        ('--input-size=224', "'224' is not HEIGHT,WIDTH, such as 224,224"),
        ('--input-size=0,4', "'0,4' is not HEIGHT,WIDTH"),
        ('--input-size=9,8193', 'such as 224,224, of at most 8,192 pixels each'),
    ],
)
def test_malformed_changes_are_refused(flag, words, capsys):
    with pytest.raises(SystemExit) as ended:
        backbones.main([str(paths.POCKET_GRAPH_DEF), flag])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
