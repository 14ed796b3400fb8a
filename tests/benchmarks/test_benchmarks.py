"""Parts of the benchmarks: the graph they build, photos, contenders and tables."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import bottlenecks, inception_2015, joined, memory, peers, ways
from benchmarks.contender import Contender
from benchmarks.photos import copies_that_differ, photos_for
from benchmarks.pixels import rate
from benchmarks.table import as_markdown, as_text
from benchmarks.task import decoded, flops, prepare, weights
from src.analysis.layer_table import rows_of_network
from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion.bottlenecks import Extractor
from src.data_preparation.splits import plan
from src.graph.backbones import load_backbone
from src.graph.graph_io import inferred, read_graph, write_graph
from src.graph.rewrites.modernize import modernize
from tests.graph.several import several

NAME = Path('the graph')


@pytest.fixture(scope='module')
def inception() -> tf.GraphDef:
    return inception_2015.graph_def()


@pytest.fixture(scope='module')
def photos(tmp_path_factory) -> list[Path]:
    return photos_for(None, 5, tmp_path_factory.mktemp('photos'))


@pytest.fixture(scope='module')
def pocket(photos, tmp_path_factory):
    return prepare(paths.POCKET_GRAPH_DEF, photos, tmp_path_factory.mktemp('cuts'))


# The graph with the structure of Inception


def test_inception_has_the_ops_of_the_release(inception):
    ops = [node.op for node in inception.node]
    assert inception.versions.producer == 8
    assert len(ops) == 994
    for op in 'Conv2D', 'BatchNormWithGlobalNormalization', 'CheckNumerics', 'Identity', 'Relu':
        assert ops.count(op) == 94, op
    assert (ops.count('Concat'), ops.count('MaxPool'), ops.count('AvgPool')) == (11, 5, 9)
    assert inception.ByteSize() == pytest.approx(95.7e6, rel=0.01)


@pytest.mark.parametrize(
    'tensor, shape',
    [
        ('pool:0', [73, 73, 64]),
        ('pool_1:0', [35, 35, 192]),
        ('mixed_2/join:0', [35, 35, 288]),
        ('mixed_3/join:0', [17, 17, 768]),
        ('mixed_7/tower_1/conv_3:0', [17, 17, 192]),
        ('mixed_8/join:0', [8, 8, 1280]),
        ('mixed_10/tower_1/mixed/conv_1:0', [8, 8, 384]),
        ('mixed_10/join:0', [8, 8, 2048]),
        ('pool_3:0', [1, 1, 2048]),
        ('softmax:0', [1008]),
    ],
)
def test_inception_has_the_sizes_of_the_paper(inception, tensor, shape):
    assert inferred(modernize(inception), tensor, NAME).shape.as_list()[1:] == shape


def test_vectors_of_inception_differ_between_photos(inception, photos, tmp_path):
    backbone = load_backbone(write_graph(inception, tmp_path / 'inception.pb'))
    assert backbone.width == 2048
    with Extractor(backbone) as extractor:
        pixels = [extractor.reader.read(photo.read_bytes()) for photo in photos[:3]]
        vectors = extractor.vectors(np.stack(pixels))
    assert np.isfinite(vectors).all()
    assert 0.05 < vectors.std() < 5
    assert vectors.std(0).mean() > 0.1 * vectors.std()


def test_inception_needs_nearly_six_billion_multiplications(inception):
    found = flops(modernize(inception), consts.BOTTLENECK_TENSOR)
    assert found == pytest.approx(2 * 5.71e9, rel=0.01)


# Parts of a graph


def test_flops_of_convolutions_and_products():
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, 8, 8, 3])
        wide = tf.nn.conv2d(pixels, tf.zeros([3, 3, 3, 4]), strides=2, padding='SAME')
        deep = tf.nn.depthwise_conv2d(wide, tf.zeros([3, 3, 4, 2]), [1, 1, 1, 1], 'SAME')
        tf.matmul(tf.reduce_mean(deep, [1, 2]), tf.zeros([8, 10]), name='end')
    expected = 2 * (4 * 4) * (3 * 3 * 3 * 4) + 2 * (4 * 4) * (3 * 3 * 8) + 2 * 8 * 10
    assert flops(graph.as_graph_def(), 'end:0') == expected


def test_weights_come_in_pairs_with_batch_norms_folded_in(pocket):
    kernels = np.load(pocket.weights)
    network = read_graph(pocket.network)
    number = sum(node.op in ('Conv2D', 'DepthwiseConv2dNative') for node in network.node)
    assert sorted(kernels) == sorted(f'{kind}_{i}' for kind in ('kernel', 'bias') for i in range(number))
    for i in range(number):
        kernel, bias = kernels[f'kernel_{i}'], kernels[f'bias_{i}']
        assert bias.shape in ((kernel.shape[3],), (kernel.shape[2] * kernel.shape[3],))


def test_a_convolution_without_bias_has_zeros_as_bias():
    with tf.Graph().as_default() as graph:
        tf.nn.conv2d(tf.placeholder(tf.float32, [None, 8, 8, 3]), tf.zeros([3, 3, 3, 4]), 1, 'SAME')
    assert weights(graph.as_graph_def())['bias_0'].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize('size', [1, 3, 8, 40])
def test_decoded_batches_hold_every_photo_in_order(size):
    data = [bytes([i]) for i in range(37)]
    rows = []
    for start, pixels in decoded(lambda photo: np.array(photo[0]), data, size):
        assert start == len(rows)
        assert len(pixels) <= size
        rows += pixels.tolist()
    assert rows == list(range(37))


# Photos


def test_photos_are_evenly_spaced_in_the_folder(tmp_path):
    for name in 'a/1.jpg', 'a/2.JPG', 'b/3.jpeg', 'b/4.png', 'b/5.jpg':
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [photo.name for photo in photos_for(tmp_path, 2, tmp_path)] == ['1.jpg', '3.jpeg']
    with pytest.raises(UserError, match='holds 4 JPEGs, fewer than 5'):
        photos_for(tmp_path, 5, tmp_path)


def test_copies_have_the_same_pixels_and_none_is_skipped(photos, tmp_path):
    copies = list(copies_that_differ(photos[:2], 8, tmp_path, classes=3))
    assert len(copies) == 8
    planned, remarks, _ = plan(image_folder_samples(tmp_path))
    assert (len(planned), remarks) == (8, [])
    for i, copy in enumerate(copies):
        same = Image.open(io.BytesIO(photos[i % 2].read_bytes()))
        assert np.array_equal(np.array(Image.open(copy)), np.array(same))


# Contenders


def in_another_process():
    return lambda: os.getpid()


def of_a_missing_package():
    import no_such_package_at_all  # noqa: F401


def with_a_fault():
    raise ValueError('first line\nsecond line')


def that_dies():
    os._exit(7)


def that_fails_later():
    calls = []

    def run():
        calls.append(1)
        if len(calls) > 2:
            raise OSError('no more')
        return 'warm'

    return run


def test_a_contender_has_its_own_process():
    with Contender(in_another_process) as contender:
        assert contender.result not in (None, os.getpid())
        contender()


@pytest.mark.parametrize(
    'build, reason',
    [
        (of_a_missing_package, 'no_such_package_at_all is not installed'),
        (with_a_fault, 'ValueError: first line'),
        (that_dies, 'its process ended with code 7'),
    ],
)
def test_a_contender_that_cannot_run_names_the_reason(build, reason):
    with Contender(build) as contender:
        assert (contender.result, contender.missing) == (None, reason)


def test_a_contender_that_fails_later_raises_an_error():
    with Contender(that_fails_later) as contender:
        assert contender.result == 'warm'
        contender()
        with pytest.raises(RuntimeError, match='OSError: no more'):
            contender()


def test_ours_in_int8_is_near_the_reference(pocket):
    pytest.importorskip('ai_edge_litert')
    difference = bottlenecks.difference(ways.reference(pocket)(), ways.ours(pocket, 'int8')())
    assert 1e-3 < difference < 0.25


def test_ours_and_the_reference_agree(pocket):
    expected = ways.reference(pocket)()
    assert expected.shape == (5, load_backbone(paths.POCKET_GRAPH_DEF).width)
    assert bottlenecks.difference(expected, ways.ours(pocket, 'float32')()) < 1e-4


def test_onnx_runtime_agrees(pocket):
    pytest.importorskip('tf2onnx')
    pytest.importorskip('onnxruntime')
    assert bottlenecks.difference(ways.reference(pocket)(), peers.onnx_runtime(pocket)()) < 1e-4


@pytest.mark.parametrize('precision, tolerance', [('float32', 1e-4), ('int8', 0.25)])
def test_openvino_agrees(pocket, precision, tolerance):
    pytest.importorskip('openvino')
    if precision == 'int8':
        pytest.importorskip('nncf')
    found = peers.openvino(pocket, precision)()
    assert bottlenecks.difference(ways.reference(pocket)(), found) < tolerance


@pytest.mark.parametrize('precision, tolerance', [('float32', 1e-4), ('int8', 0.25)])
def test_litert_agrees(pocket, precision, tolerance):
    pytest.importorskip('ai_edge_litert')
    found = peers.litert(pocket, precision)()
    difference = bottlenecks.difference(ways.reference(pocket)(), found)
    assert (1e-3 if precision == 'int8' else 0) < difference < tolerance  # int8 rounds


@pytest.mark.parametrize(
    'build, args', [(ways.reference, ()), (ways.ours, ('float32',)), (peers.litert, ('float32',))]
)
def test_the_network_alone_gives_the_same_vectors(pocket, build, args):
    if build is peers.litert:
        pytest.importorskip('ai_edge_litert')
    alone = build(replace(pocket, alone=True), *args)()
    assert bottlenecks.difference(build(pocket, *args)(), alone) < 1e-5


@pytest.mark.slow
def test_keras_with_the_weights_of_a_graph_agrees(real_data, photos, tmp_path):
    task = prepare(real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb', photos, tmp_path)
    with Contender(ways.keras, task) as contender:
        assert contender.missing is None
        assert bottlenecks.difference(ways.reference(task)(), contender.result) < 1e-4


@pytest.mark.slow
def test_one_pass_over_the_photos_gives_the_vectors_of_single_passes(photos, tmp_path):
    pocket, small, _ = several(tmp_path)
    found = joined.measure(photos, [pocket, small], 'float32', 2)
    by_name = {row['name']: row for row in found['rows']}
    assert list(by_name) == [joined.TOGETHER, 'pocket', 'small', joined.DECODING]
    assert by_name['pocket']['difference'] == by_name['small']['difference'] == 0
    whole, *singles, decoding = (row['seconds'] for row in found['rows'])
    assert found['ratio'] == pytest.approx(whole / (sum(singles) - decoding))
    assert joined.cells(by_name['small'])[0] == 'small'


# Output


def test_difference_is_relative_and_shapes_count():
    assert bottlenecks.difference(np.array([1.0, -4.0]), np.array([1.0, -3.0])) == 0.25
    assert bottlenecks.difference(np.zeros((2, 3)), np.zeros((2, 4))) == float('inf')


SIDE = 256  # of the matrices that a test multiplies
whole_product = ways.matrix_product


def small_product(precision):
    """In its own process."""
    ways.PEAK_SIDE = SIDE
    return whole_product(precision)


@pytest.mark.slow
def test_every_contender_has_its_row(pocket, monkeypatch):
    monkeypatch.setattr(ways, 'PEAK_SIDE', SIDE)
    monkeypatch.setattr(ways, 'matrix_product', small_product)
    contenders = {
        bottlenecks.REFERENCE: (ways.reference, 'float32'),
        'ours': (ways.ours, 'float32', 'float32'),
        'Keras predict': (ways.keras, 'float32'),
    }
    found = bottlenecks.measure(pocket, 2, contenders)
    reference, ours, keras = found['rows']
    assert (reference['ratio'], reference['difference']) == (1, 0)
    assert ours['difference'] < 1e-4
    assert len(ours['seconds']) == 2
    assert found['peaks'].keys() == {'float32'}
    assert ours['of_peak'] == pytest.approx(
        ours['images_per_second'] * found['flops'] / found['peaks']['float32']
    )
    assert re.match('keras.applications has no network of', keras['missing'])
    assert bottlenecks.cells(keras)[1].startswith('not measured: keras')
    json.dumps(found)


def test_peers_that_are_not_installed_are_named(pocket):
    if importlib.util.find_spec('openvino'):
        pytest.skip('OpenVINO is installed')
    with Contender(peers.openvino, pocket, 'float32') as contender:
        assert contender.missing == 'openvino is not installed'


def test_tables():
    columns, rows = ('', 'speed', 'ratio'), [['one', '1.5', '10'], ['other', 'a long remark', '']]
    text = as_text('Title', ['a machine'], columns, rows).splitlines()
    assert text[:3] == ['Title', 'a machine', '']
    assert text[3:] == ['        speed   ratio', 'one       1.5      10', 'other   a long remark']
    assert '| --- | ---: | ---: |\n| one | 1.5 | 10 |' in as_markdown('Title', ['a machine'], columns, rows)


@pytest.mark.slow
def test_memory_of_a_conversion_is_measured(photos, capsys, tmp_path):
    report = tmp_path / 'memory.json'
    memory.main([str(photos[0].parents[1]), '--images', '4', '12', '--json', str(report)])
    runs = json.loads(report.read_text())['runs']
    assert [run['images'] for run in runs] == [4, 12]
    assert all(run['peak_bytes'] > 100e6 for run in runs)  # TensorFlow alone
    assert re.search(r'^12 +\d+\.\d [MG]B', capsys.readouterr().out, re.MULTILINE)


def test_memory_of_this_process_is_not_counted(tmp_path):
    held = np.ones(50_000_000)  # 400 MB of memory that is in use
    _, peak = memory.run([sys.executable, '-c', 'pass'], tmp_path)
    assert peak < held.nbytes


def test_a_failed_conversion_is_not_measured(photos, tmp_path):
    with pytest.raises(UserError, match='exit code 2: error: there is no backbone'):
        memory.measure(photos, 3, tmp_path / 'missing.pb')


# Training from pixels


def test_training_from_pixels_is_timed():
    assert rate('cnn_deep', 'float32', 8, 0.2) > 1


def test_the_networks_in_pytorch_have_the_same_number_of_weights():
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    from benchmarks import pixels_torch

    assert torch.__version__
    for name, ours in (('cnn_deep', 642_986), ('cnn_best', 1_975_082)):
        network = getattr(pixels_torch, name)()
        weights = sum(value.numel() for value in network.state_dict().values() if value.dim())
        assert weights == ours == sum(row.weights for row in rows_of_network(name, 32, 10))
