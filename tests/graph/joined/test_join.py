"""Joined backbones compute what each computes alone."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import consts
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.backbones import Backbone, load_backbone
from src.graph.graph_io import nodes_by_name, write_graph
from src.graph.joined import facts
from src.graph.joined.join import join_backbones
from src.graph.joined.load import backbone_of
from src.graph.preprocessing.find import find_preprocessing
from src.graph.rewrites.optimize import optimize
from src.images.headers import read_header
from src.images.reader import ImageReader
from tests.graph.graphs import DEPTH, SIDE, graph_of_2015, graph_of_pixels
from tests.graph.real import dogs_and_cats
from tests.graph.several import several
from tests.pictures import encoded, photo

# The pocket backbone takes the second at a half, and the third at a quarter of its size.
PHOTOS = [encoded(photo(*size, seed=7), 'JPEG') for size in ((60, 40), (600, 580), (1240, 1160))]


@pytest.fixture(scope='module')
def backbones(tmp_path_factory) -> list[Backbone]:
    return [load_backbone(path) for path in several(tmp_path_factory.mktemp('backbones'))]


def pixels_of(backbone: Backbone, pictures: list[bytes] = PHOTOS) -> np.ndarray:
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    pixels = np.stack([reader.read(data) for data in pictures])
    reader.close()
    return pixels


def vectors_of(backbone: Backbone, name: str, value) -> np.ndarray:
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(backbone.attach(), {getattr(backbone.preprocessing, name): value})


def test_each_gets_the_pixels_and_gives_the_bottleneck_of_its_own(backbones):
    joined = join_backbones(backbones)
    # The two small ones resize alike, and share the picture.
    assert joined.preprocessing.sizes == ((144, 144), (SIDE, SIDE))
    found = vectors_of(joined, 'pixels', pixels_of(joined))
    alone = [vectors_of(one, 'pixels', pixels_of(one)) for one in backbones]
    assert np.array_equal(found, np.concatenate(alone, 1))
    assert joined.width == found.shape[1] == sum(one.width for one in backbones)


def test_an_encoded_image_gives_the_same(backbones):
    joined = join_backbones(backbones)
    for data in PHOTOS:
        alone = [vectors_of(one, 'image', data) for one in backbones]
        np.testing.assert_array_equal(vectors_of(joined, 'image', data), np.concatenate(alone, 1))


def test_pictures_are_read_in_the_graph_only_if_all_backbones_agree(backbones):
    reader = ImageReader(join_backbones(backbones).graph_def, join_backbones(backbones).preprocessing)
    assert [reader.as_in_graph(read_header(data)) for data in PHOTOS] == [True, False, False]
    for data in (PHOTOS[0], encoded(photo(500, 420), 'PNG'), encoded(photo(700, 500), 'TIFF')):
        many = reader.read_many([data])[0]
        np.testing.assert_array_equal(many, reader.read(data))
    reader.close()


def test_backbones_that_all_resize_alike_share_pixels_of_usual_shape(backbones):
    joined = join_backbones(backbones[1:])
    assert (joined.preprocessing.height, joined.preprocessing.width) == (SIDE, SIDE)
    assert joined.preprocessing.sizes == ()
    found = vectors_of(joined, 'pixels', pixels_of(joined))
    alone = [vectors_of(one, 'pixels', pixels_of(one)) for one in backbones[1:]]
    assert np.array_equal(found, np.concatenate(alone, 1))


def test_the_preprocessing_is_found_again_and_the_graph_may_be_optimized(backbones):
    joined = join_backbones([load_backbone(one.path, faster=False) for one in backbones])
    p = joined.preprocessing
    keep = [joined.bottleneck, p.image, p.decoded, p.pixels]
    light, _ = optimize(joined.graph_def, keep)
    assert len(light.node) < len(joined.graph_def.node)
    for graph_def in (joined.graph_def, light):
        assert find_preprocessing(graph_def, joined.bottleneck, joined.path) == p
    rewritten = Backbone(joined.path, '', light, p, joined.bottleneck, joined.width)
    pixels = pixels_of(joined)
    wanted = vectors_of(joined, 'pixels', pixels)
    np.testing.assert_allclose(vectors_of(rewritten, 'pixels', pixels), wanted, atol=1e-5)


def test_the_facts_load_the_same_backbones_again(backbones):
    joined = join_backbones(backbones)
    told = joined.facts()
    assert [facts.field_of(one) for one in told['joined']] == [
        consts.INCEPTION_OUTPUT_FIELD,
        'inception_output/small',
        'inception_output/small_2',
    ]
    assert [facts.name_of(one) for one in told['joined']] == ['pocket', 'small', 'small_2']
    assert backbone_of(told).graph_def == joined.graph_def


def test_backbones_of_one_file_name_have_a_name_each():
    """Also beside the first one, whose field has no name."""
    same = [{'file': 'small.pb', 'sha256': digest, 'width': 4} for digest in 'abc']
    together = facts.members(facts.with_fields(facts.joined(same)))
    assert [facts.name_of(one) for one in together] == ['small', 'small_2', 'small_3']
    assert 'field' not in together[0]
    added = facts.with_fields(facts.joined(same[1:]), same[:1])
    assert facts.members(added) == together[1:]


def test_real_backbones_give_what_each_gives_alone(real_data):
    """MobileNet V2, EfficientNet-Lite0 and Lite2, from photos: 3,840 values."""
    names = 'mobilenet_v2_1.0_224', 'efficientnet_lite0_224', 'efficientnet_lite2_260'
    real = [load_backbone(real_data / 'backbones' / f'{name}.pb') for name in names]
    joined, photos = join_backbones(real), list(dogs_and_cats(real_data, 6).values())
    found = vectors_of(joined, 'pixels', pixels_of(joined, photos))
    alone = [vectors_of(one, 'pixels', pixels_of(one, photos)) for one in real]
    assert found.shape == (6, 3840)
    np.testing.assert_allclose(found, np.concatenate(alone, 1), atol=1e-4)


def test_loops_of_one_name_are_kept_apart(tmp_path):
    """A loop is known by the name of its frame, which is no node's name."""
    made = []
    for name, times in (('a', 3), ('b', 5)):
        graph_def = graph_of_2015()
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name='')
            pool = graph.get_tensor_by_name('pool_3/_reshape:0')
            _, more = tf.while_loop(
                lambda i, _, times=times: i < times, lambda i, x: (i + 1, x + 1), [0, pool], name='loop'
            )
            tf.reshape(more, [-1, DEPTH], name='last')
            made.append(write_graph(graph.as_graph_def(), tmp_path / f'{name}.pb'))
    backbones = [load_backbone(path, 'last') for path in made]
    assert any(node.op == 'Enter' for one in backbones for node in one.graph_def.node)
    joined = join_backbones(backbones)
    pixels = pixels_of(joined)
    found = vectors_of(joined, 'pixels', pixels)
    alone = [vectors_of(one, 'pixels', pixels) for one in backbones]
    assert np.array_equal(found, np.concatenate(alone, 1))


def test_the_first_decides_how_pictures_are_decoded(tmp_path, backbones):
    """A graph that begins with pixels decodes accurately, those of 2015 do not."""
    pixels = write_graph(graph_of_pixels(), tmp_path / 'pixels.pb')
    with_decoder = [load_backbone(pixels, 'pool_3', (-1, 1)), backbones[1]]
    for order in (with_decoder, with_decoder[::-1]):
        joined = join_backbones(order)
        decoder = nodes_by_name(joined.graph_def)['DecodeJpeg']
        assert (
            decoder.attr['dct_method'].s
            == nodes_by_name(order[0].graph_def)['DecodeJpeg'].attr['dct_method'].s
        )


def test_what_cannot_be_joined_is_refused_in_one_line(tmp_path, backbones):
    with pytest.raises(UserError, match=r'small\.pb is given twice: name each'):
        join_backbones([backbones[0], backbones[1], backbones[1]])
    joined = join_backbones(backbones[:2])
    with pytest.raises(UserError, match='joins several backbones already: give the files of these'):
        join_backbones([joined, backbones[2]])
    png = graph_of_2015()
    decoder = nodes_by_name(png)['DecodeJpeg']
    decoder.op = 'DecodePng'
    kept = {key: decoder.attr[key] for key in ('channels',)}
    decoder.attr.clear()
    decoder.attr['channels'].CopyFrom(kept['channels'])
    decoder.attr['dtype'].type = tf.uint8.as_datatype_enum
    other = load_backbone(write_graph(png, tmp_path / 'png.pb'))
    with pytest.raises(UserError, match=r'decode images differently \(DecodeJpeg, DecodePng\)'):
        join_backbones([backbones[1], other])
