"""Parts of graphs as .tflite models, their facts, and LiteRT."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import load_graph
from src.graph.lite.convert import convert
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.package import read_model, read_package, write_package
from src.graph.lite.steps import steps_of
from src.graph.preprocessing.find import Preprocessing, preprocessing_graph
from src.graph.weights import put_weights
from src.inference.runtimes.tensorflow import TensorFlowPredictor

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def shipped():
    return load_graph(paths.POCKET_DOGS)


@pytest.fixture(scope='module')
def pixels():
    return np.random.default_rng(3).uniform(0, 255, (6, 144, 144, 3)).astype(np.float32)


def converted(shipped, tmp_path, precision='float32', calibration=()):
    graph_def = put_weights(shipped.graph_def, shipped.weights)
    model = convert(
        graph_def, shipped.preprocessing, shipped.output, paths.POCKET_DOGS, precision, calibration
    )
    return write_package(tmp_path / f'{precision}.tflite', model, shipped.labels, shipped.info)


@pytest.mark.parametrize('precision, tolerance', [('float32', 1e-5), ('float16', 0.01), ('int8', 0.2)])
def test_a_converted_model_gives_the_probabilities_of_its_graph(
    shipped, pixels, tmp_path, precision, tolerance
):
    path = converted(shipped, tmp_path, precision, pixels)
    network = Interpreters(path)
    assert network.shape == (144, 144, 3) and network.width == 120
    expected = TensorFlowPredictor(shipped).from_pixels(pixels)
    assert np.abs(network.run(pixels) - expected).max() < tolerance


def test_a_package_holds_labels_and_facts_and_the_same_model_gives_the_same_bytes(shipped, tmp_path):
    path = converted(shipped, tmp_path)
    assert zipfile.ZipFile(path).namelist() == ['labels.txt', 'model_info.json']
    package = read_package(path)
    assert package.labels == shipped.labels and package.info == shipped.info | {'lite': package.info['lite']}
    model = path.read_bytes().partition(b'PK\x03\x04')[0]
    assert package.info['lite'] == {'model_sha256': hashlib.sha256(model).hexdigest()}
    before = path.read_bytes()
    assert converted(shipped, tmp_path).read_bytes() == before


def test_labels_beside_a_model_without_facts(tmp_path):
    path = tmp_path / 'a.tflite'
    path.write_bytes(b'\0\0\0\0TFL3' + bytes(40))
    assert read_package(path).labels == []
    path.with_suffix('.txt').write_text('cat\ndog\n')
    assert read_package(path).labels == ['cat', 'dog']


@pytest.mark.parametrize(
    'facts',
    [
        '[1, 2]',
        '{"a": ',
        '7',
        '{"views": "2"}',
        '{"views": 0}',
        '{"backbone": []}',
        '{"scores": {"test": 3}}',
    ],
)
def test_facts_of_another_shape_are_refused(tmp_path, facts):
    path = tmp_path / 'a.tflite'
    path.write_bytes(b'\0\0\0\0TFL3' + bytes(40))
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('model_info.json', facts)
    with pytest.raises(UserError, match=r'a\.tflite is damaged'):
        read_package(path)


SHIPPED = paths.POCKET_DOGS.with_suffix('.tflite')


@pytest.mark.parametrize('share', [0.001, 0.3, 0.9])
def test_a_model_with_a_changed_byte_is_refused_before_litert_opens_it(tmp_path, share):
    content = bytearray(SHIPPED.read_bytes())
    path = tmp_path / 'a.tflite'
    path.write_bytes(content)
    assert read_model(path) == (content, True)
    content[int(share * content.index(b'PK\x03\x04'))] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(UserError, match=r'a\.tflite is damaged: export it again$'):
        Interpreters(path)


def test_a_model_of_other_makers_has_no_sha256_and_is_read(tmp_path):
    path = tmp_path / 'a.tflite'
    model = SHIPPED.read_bytes().partition(b'PK\x03\x04')[0]
    path.write_bytes(model)
    assert read_model(path) == (model, False)
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('labels.txt', 'cat\n')
    assert read_model(path) == (path.read_bytes(), False)


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_facts_that_cannot_be_unpacked_are_damaged(tmp_path, method):
    """Every 3rd byte of the zip in turn is changed: the file is read, or refused as damaged."""
    path = tmp_path / 'a.tflite'
    path.write_bytes(b'\0\0\0\0TFL3' + bytes(40))
    with zipfile.ZipFile(path, 'a', method) as archive:
        archive.writestr('model_info.json', json.dumps({'a': 'b' * 300, 'c': list(range(40))}))
    whole, refused = path.read_bytes(), 0
    for place in range(whole.index(b'PK'), len(whole), 3):
        for change in 0x01, 0x80:
            content = bytearray(whole)
            content[place] ^= change
            path.write_bytes(content)
            try:
                read_package(path)
            except UserError as error:
                assert 'a.tflite is damaged: ' in str(error) and '\n' not in str(error)
                refused += 1
    assert refused > 20


def test_encrypted_and_deeply_nested_facts_are_damaged(tmp_path):
    path = tmp_path / 'a.tflite'
    model = b'\0\0\0\0TFL3' + bytes(40)
    write_package(path, model, ['cat'], {})
    content = bytearray(path.read_bytes())
    for signature, flags in (b'PK\x03\x04', 6), (b'PK\x01\x02', 8):
        content[content.index(signature) + flags] |= 1  # encrypted
    path.write_bytes(content)
    with pytest.raises(UserError, match=r'a\.tflite is damaged: .*encrypted'):
        read_package(path)
    path.write_bytes(model)
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('model_info.json', '[' * 100_000)
    with pytest.raises(UserError, match=r'a\.tflite is damaged: '):
        read_package(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / 'a.tflite'
    path.write_bytes(b'nothing of the kind')
    with pytest.raises(UserError, match=r'is not a \.tflite model'):
        read_package(path)
    path.write_bytes(b'\x1c\0\0\0TFL3' + bytes(400))
    with pytest.raises(UserError, match='LiteRT does not accept'):
        Interpreters(path)


def test_int8_needs_pictures(shipped, tmp_path):
    with pytest.raises(UserError, match='int8 is calibrated on photos'):
        converted(shipped, tmp_path, 'int8')


def test_steps_of_graphs():
    graph_def, preprocessing = preprocessing_graph(150, 120)
    facts = steps_of(graph_def, preprocessing, paths.POCKET_DOGS)
    assert facts == json.loads(json.dumps(facts))
    (picture,) = facts['pictures']
    assert (facts['height'], facts['width']) == (150, 120) and picture['scalable']
    assert picture['steps'] == [{'op': 'ScaleAndTranslate', 'kernel_type': 'triangle', 'antialias': True}]


@pytest.mark.parametrize('scale, translation', [([0.5, 0.5], [0.0, 0.0]), (None, [3.0, 0.0])])
def test_a_part_of_the_picture_is_refused(scale, translation):
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], name='DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, name='DecodeJpeg')
        factors = scale or 8 / tf.cast(tf.shape(decoded)[:2], tf.float32)
        resized = tf.raw_ops.ScaleAndTranslate(
            images=decoded[None], size=[8, 8], scale=factors, translation=translation
        )
        tf.identity(resized, name='ResizeBilinear')
    preprocessing = Preprocessing('DecodeJpeg/contents:0', 'DecodeJpeg:0', 'ResizeBilinear:0', 8, 8)
    with pytest.raises(UserError, match='resizes a part of the picture'):
        steps_of(graph.as_graph_def(), preprocessing, paths.POCKET_DOGS)


@pytest.mark.parametrize('missing', [1, 20, 200, 1_000])
def test_a_model_whose_end_is_missing_is_damaged(tmp_path, missing):
    """It is not taken for a model of other makers, which holds no facts."""
    path = tmp_path / 'a.tflite'
    path.write_bytes(SHIPPED.read_bytes()[:-missing])
    for read in read_package, read_model:
        with pytest.raises(UserError, match=r'a\.tflite is damaged: its end is missing$'):
            read(path)
