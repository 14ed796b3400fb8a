"""The reader compared with the graph itself, and large JPEGs."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import consts, paths
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.batching import feed_batches
from src.graph.preprocessing.find import Preprocessing, preprocessing_graph
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.reader import ImageReader
from tests.pictures import encoded, photo, with_orientation


@pytest.fixture(scope='module')
def backbone():
    return load_backbone(paths.POCKET_GRAPH_DEF)


@pytest.fixture(scope='module')
def reader(backbone):
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    yield reader
    reader.close()


@pytest.fixture(scope='module')
def in_graph(backbone):
    """A function from an encoded image to pixels that runs the graph itself."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(backbone.graph_def, name='')
        yield lambda data: session.run(backbone.preprocessing.pixels, {backbone.preprocessing.image: data})[0]


@pytest.mark.parametrize('size', [(1, 1), (144, 144), (570, 350), (575, 576)])
@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_pictures_of_usual_size_are_read_as_the_graph_reads_them(reader, in_graph, size, kind):
    data = encoded(photo(*size), kind)
    assert reader.as_in_graph(read_header(data))
    np.testing.assert_array_equal(reader.read(data), in_graph(data))


@pytest.mark.parametrize('size', [(576, 576), (900, 700), (1600, 1200), (2999, 1777)])
def test_large_jpegs_differ_little_from_those_decoded_in_full(reader, in_graph, size):
    data = encoded(photo(*size), quality=95)
    assert not reader.as_in_graph(read_header(data))
    difference = np.abs(reader.read(data) - in_graph(data))
    assert difference.max() > 0  # it was decoded at a fraction
    assert difference.mean() < 2  # of 255 levels


def test_large_pngs_are_decoded_in_full(reader, in_graph):
    data = encoded(photo(900, 700), 'PNG')
    np.testing.assert_array_equal(reader.read(data), in_graph(data))


@pytest.mark.parametrize('orientation', [3, 6, 8])
def test_a_large_jpeg_with_an_exif_rotation_is_rotated(reader, orientation):
    upright = photo(1200, 900)
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    data = with_orientation(encoded(np.rot90(upright, turns), quality=95), orientation)
    wanted = reader.read(encoded(upright, 'PNG'))
    assert not reader.as_in_graph(read_header(data))
    assert np.abs(reader.read(data) - wanted).mean() < 1


def test_a_large_truncated_jpeg_is_refused(reader):
    with pytest.raises(BadImage, match='truncated'):
        reader.read(encoded(photo(1600, 1200))[:4000])


def without_antialiasing() -> tuple[tf.Graph, Preprocessing]:
    """A graph that resizes without antialiasing, as that of 2015 does."""
    with tf.Graph().as_default() as graph:
        contents = tf.placeholder(tf.string, [], name='DecodeJpeg/contents')
        image = tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg')
        tf.image.resize_bilinear(tf.cast(image, tf.float32)[None], [96, 96], name='ResizeBilinear')
    return graph, Preprocessing('DecodeJpeg/contents:0', 'DecodeJpeg:0', 'ResizeBilinear:0', 96, 96)


def test_large_jpegs_are_decoded_in_full_for_a_graph_without_antialiasing():
    graph, preprocessing = without_antialiasing()
    reader = ImageReader(graph.as_graph_def(), preprocessing)
    data = encoded(photo(1600, 1200))
    assert reader.as_in_graph(read_header(data))
    with tf.Session(graph=graph) as session:
        np.testing.assert_array_equal(
            reader.read(data), session.run(preprocessing.pixels, {preprocessing.image: data})[0]
        )
    reader.close()


def test_a_jpeg_beyond_the_limit_is_read_at_a_fraction_for_every_graph(monkeypatch):
    """Also for a graph without antialiasing, which otherwise gets all pixels."""
    graph, preprocessing = without_antialiasing()
    reader = ImageReader(graph.as_graph_def(), preprocessing)
    data = encoded(photo(500, 400))
    whole = reader.read(data)
    monkeypatch.setattr(consts, 'PICTURE_BYTES', 500 * 400 * 15 - 1)
    assert not reader.as_in_graph(read_header(data))
    np.testing.assert_array_equal(reader.read(data), reader.resize(decode_with_pillow(data, 2)))
    assert 0 < np.abs(reader.read(data) - whole).mean() < 2
    with pytest.raises(BadImage, match='truncated'):
        reader.read(data[:4000])
    reader.close()


def test_many_pictures_at_once_equal_those_read_one_by_one():
    graph_def, preprocessing = preprocessing_graph(20, 24)
    reader = ImageReader(feed_batches(graph_def, preprocessing), preprocessing)
    good = [encoded(photo(60, 40, seed=n), kind) for n, kind in enumerate(('JPEG', 'PNG', 'JPEG'))]
    odd = with_orientation(good[0], 6)  # only Pillow rotates it
    cut = good[1][:-150]
    for pictures in (good, [*good, odd], [good[0], b'no picture', good[2]], [*good, cut, odd], []):
        answers = reader.read_many(pictures)
        assert len(answers) == len(pictures)
        for data, answer in zip(pictures, answers, strict=True):
            if data in (b'no picture', cut):
                assert isinstance(answer, BadImage)
            else:
                np.testing.assert_allclose(answer, reader.read(data), atol=1e-3)
    reader.close()


def test_a_picture_of_a_size_that_the_graph_does_not_take_is_a_bad_image():
    """A graph that was frozen with the decoder behind a Reshape, for pictures of one size."""
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, name='DecodeJpeg')
        fixed = tf.reshape(tf.cast(decoded, tf.float32), [1, 40, 60, 3])
        tf.image.resize_bilinear(fixed, [20, 30], name='ResizeBilinear')
    names = 'DecodeJpeg/contents:0', 'DecodeJpeg:0', 'ResizeBilinear:0'
    reader = ImageReader(graph.as_graph_def(), Preprocessing(*names, 20, 30))
    assert reader.read(encoded(photo(60, 40))).shape == (20, 30, 3)
    for data in (encoded(photo(50, 40)), encoded(photo(50, 40), 'GIF')):
        with pytest.raises(BadImage, match='the graph does not take it: '):
            reader.read(data)
    reader.close()
