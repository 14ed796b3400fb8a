"""Preprocessing: found in a graph, or added to one that begins with pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.freezing import freeze
from src.graph.backbone_flags import Changes
from src.graph.backbones import load_backbone
from src.graph.graph_io import read_graph, subgraph, write_graph
from src.graph.preprocessing.find import find_preprocessing
from src.images.reader import ImageReader
from src.inference import classify
from src.records.dataset import load, open_records, pictures
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


def loaded(graph_def, tmp_path, pixel_range=None, bottleneck='pool_3', **changes):
    path = write_graph(graph_def, tmp_path / 'graph.pb')
    return load_backbone(path, bottleneck, pixel_range, changes=Changes(**changes))


def vector(backbone, data):
    """The bottleneck of one encoded picture; asserts that reader and graph give the same."""
    pixels = ImageReader(backbone.graph_def, backbone.preprocessing).read(data)
    with tf.Graph().as_default(), tf.Session() as session:
        bottleneck = backbone.attach()
        batched = session.run(bottleneck, {backbone.preprocessing.pixels: [pixels] * 3})
        single = session.run(bottleneck, {backbone.preprocessing.image: data})
    np.testing.assert_allclose(batched, np.repeat(single, 3, 0), rtol=1e-5, atol=1e-6)
    return single


@pytest.mark.parametrize('pixel_range', [(-1, 1), (0, 1), (0, 255), (-128, 127)])
def test_preprocessing_in_the_pixel_range_is_added(tmp_path, pixel_range):
    backbone = loaded(graph_of_pixels(low=pixel_range[0], high=pixel_range[1]), tmp_path, pixel_range)
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


def test_the_range_matters(tmp_path):
    right, wrong = (loaded(graph_of_pixels(), tmp_path, given) for given in ((-1, 1), (0, 255)))
    assert np.abs(vector(right, PNG) - vector(wrong, PNG)).max() > 0.1


@pytest.mark.parametrize('name', ['input', 'ResizeBilinear', 'a/b', 'Cast', 'mul', 'resize'])
def test_the_placeholder_may_have_any_name(tmp_path, name):
    backbone = loaded(graph_of_pixels(name=name), tmp_path, (-1, 1))
    assert backbone.preprocessing.image == 'DecodeJpeg/contents:0'
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['DecodeJpeg', 'DecodeJpeg/contents', 'ResizeBilinear', 'labels'])
def test_names_of_new_preprocessing_may_be_taken(tmp_path, name):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        tf.reduce_mean(tf.identity(x, name) * 2, [1, 2], name='pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path, (0, 255))
    np.testing.assert_allclose(vector(backbone, PNG), 2 * PHOTO[None].mean((1, 2)), rtol=1e-5)
    backbone = loaded(graph_of_pixels(name=name), tmp_path, (-1, 1))
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


def test_nodes_of_the_graph_may_have_common_names(tmp_path):
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


def test_a_large_photo_is_resized_with_antialiasing(tmp_path):
    # Without antialiasing a checkerboard of single pixels would stay black and white.
    board = (np.indices((8 * SIDE, 8 * SIDE)).sum(0) % 2 * 255).astype(np.uint8)
    backbone = loaded(graph_of_pixels(low=0, high=255), tmp_path, (0, 255))
    pixels = ImageReader(backbone.graph_def, backbone.preprocessing).read(
        encoded(np.stack([board] * 3, 2), 'PNG')
    )
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.abs(pixels - 127.5).max() < 20


def means(shape):
    with tf.Graph().as_default() as graph:
        tf.reduce_mean(tf.placeholder(tf.float32, shape, 'input'), [1, 2], name='pool_3')
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ('graph_def', 'words'),
    [
        (graph_of_pixels, r'accepts pixels at input:0.* add --pixel-range=-1,1'),
        (
            lambda: graph_of_pixels((None, None, None, 3)),
            r'input:0 accepts images of any size: add --input-size',
        ),
        (lambda: means([None, SIDE, SIDE, 1]), r'12, 12, 1\], not \[N, height, width, 3\]'),
        (lambda: graph_of_pixels(None), 'input:0 accepts images of any size: add --input-size'),
        (
            lambda: means([None, SIDE, 2_000_000_000, 3]),
            'has 12 x 2,000,000,000 pixels, above the limit of 8,192',
        ),
        (lambda: graph_of_pixels(dtype='complex64'), 'neither an image decoder nor a placeholder for pixels'),
    ],
    ids=['no range', 'any size', 'gray', 'any rank', 'huge', 'complex'],
)
def test_a_graph_that_cannot_get_preprocessing_is_refused(tmp_path, graph_def, words):
    given = None if words.startswith('accepts') else (-1, 1)
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


def test_two_placeholders_for_pixels_are_refused(tmp_path):
    with pytest.raises(UserError, match=r'several placeholders for pixels \(input:0, other:0\)'):
        loaded(two_placeholders(tf.float32, [None, SIDE, SIDE, 3]), tmp_path, (-1, 1))


@pytest.mark.parametrize(('dtype', 'shape'), [(tf.float32, []), (tf.bool, []), (tf.int32, [None])])
def test_a_placeholder_for_something_else_is_named(tmp_path, dtype, shape):
    words = (
        rf'also needs a value at other:0, which accepts {dtype.name} .*: add --set other:0=VALUE, or freeze'
    )
    with pytest.raises(UserError, match=words):
        loaded(two_placeholders(dtype, shape), tmp_path, (-1, 1))


def test_other_placeholders_may_have_a_default(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        keep = tf.placeholder_with_default(2.0, [], 'keep')
        tf.reduce_mean(x * keep, [1, 2], name='pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path, (0, 255))
    np.testing.assert_allclose(vector(backbone, PNG), 2 * PHOTO[None].mean((1, 2)), rtol=1e-5)


def test_a_decoder_without_resizing_is_refused(tmp_path):
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


def test_the_last_of_several_resizers_ends_the_preprocessing(tmp_path):
    preprocessing = loaded(decoding(lambda: [SIDE, SIDE + 2]), tmp_path).preprocessing
    assert (preprocessing.image, preprocessing.decoded, preprocessing.pixels) == (
        'file:0',
        'png:0',
        'second:0',
    )
    assert (preprocessing.height, preprocessing.width) == (SIDE, SIDE + 2)


def test_an_unknown_size_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'second:0 is float32 .*\?.*fixed height and width'):
        loaded(decoding(lambda: tf.random.uniform([2], 8, 9, tf.int32)), tmp_path)


@pytest.mark.parametrize('shape', [(None, None, None, 3), (None, SIDE, None, None), (1, None, None, 3), None])
def test_the_input_size_may_be_given(tmp_path, shape):
    backbone = loaded(graph_of_pixels(shape), tmp_path, (-1, 1), 'conv', input_size=(SIDE, SIDE + 4))
    assert (backbone.preprocessing.height, backbone.preprocessing.width) == (SIDE, SIDE + 4)
    assert backbone.facts()['changes'] == {'input_size': [SIDE, SIDE + 4]}
    wide = photo(SIDE + 4, SIDE)
    wanted = bottleneck_of(wide[None].astype(float))
    np.testing.assert_allclose(vector(backbone, encoded(wide, 'PNG')), wanted, rtol=1e-4, atol=1e-5)


def test_a_size_that_contradicts_the_graph_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'accepts images of 12 x 12: leave --input-size out'):
        loaded(graph_of_pixels(), tmp_path, (-1, 1), input_size=(SIDE, 13))
    with pytest.raises(UserError, match='decodes images itself: leave --input-size out'):
        loaded(graph_of_2015(), tmp_path, input_size=(SIDE, SIDE))


@pytest.mark.parametrize('dtype', ['uint8', 'int32', 'float16', 'float64'])
def test_pixels_may_have_any_numeric_dtype(tmp_path, dtype):
    given = None if 'int' in dtype else (0, 255)
    backbone = loaded(graph_of_pixels(low=0, high=255, dtype=dtype), tmp_path, given)
    assert backbone.pixel_range == given
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-3, atol=1e-3)


def test_pixels_may_be_in_nchw(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3, SIDE, SIDE + 1], 'input')
        tf.identity(x * 2, 'pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path, (0, 255))
    wide = photo(SIDE + 1, SIDE)
    got = vector(backbone, encoded(wide, 'PNG'))
    np.testing.assert_allclose(got, 2 * wide[None].mean((1, 2)), rtol=1e-5)


def test_a_placeholder_v2_is_accepted(tmp_path):
    graph_def = graph_of_pixels()
    for node in graph_def.node:
        node.op = node.op.replace('Placeholder', 'PlaceholderV2')
    backbone = loaded(graph_def, tmp_path, (-1, 1))
    wanted = bottleneck_of(PHOTO[None].astype(float))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


def with_odd_placeholder(name, dtype, shape, use):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        odd = tf.placeholder(dtype, shape, name)
        tf.reduce_mean(use(x, odd), [1, 2], name='pool_3')
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ('name', 'dtype', 'use', 'meaning', 'given'),
    [
        (
            'keep_prob',
            tf.float32,
            lambda x, odd: x * tf.floor(odd + 0.5),
            'fraction of units that dropout keeps',
            1.0,
        ),
        ('dropout/rate', tf.float64, lambda x, odd: x / (1 - tf.cast(odd, tf.float32)), 'sets to zero', 0.0),
        ('is_training', tf.bool, lambda x, odd: tf.cond(odd, lambda: 7 * x, lambda: x), 'a switch', False),
        ('phase', tf.int32, lambda x, odd: x + tf.cast(odd, tf.float32), 'a switch between', 0.0),
    ],
)
@pytest.mark.parametrize('shape', [[], None, [1]])
def test_another_placeholder_is_explained_and_may_be_set(tmp_path, name, dtype, use, meaning, given, shape):
    if name == 'is_training' and shape == [1]:
        shape = []
    graph_def = with_odd_placeholder(name, dtype, shape, use)
    text = str(given).lower() if dtype == tf.bool else f'{given:.0f}'
    with pytest.raises(UserError, match=rf'a value at {name}:0, .*{meaning}.*: add --set {name}:0={text}'):
        loaded(graph_def, tmp_path, (0, 255))
    backbone = loaded(graph_def, tmp_path, (0, 255), values=((f'{name}:0', given),))
    np.testing.assert_allclose(vector(backbone, PNG), PHOTO[None].mean((1, 2)), rtol=1e-5)
    assert backbone.facts()['changes'] == {'set': {f'{name}:0': given}}
    assert not {'Switch', 'Merge'} & {node.op for node in backbone.graph_def.node}


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ((('other:0', 0.5),), r'other:0 is int32 and cannot be 0\.5'),
        ((('pool_3:0', 1.0),), 'pool_3:0 is not a placeholder but Mean: --set cannot set it'),
        ((('othr:0', 1.0),), 'has no tensor othr:0; similar names: other:0'),
    ],
)
def test_a_value_that_cannot_be_set_is_refused(tmp_path, values, words):
    with pytest.raises(UserError, match=words):
        loaded(two_placeholders(tf.int32, [None]), tmp_path, (0, 255), values=values)


def decoded_within(how, after=lambda pixels: pixels, inside=lambda pixels: pixels):
    """A graph that decodes and resizes inside control flow."""

    def resized(decoded):
        return inside(tf.image.resize_bilinear(tf.cast(decoded, tf.float32)[None], [SIDE, SIDE]))

    def one(image):
        return resized(tf.image.decode_jpeg(image, channels=3))[0]

    def in_bytes(image):
        return tf.cast(tf.round(one(image)), tf.uint8)

    with tf.Graph().as_default() as graph:
        many = tf.placeholder(tf.string, [None], 'images')
        image = tf.placeholder(tf.string, [], 'image')
        if how.startswith('map'):
            pixels = tf.map_fn(
                in_bytes if how == 'map of bytes' else one,
                many,
                tf.uint8 if how == 'map of bytes' else tf.float32,
            )
            pixels = tf.cast(pixels, tf.float32)
        elif how == 'cond':
            decoded = tf.cond(
                tf.image.is_jpeg(image),
                lambda: tf.image.decode_jpeg(image, channels=3),
                lambda: tf.image.decode_png(image, channels=3),
            )
            decoded.set_shape([None, None, 3])
            pixels = resized(decoded)
        elif how == 'cond around all':
            pixels = tf.cond(
                tf.image.is_jpeg(image),
                lambda: resized(tf.image.decode_jpeg(image, channels=3)),
                lambda: resized(tf.image.decode_png(image, channels=3)),
            )
        elif how == 'function':
            pixels = tf.function(lambda i: resized(tf.image.decode_jpeg(i, channels=3)))(image)
        tf.reduce_mean(after(pixels), [1, 2], name='pool_3')
        return graph.as_graph_def()


HIDDEN = ['map', 'map of bytes', 'cond', 'cond around all', 'function']


@pytest.fixture(params=['control flow of version 1', 'control flow of version 2'])
def control_flow(request):
    if request.param.endswith('2'):
        tf.enable_control_flow_v2()
    yield
    tf.disable_control_flow_v2()


@pytest.mark.parametrize('how', HIDDEN)
def test_decoders_within_control_flow_work(tmp_path, control_flow, how):
    backbone = loaded(decoded_within(how, after=lambda pixels: pixels / 127.5 - 1), tmp_path)
    large = encoded(photo(3 * SIDE, 4 * SIDE, seed=5), 'PNG')
    with tf.Graph().as_default(), tf.Session() as session:
        decoded = tf.cast(tf.image.decode_png(large, channels=3), tf.float32)[None]
        pixels = session.run(tf.image.resize_bilinear(decoded, [SIDE, SIDE]))
    wanted = (pixels / 127.5 - 1).mean((1, 2))
    np.testing.assert_allclose(vector(backbone, large), wanted, atol=0.005)


def test_scaling_within_control_flow_is_measured(tmp_path):
    backbone = loaded(decoded_within('map', inside=lambda pixels: pixels / 128 - 1), tmp_path)
    wanted = (PHOTO / 128 - 1)[None].mean((1, 2))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'inside',
    [
        lambda pixels: pixels - [123.68, 116.78, 103.94],
        lambda pixels: pixels[..., ::-1],
        lambda pixels: tf.image.central_crop(pixels, 0.5),
        tf.image.per_image_standardization,
    ],
    ids=['means of channels', 'BGR', 'crop', 'standardization'],
)
def test_more_than_resizing_within_control_flow_is_refused(tmp_path, inside):
    words = 'does more there than resizing and scaling: to put plain resizing before .* add --pixel-range'
    with pytest.raises(UserError, match=words):
        loaded(decoded_within('map', inside=inside), tmp_path)


def test_with_a_range_plain_resizing_is_used(tmp_path):
    graph_def = decoded_within('map', inside=lambda pixels: pixels[..., ::-1] / 255)
    backbone = loaded(graph_def, tmp_path, (0, 1))
    np.testing.assert_allclose(vector(backbone, PNG), PHOTO[None].mean((1, 2)) / 255, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['upsample', 'ResizeBilinear'])
def test_resizing_in_the_network_is_not_preprocessing(tmp_path, name):
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'image')
        decoded = tf.cast(tf.image.decode_jpeg(image, channels=3), tf.float32)[None]
        x = tf.image.resize_bilinear(decoded, [SIDE, SIDE], name='first')
        kernel = np.eye(3, dtype=np.float32)[None, None]
        small = tf.nn.conv2d(x, kernel, 2, 'SAME')
        up = tf.image.resize_nearest_neighbor(small, [SIDE, SIDE], name=name)
        tf.reduce_mean(x + up, [1, 2], name='pool_3')
        backbone = loaded(graph.as_graph_def(), tmp_path)
    assert backbone.preprocessing.pixels == 'first:0'
    wanted = PHOTO[None].mean((1, 2)) + PHOTO[None, ::2, ::2].mean((1, 2))
    np.testing.assert_allclose(vector(backbone, PNG), wanted, rtol=1e-5)


def write_photos(folder, photos):
    for name, data in photos.items():
        path = folder / name.partition('.')[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run_story(folder, name, backbone, *flags):
    """Convert photos, train and freeze with the commands."""
    flags = [*flags, '--precision', 'float32']
    image_folder_to_tfrecords.main([str(folder), '--name', name, '--backbone', str(backbone), *flags])
    train.main(['--name', name, '--steps', '40', '--layers', layers_of(name)])
    freeze.main(['--name', name])
    return paths.frozen(name)


def layers_of(name):
    records = open_records(name)
    return f'{records.width},{len(records.classes)}'


def test_a_graph_of_pixels_through_all_commands(tmp_path, capsys):
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
    scores = dict(line.split(',')[1:] for line in capsys.readouterr().out.splitlines()[1:])
    head = classify.load_model(frozen).from_bottlenecks(
        bottleneck_of(photo(SIDE, SIDE, seed=0)[None].astype(np.float32)).astype(np.float32)
    )
    assert [float(scores[label]) for label in ('dark', 'light')] == pytest.approx(list(head[0]), abs=1e-4)


def behind_decoder(graph_def):
    """The part of a MobileNet graph after its scaled pixels."""
    nodes = tf.GraphDef(versions=graph_def.versions)
    nodes.node.extend(n for n in graph_def.node if n.name != 'Mul')
    pixels = nodes.node.add(name='Mul', op='Placeholder')
    pixels.attr['dtype'].type = tf.float32.as_datatype_enum
    pixels.attr['shape'].shape.CopyFrom(tf.TensorShape([None, 224, 224, 3]).as_proto())
    return subgraph(nodes, ['softmax'])


def test_mobilenet_without_its_decoder_equals_the_whole(real_data, tmp_path):
    # All photos are 224x224, so resizing does not change them; 255 becomes (255 - 128) / 128.
    path = real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb'
    photos = {}
    for name, data in dogs_and_cats(real_data, 20).items():
        (tmp_path / 'original.jpg').write_bytes(data)
        square = Image.open(tmp_path / 'original.jpg').convert('RGB').resize((224, 224))
        photos[name.replace('.jpg', '.png')] = encoded(square, 'PNG')
    write_photos(tmp_path / 'photos', photos)
    cut = write_graph(behind_decoder(read_graph(path)), tmp_path / 'cut.pb')
    assert not {'DecodeJpeg', 'ResizeBilinear'} & {node.op for node in read_graph(cut).node}
    whole = run_story(tmp_path / 'photos', 'whole', path)
    ours = run_story(tmp_path / 'photos', 'without_decoder', cut, '--pixel-range=-1,0.9921875')
    for split in ('train', 'validation', 'test'):
        first, second = (load(open_records(name), split) for name in ('whole', 'without_decoder'))
        assert first.ids == second.ids
        np.testing.assert_allclose(first.values, second.values, rtol=1e-4, atol=1e-4)
    held = [data for _, data in pictures(open_records('whole'), 'train')]
    answers = [np.stack(list(classify.load_model(model).from_pictures(held))) for model in (whole, ours)]
    np.testing.assert_allclose(*answers, atol=1e-3)
    assert answers[0].std(0).min() > 0.01


def test_the_preprocessing_of_a_frozen_file_is_found(tmp_path):
    backbone = loaded(graph_of_pixels(), tmp_path, (-1, 1))
    assert find_preprocessing(backbone.graph_def, 'pool_3:0', tmp_path) == backbone.preprocessing
    assert answer(backbone.graph_def, 'pool_3:0', {backbone.preprocessing.image: PNG}).shape == (
        1,
        1,
        1,
        DEPTH,
    )
