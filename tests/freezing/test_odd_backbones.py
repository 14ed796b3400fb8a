"""From photos to a frozen file with backbones that must be changed first, or whose nodes have our names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.conversion.job import MANIFEST, Job, new_manifest
from src.freezing import freeze, proof
from src.graph.backbone_flags import Changes
from src.graph.graph_io import read_graph, write_graph
from src.graph.model_info import read_labels
from src.inference.predictor import load_model
from src.records.dataset import load, open_records, pictures
from src.training import train
from tests.graph.graphs import SIDE, WEIGHTS, answer
from tests.pictures import encoded, photo


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    for place, name in enumerate(['dark', 'light']):
        (folder / name).mkdir()
        for n in range(10):
            picture = photo(SIDE, SIDE, seed=n) // (2 - place)
            (folder / name / f'{n}.png').write_bytes(encoded(picture, 'PNG'))
    return folder


def network(x):
    x = tf.nn.relu(tf.nn.conv2d(x / 255, tf.constant(WEIGHTS['kernel'])[None, None], 1, 'SAME'))
    return tf.reduce_mean(x, [1, 2])


def with_keep_prob():
    x = network(tf.placeholder(tf.float32, [None, None, None, 3], 'input'))
    keep = tf.placeholder(tf.float32, name='keep_prob')
    return tf.identity((x / keep) * tf.floor(keep + tf.random_uniform(tf.shape(x))), 'pool_3')


def with_dropout():
    x = network(tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input'))
    return tf.identity(tf.nn.dropout(x, rate=0.5), 'pool_3')


def with_our_names():
    x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
    for name in (
        *('labels', 'model_info', 'output_node', 'bottleneck', 'encoded_images'),
        *('weights/Placeholder', 'weights/variable', 'preprocessing', 'model', 'DecodeJpeg'),
        *('ResizeBilinear', 'head/MatMul', 'head/logits', 'head/Placeholder', 'at_2/x'),
        *('encoded_images/Placeholder', 'save/restore_all', 'init'),
    ):
        x = tf.identity(x, name)
    large = tf.constant(np.eye(96, dtype=np.float32), name='head/W1')
    x = tf.matmul(tf.pad(network(x), [[0, 0], [0, 90]]), large)
    return tf.identity(x + tf.constant(np.zeros(96, np.float32), name='head/b1'), 'pool_3')


def with_map_fn():
    def one(image):
        decoded = tf.cast(tf.image.decode_jpeg(image, channels=3), tf.float32)
        return tf.image.resize_bilinear(decoded[None], [SIDE, SIDE])[0]

    images = tf.placeholder(tf.string, [None], 'images')
    return tf.identity(network(tf.map_fn(one, images, tf.float32)), 'pool_3')


STORIES = {
    'set': (with_keep_prob, ['--pixel-range=0,255', f'--input-size={SIDE},{SIDE}', '--set', 'keep_prob=1']),
    'dropout': (with_dropout, ['--pixel-range=0,255', '--inference-mode']),
    'names': (with_our_names, ['--pixel-range=0,255']),
    'map': (with_map_fn, []),
}


def graph_file(build, folder):
    with tf.Graph().as_default() as graph:
        build()
        return write_graph(graph.as_graph_def(), folder / f'{build.__name__}.pb')


@pytest.mark.parametrize('name', STORIES)
def test_an_odd_backbone_goes_all_the_way(photos, tmp_path, name):
    build, flags = STORIES[name]
    backbone = graph_file(build, tmp_path)
    data_set = f'odd_{name}'
    image_folder_to_tfrecords.main([str(photos), '--name', data_set, '--backbone', str(backbone), *flags])
    records = open_records(data_set)
    held = load(records, 'train')
    encoded_photos = dict(pictures(records, 'train'))
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3])
        decoded = [tf.image.decode_png(encoded_photos[id_], channels=3) for id_ in held.ids]
        wanted = session.run(network(x), {x: np.array(session.run(decoded), np.float32)})
    np.testing.assert_allclose(held.values[:, : wanted.shape[1]], wanted, rtol=1e-2, atol=1e-2)
    train.main(['--name', data_set, '--layers', f'{records.width},2', '--steps', '20'])
    path, gap, number = freeze.freeze_model(data_set)
    assert (number, gap < proof.TOLERANCE) == (20, True)
    assert read_labels(read_graph(path)) == ['dark', 'light']
    for weights_as_variables in (True, False):
        model = load_model(path, weights_as_variables)
        answers = np.stack(list(model.from_pictures(encoded_photos[id_] for id_ in held.ids)))
        np.testing.assert_allclose(model.from_bottlenecks(held.values), answers, atol=1e-4)


def test_another_change_makes_other_records(photos, tmp_path):
    backbone = graph_file(with_keep_prob, tmp_path)
    flags = ['--name', 'changed', '--backbone', str(backbone), '--pixel-range=0,255', '--input-size=12,12']
    image_folder_to_tfrecords.main([str(photos), *flags, '--set', 'keep_prob=1'])
    with pytest.raises(UserError, match='holds records of'):
        image_folder_to_tfrecords.main(
            [str(photos), *flags[:-1], '--input-size=12,16', '--set', 'keep_prob=1']
        )
    image_folder_to_tfrecords.main([str(photos), *flags, '--set', 'keep_prob:0=1'])  # the same


def test_a_manifest_of_earlier_versions_keeps_its_fingerprint():
    facts = {
        'file': 'g.pb',
        'path': 'frozen/g.pb',
        'sha256': 'ab' * 32,
        'bottleneck': 'pool_3:0',
        'width': 6,
        'input_size': [12, 12],
        'pixel_range': None,
    }
    job = Job('small', paths.ROOT / 'photos', [], shard_size=512)
    # What the version before --set, --input-size and --inference-mode wrote for these facts.
    was = 'e87bb3accada769f'
    manifest = new_manifest(job, facts | Changes().facts(), ['a', 'b'], 12345)
    assert manifest['fingerprint'].startswith(was)
    changed = new_manifest(job, facts | Changes(inference_mode=True).facts(), ['a', 'b'], 12345)
    assert changed['fingerprint'] != manifest['fingerprint']


def overflowing(level):
    """A backbone whose vector is infinite for pictures with a mean of `level` and more."""
    x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
    mean = tf.reduce_mean(x, [1, 2])
    return tf.add(mean, tf.exp((mean - level) * 1000), name='pool_3')


def write_levels(folder, levels):
    for n, level in enumerate(levels):
        path = folder / ('a' if n % 2 else 'b') / f'{level}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(np.full((SIDE, SIDE, 3), level, np.uint8), 'PNG'))
    return folder


def test_bottlenecks_that_are_not_finite_are_skipped_by_name(tmp_path):
    with tf.Graph().as_default() as graph:
        overflowing(251)
        backbone = write_graph(graph.as_graph_def(), tmp_path / 'g.pb')
    folder = write_levels(tmp_path / 'levels', [*range(100, 120), 254, 255])
    flags = ['--name', 'levels', '--backbone', str(backbone), '--pixel-range=0,255', '--precision', 'float32']
    image_folder_to_tfrecords.main([str(folder), *flags])
    reason = 'its bottleneck is not finite: the backbone overflows on it'
    manifest = files.read_json(paths.records('levels') / MANIFEST)
    assert {Path(r['file']).name: r['reason'] for r in manifest['remarks']} == {
        '254.png': reason,
        '255.png': reason,
    }
    assert sum(manifest['counts'].values()) == 20


def test_a_conversion_says_so_when_no_bottleneck_is_finite(tmp_path):
    with tf.Graph().as_default() as graph:
        overflowing(251)
        backbone = write_graph(graph.as_graph_def(), tmp_path / 'g.pb')
    folder = write_levels(tmp_path / 'levels', [253, 254, 255])
    flags = ['--name', 'no_levels', '--backbone', str(backbone), '--pixel-range=0,255']
    words = r'no photo could be converted; most often \(3 photos\): its bottleneck is not finite'
    with pytest.raises(UserError, match=words):
        image_folder_to_tfrecords.main([str(folder), *flags, '--precision', 'float32'])


def test_a_foreign_classifier_with_a_decoder_in_control_flow_answers(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.nn.softmax(with_map_fn(), name='softmax')
        path = write_graph(graph.as_graph_def(), tmp_path / 'map.pb')
    path.with_suffix('.txt').write_text('\n'.join('abcdef'))
    data = encoded(photo(SIDE, SIDE), 'PNG')
    (got,) = load_model(path).from_pictures([data])
    wanted = answer(read_graph(path), 'softmax:0', {'images:0': [data]})
    np.testing.assert_allclose(got[None], wanted, atol=1e-4)
