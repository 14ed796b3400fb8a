"""The way from an encoded image to pixels: found in a graph, or put before one that begins with pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.dataset import load, open_records, pictures
from src.freezing import freeze
from src.graph.backbones import load_backbone
from src.graph.fronts import find_front
from src.graph.graph_io import read_graph, subgraph, write_graph
from src.images.reader import ImageReader
from src.inference import classify
from src.training import train
from tests.graph.graphs import (
    DEPTH,
    SIDE,
    answer,
    bottleneck_of,
    graph_of_2015,
    graph_of_pixels,
)
from tests.graph.real import dogs_and_cats
from tests.pictures import encoded, photo

PHOTO = photo(SIDE, SIDE, seed=4)
PNG = encoded(PHOTO, 'PNG')


def loaded(graph_def, tmp_path, pixel_range=None, bottleneck='pool_3'):
    return load_backbone(write_graph(graph_def, tmp_path / 'graph.pb'), bottleneck, pixel_range)


def vector(backbone, data):
    """The bottleneck of one encoded picture, by way of the reader and by way of the graph alone."""
    pixels = ImageReader(backbone.graph_def, backbone.front).read(data)
    with tf.Graph().as_default(), tf.Session() as session:
        bottleneck = backbone.attach()
        batched = session.run(bottleneck, {backbone.front.pixels: [pixels] * 3})
        single = session.run(bottleneck, {backbone.front.image: data})
    np.testing.assert_allclose(batched, np.repeat(single, 3, 0), rtol=1e-5, atol=1e-6)
    return single


@pytest.mark.parametrize('pixel_range', [(-1, 1), (0, 1), (0, 255), (-128, 127)])
def test_a_graph_of_pixels_gets_a_front_in_its_range(tmp_path, pixel_range):
    backbone = loaded(graph_of_pixels(low=pixel_range[0], high=pixel_range[1]), tmp_path, pixel_range)
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


def test_the_range_matters(tmp_path):
    right, wrong = (loaded(graph_of_pixels(), tmp_path, given) for given in ((-1, 1), (0, 255)))
    assert np.abs(vector(right, PNG) - vector(wrong, PNG)).max() > 0.1


@pytest.mark.parametrize('name', ['input', 'ResizeBilinear', 'a/b', 'Cast', 'mul', 'resize'])
def test_any_name_of_the_placeholder_will_do(tmp_path, name):
    backbone = loaded(graph_of_pixels(name=name), tmp_path, (-1, 1))
    assert backbone.front.image == 'DecodeJpeg/contents:0'
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


def test_names_of_the_decoder_cannot_be_had_twice(tmp_path):
    with pytest.raises(UserError, match='the name DecodeJpeg is wanted for the decoder'):
        loaded(graph_of_pixels(name='DecodeJpeg'), tmp_path, (-1, 1))


def test_nodes_of_the_graph_may_bear_common_names(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        for name in ('mul', 'add', 'resize', 'Cast', 'ExpandDims'):
            x = tf.identity(x, name)
        tf.reduce_mean(x, [1, 2], name='pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path, (0, 255))
    np.testing.assert_allclose(vector(backbone, PNG), PHOTO[None].mean((1, 2)), rtol=1e-5)


def test_one_image_at_a_time_becomes_many(tmp_path):
    backbone = loaded(graph_of_pixels((1, SIDE, SIDE, 3)), tmp_path, (-1, 1))
    assert vector(backbone, PNG).shape == (1, DEPTH)


def test_a_large_photo_is_resized_smoothly(tmp_path):
    # A checkerboard of single pixels: without smoothing, shrinking it gives black and white again.
    board = (np.indices((8 * SIDE, 8 * SIDE)).sum(0) % 2 * 255).astype(np.uint8)
    backbone = loaded(graph_of_pixels(low=0, high=255), tmp_path, (0, 255))
    pixels = ImageReader(backbone.graph_def, backbone.front).read(encoded(np.stack([board] * 3, 2), 'PNG'))
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.abs(pixels - 127.5).max() < 20


def means(shape):
    with tf.Graph().as_default() as graph:
        tf.reduce_mean(tf.placeholder(tf.float32, shape, 'input'), [1, 2], name='pool_3')
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ('graph_def', 'words'),
    [
        (graph_of_pixels, r'takes pixels at input:0.* add --pixel-range=-1,1'),
        (lambda: graph_of_pixels((None, None, None, 3)), r'input:0 is \[None, None, None, 3\].*fixed height'),
        (lambda: means([None, SIDE, SIDE, 1]), r'12, 12, 1\], not \[N, height, width, 3\]'),
        (lambda: graph_of_pixels(None), 'input:0 is of unknown shape'),
        (lambda: graph_of_pixels(dtype='uint8'), 'neither an image decoder nor a placeholder for float32'),
    ],
    ids=['no range', 'any size', 'grey', 'any rank', 'bytes'],
)
def test_what_cannot_get_a_front_is_told(tmp_path, graph_def, words):
    given = None if words.startswith('takes') else (-1, 1)
    with pytest.raises(UserError, match=words):
        loaded(graph_def(), tmp_path, given)


def test_a_range_for_a_graph_that_decodes_is_refused(tmp_path):
    with pytest.raises(UserError, match='decodes images itself: leave --pixel-range out'):
        loaded(graph_of_2015(), tmp_path, (-1, 1))


def two_placeholders(dtype, shape):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        other = tf.placeholder(dtype, shape, 'other')
        tf.reduce_mean(
            x + tf.cast(tf.reduce_mean(tf.cast(other, tf.float32)), tf.float32), [1, 2], name='pool_3'
        )
        return graph.as_graph_def()


def test_two_placeholders_for_pixels_are_one_too_many(tmp_path):
    with pytest.raises(UserError, match=r'several placeholders for pixels \(input:0, other:0\)'):
        loaded(two_placeholders(tf.float32, [None, SIDE, SIDE, 3]), tmp_path, (-1, 1))


@pytest.mark.parametrize(('dtype', 'shape'), [(tf.float32, []), (tf.bool, []), (tf.int32, [None])])
def test_a_placeholder_for_something_else_is_named(tmp_path, dtype, shape):
    with pytest.raises(UserError, match='also wants a value at other:0: freeze'):
        loaded(two_placeholders(dtype, shape), tmp_path, (-1, 1))


def test_a_default_for_something_else_is_enough(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        keep = tf.placeholder_with_default(2.0, [], 'keep')
        tf.reduce_mean(x * keep, [1, 2], name='pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path, (0, 255))
    np.testing.assert_allclose(vector(backbone, PNG), 2 * PHOTO[None].mean((1, 2)), rtol=1e-5)


def test_a_decoder_without_resizing_is_no_front(tmp_path):
    with tf.Graph().as_default() as graph:
        decoded = tf.image.decode_jpeg(tf.placeholder(tf.string, [], 'file'), channels=3)
        tf.reduce_mean(tf.cast(decoded, tf.float32)[None], [1, 2], name='pool_3')
        with pytest.raises(UserError, match='no decoded and resized image leads to pool_3:0'):
            loaded(graph.as_graph_def(), tmp_path)


def decoding(size):
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'file')
        decoded = tf.cast(tf.image.decode_png(image, channels=3, name='png'), tf.float32)[None]
        first = tf.image.resize_bilinear(decoded, [40, 40], name='first')
        second = tf.image.resize_bicubic(first, size(), name='second')
        tf.reduce_mean(second, [1, 2], name='pool_3')
        return graph.as_graph_def()


def test_the_last_of_several_resizers_ends_the_front(tmp_path):
    front = loaded(decoding(lambda: [SIDE, SIDE + 2]), tmp_path).front
    assert (front.image, front.decoded, front.pixels) == ('file:0', 'png:0', 'second:0')
    assert (front.height, front.width) == (SIDE, SIDE + 2)


def test_a_size_that_only_running_tells_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'second:0 is float32 .*\?.*fixed height and width'):
        loaded(decoding(lambda: tf.random.uniform([2], 8, 9, tf.int32)), tmp_path)


def write_photos(folder, photos):
    for name, data in photos.items():
        path = folder / name.partition('.')[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run_story(folder, name, backbone, *flags):
    """From photos to a frozen file by the commands."""
    flags = [*flags, '--precision', 'float32']
    image_folder_to_tfrecords.main([str(folder), '--name', name, '--backbone', str(backbone), *flags])
    train.main(['--name', name, '--steps', '40', '--layers', layers_of(name)])
    freeze.main(['--name', name])
    return paths.frozen(name)


def layers_of(name):
    records = open_records(name)
    return f'{records.width},{len(records.classes)}'


def test_a_graph_of_pixels_goes_all_the_way(tmp_path, capsys):
    write_photos(
        tmp_path / 'photos',
        {
            f'{kind}.{n}.png': encoded(photo(SIDE, SIDE, seed=9 * n) // (2 if kind == 'dark' else 1), 'PNG')
            for kind in ('dark', 'light')
            for n in range(12)
        },
    )
    backbone = write_graph(graph_of_pixels(), tmp_path / 'pixels.pb')
    frozen = run_story(tmp_path / 'photos', 'pixels', backbone, '--pixel-range=-1,1')
    records = open_records('pixels')
    examples = load(records, 'train')
    originals = {id_: np.array(Image.open(tmp_path / 'photos' / id_)) for id_ in examples.ids}
    wanted = bottleneck_of(np.stack([originals[id_] for id_ in examples.ids]).astype(float))
    np.testing.assert_allclose(examples.values, wanted, rtol=1e-4, atol=1e-5)
    capsys.readouterr()
    light = tmp_path / 'photos' / 'light' / 'light.0.png'
    assert classify.main(['file', str(light), '--model', str(frozen), '--csv', '--top', '2']) == 0
    told = dict(line.split(',')[1:] for line in capsys.readouterr().out.splitlines()[1:])
    head = classify.load_model(frozen).from_bottlenecks(
        bottleneck_of(photo(SIDE, SIDE, seed=0)[None].astype(np.float32)).astype(np.float32)
    )
    assert [float(told[label]) for label in ('dark', 'light')] == pytest.approx(list(head[0]), abs=1e-4)


def behind_decoder(graph_def):
    """The part of a MobileNet graph from its scaled pixels on."""
    nodes = tf.GraphDef(versions=graph_def.versions)
    nodes.node.extend(n for n in graph_def.node if n.name != 'Mul')
    pixels = nodes.node.add(name='Mul', op='Placeholder')
    pixels.attr['dtype'].type = tf.float32.as_datatype_enum
    pixels.attr['shape'].shape.CopyFrom(tf.TensorShape([None, 224, 224, 3]).as_proto())
    return subgraph(nodes, ['softmax'])


def test_mobilenet_without_its_decoder_answers_like_the_whole(real_data, tmp_path):
    # All photos are made 224x224, so that no way of resizing changes them; 255 becomes (255 - 128) / 128.
    path = real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb'
    photos = {}
    for name, data in dogs_and_cats(real_data, 40).items():
        (tmp_path / 'original.jpg').write_bytes(data)
        square = Image.open(tmp_path / 'original.jpg').convert('RGB').resize((224, 224))
        photos[name.replace('.jpg', '.png')] = encoded(square, 'PNG')
    write_photos(tmp_path / 'photos', photos)
    cut = write_graph(behind_decoder(read_graph(path)), tmp_path / 'cut.pb')
    assert not {'DecodeJpeg', 'ResizeBilinear'} & {node.op for node in read_graph(cut).node}
    whole = run_story(tmp_path / 'photos', 'with_front', path)
    ours = run_story(tmp_path / 'photos', 'cut_front', cut, '--pixel-range=-1,0.9921875')
    for split in ('train', 'validation', 'test'):
        first, second = (load(open_records(name), split) for name in ('with_front', 'cut_front'))
        assert first.ids == second.ids
        np.testing.assert_allclose(first.values, second.values, rtol=1e-4, atol=1e-4)
    held = [data for _, data in pictures(open_records('with_front'), 'train')]
    answers = [np.stack(list(classify.load_model(model).from_pictures(held))) for model in (whole, ours)]
    np.testing.assert_allclose(*answers, atol=1e-3)
    assert answers[0].std(0).min() > 0.01


def test_the_front_of_a_frozen_file_is_found_again(tmp_path):
    backbone = loaded(graph_of_pixels(), tmp_path, (-1, 1))
    assert find_front(backbone.graph_def, 'pool_3:0', tmp_path) == backbone.front
    assert answer(backbone.graph_def, 'pool_3:0', {backbone.front.image: PNG}).shape == (1, 1, 1, DEPTH)
