"""Pictures that are read without TensorFlow have the pixels of those that TensorFlow reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common import consts, paths
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.batching import feed_batches
from src.graph.frozen import load_network
from src.graph.graph_io import read_graph, subgraph
from src.graph.joined.join import join_backbones
from src.graph.lite.steps import steps_of
from src.graph.preprocessing.find import find_preprocessing, preprocessing_graph
from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.pillow_reader import PillowReader
from src.images.reader import ImageReader
from tests.graph.several import several
from tests.pictures import encoded, photo, with_orientation

PATH = Path('a.pb')


def readers_of(graph_def, preprocessing) -> tuple[ImageReader, PillowReader]:
    facts = steps_of(graph_def, preprocessing, PATH)
    return ImageReader(feed_batches(graph_def, preprocessing), preprocessing), PillowReader(facts)


@pytest.fixture(scope='module')
def readers() -> tuple[ImageReader, PillowReader]:
    return readers_of(*preprocessing_graph(96, 80))


def pictures() -> dict[str, bytes]:
    jpeg = encoded(photo(200, 150), 'JPEG')
    return {
        'jpeg': jpeg,
        'half': encoded(photo(500, 400, seed=2), 'JPEG'),
        'eighth': encoded(photo(1700, 1601, seed=3), 'JPEG', quality=95),
        'progressive': encoded(photo(300, 200), 'JPEG', progressive=True),
        'no subsampling': encoded(photo(301, 203), 'JPEG', subsampling=0),
        'gray': encoded(photo(200, 150)[:, :, 0], 'JPEG'),
        'rotated': with_orientation(jpeg, 6),
        'png': encoded(photo(640, 480), 'PNG'),
        'webp': encoded(photo(120, 90), 'WEBP', lossless=True),
        'one pixel': encoded(photo(1, 1), 'PNG'),
    }


@pytest.mark.parametrize('kind', pictures())
def test_the_pixels_are_equal_to_the_last_digit(readers, kind):
    in_graph, light = readers
    data = pictures()[kind]
    assert light.shape == in_graph.shape == (96, 80, 3)
    np.testing.assert_array_equal(light.read(data), in_graph.read(data))
    for most in (10_000, consts.MAX_IMAGE_PIXELS):
        header = read_header(data)
        assert light.as_in_graph(header, most) == in_graph.as_in_graph(header, most)


def test_faults_are_the_same(readers):
    cut = encoded(photo(200, 150), 'JPEG')[:900]
    for data in (b'', b'no picture', cut):
        reasons = []
        for reader in readers:
            with pytest.raises(BadImage) as fault:
                reader.read(data)
            reasons.append(str(fault.value))
        assert reasons[0] == reasons[1]
    rows = readers[1].read_many([cut, pictures()['png']])
    assert isinstance(rows[0], BadImage) and rows[1].shape == (96, 80, 3)


def test_a_jpeg_beyond_the_limit_is_decoded_at_a_half(readers, monkeypatch):
    data = encoded(photo(300, 200), 'JPEG')
    monkeypatch.setattr(consts, 'PICTURE_BYTES', 300 * 200 * 15 - 1)
    np.testing.assert_array_equal(readers[1].read(data), readers[0].read(data))
    with pytest.raises(BadImage, match='more than 59,999 pixels'):
        readers[1].resize(photo(300, 200))


def graph_with(resized) -> tf.GraphDef:
    """A graph from an encoded image to `resized(decoded)`."""
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], name='DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, dct_method='INTEGER_ACCURATE', name='DecodeJpeg')
        tf.nn.max_pool2d(tf.identity(resized(decoded), name='pixels'), 2, 1, 'SAME', name='network')
        return graph.as_graph_def()


def scaled_before(decoded: tf.Tensor) -> tf.Tensor:
    return tf.image.resize_bilinear((tf.cast(decoded, tf.float32) / 255.0)[None], [40, 50])


def scaled_after(decoded: tf.Tensor) -> tf.Tensor:
    pixels = tf.image.resize_area(decoded[None], [30, 44])
    return (pixels - tf.constant([123.68, 116.78, 103.94])) / tf.constant([58.4, 57.1, 57.4])


@pytest.mark.parametrize('resized', [scaled_before, scaled_after])
def test_arithmetic_before_and_after_resizing(resized):
    graph_def = graph_with(resized)
    preprocessing = find_preprocessing(graph_def, 'network:0', PATH)
    in_graph, light = readers_of(graph_def, preprocessing)
    for data in (encoded(photo(130, 99), 'PNG'), encoded(photo(64, 48), 'JPEG')):
        np.testing.assert_allclose(light.read(data), in_graph.read(data), rtol=3e-7, atol=1e-6)


def test_the_shipped_model():
    """It decodes JPEGs by TensorFlow's default, which is less precise than Pillow."""
    network = load_network(paths.POCKET_DOGS)
    in_graph, light = readers_of(network.graph_def, network.preprocessing)
    for kind, data in pictures().items():
        difference = np.abs(light.read(data) - in_graph.read(data))
        if data[:2] == b'\xff\xd8' and kind != 'rotated':
            assert difference.mean() < 2 and difference.max() < 6, kind
        else:
            assert not difference.any(), kind


@pytest.mark.parametrize('name', ['mobilenet_v2_1.0_224', 'efficientnet_lite2_260'])
def test_real_graphs(real_data, name):
    """They resize without antialiasing, and decode by TensorFlow's default."""
    path = real_data / 'backbones' / f'{name}.pb'
    graph_def = read_graph(path)
    preprocessing = find_preprocessing(graph_def, 'softmax:0', path)
    in_graph, light = readers_of(subgraph(graph_def, [preprocessing.pixels]), preprocessing)
    for size in ((500, 375), (224, 224), (61, 1023)):
        data = encoded(photo(*size), 'PNG')
        np.testing.assert_array_equal(light.read(data), in_graph.read(data))


def test_joined_backbones(tmp_path):
    """Their pixels are pictures of two sizes in one column; a JPEG may be decoded at a ratio for each."""
    joined = join_backbones([load_backbone(path) for path in several(tmp_path)])
    in_graph = ImageReader(joined.graph_def, joined.preprocessing)
    light = PillowReader(steps_of(joined.graph_def, joined.preprocessing, PATH))
    assert light.shape == in_graph.shape and light.shape[1] == 1
    png = encoded(photo(500, 420), 'PNG')
    np.testing.assert_array_equal(light.read(png), in_graph.read(png))
    for size in ((60, 40), (500, 420), (1000, 820)):
        jpeg = encoded(photo(*size, seed=7), 'JPEG')
        assert np.abs(light.read(jpeg) - in_graph.read(jpeg)).mean() < 2
        assert light.as_in_graph(read_header(jpeg)) == in_graph.as_in_graph(read_header(jpeg))
