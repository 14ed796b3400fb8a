"""Resizing without a float32 copy of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.rewrites.casts import without_cast_before_resizing
from tests.pictures import photo

DECODED = 'decoded:0'


def resize_2015(picture):
    return tf.image.resize_bilinear(tf.expand_dims(tf.cast(picture, tf.float32), 0), [20, 30])


def resize_bicubic(picture):
    return tf.image.resize_bicubic(tf.cast(picture, tf.float32)[None], [20, 30], half_pixel_centers=True)


def resize_area(picture):
    return tf.image.resize_area(tf.reshape(tf.cast(picture, tf.float32), [1, 60, 90, 3]), [20, 31])


def resize_of_today(picture):
    return tf.compat.v2.image.resize(tf.cast(picture, tf.float32)[None], [20, 30], antialias=True)


def resize_unbatched(picture):  # ExpandDims and Shape follow the cast, as in graphs that Rootstock writes
    return tf.compat.v2.image.resize(tf.cast(picture, tf.float32), [20, 30], antialias=True)


def to_graph_def(build):
    with tf.Graph().as_default() as graph:
        picture = tf.placeholder(tf.uint8, [None, None, 3], name='decoded')
        tf.identity(build(picture), name='pixels')
        return graph.as_graph_def()


def pixels(graph_def, picture):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        return session.run('pixels:0', {DECODED: picture})


def casts_used(graph_def):
    with_pixels = tf.graph_util.extract_sub_graph(graph_def, ['pixels'])
    return [node.name for node in with_pixels.node if node.op == 'Cast' and node.input[0] == 'decoded']


@pytest.mark.parametrize(
    'build', [resize_2015, resize_bicubic, resize_area, resize_of_today, resize_unbatched]
)
def test_the_pixels_are_the_same_without_the_copy(build):
    graph_def, picture = to_graph_def(build), photo(90, 60)
    assert casts_used(graph_def)
    changed = without_cast_before_resizing(graph_def, DECODED)
    assert not casts_used(changed)
    np.testing.assert_array_equal(pixels(changed, picture), pixels(graph_def, picture))
    assert without_cast_before_resizing(changed, DECODED) is changed


def test_other_consumers_of_the_picture_stay_as_they_are():
    def of_its_own_size(picture):
        return tf.image.resize_bilinear(tf.cast(picture, tf.float32)[None], tf.shape(picture)[:2] // 2)

    graph_def = to_graph_def(of_its_own_size)
    changed = without_cast_before_resizing(graph_def, DECODED)
    (shape,), (was,) = ([node for node in graph.node if node.op == 'Shape'] for graph in (changed, graph_def))
    assert shape == was and not casts_used(changed)


def scaled_first(picture):
    return tf.image.resize_bilinear((tf.cast(picture, tf.float32) / 255)[None], [20, 30])


def used_twice(picture):
    values = tf.cast(picture, tf.float32)
    return tf.image.resize_bilinear(values[None], [20, 30]) - tf.reduce_mean(values)


def resized_to_its_own_type(picture):
    return tf.image.resize_nearest_neighbor(tf.cast(picture, tf.float32)[None], [20, 30])


def not_resized(picture):
    return tf.cast(picture, tf.float32)[None]


def with_control_input(picture):
    values = tf.cast(picture, tf.float32)
    with tf.control_dependencies([values]):
        return tf.image.resize_bilinear(values[None], [20, 30]) + tf.zeros([1])


def checked_first(picture):
    with tf.control_dependencies([tf.debugging.assert_greater(tf.shape(picture)[0], 10)]):
        values = tf.cast(picture, tf.float32)
    return tf.image.resize_bilinear(values[None], [20, 30])


@pytest.mark.parametrize(
    'build',
    [scaled_first, used_twice, resized_to_its_own_type, not_resized, with_control_input, checked_first],
)
def test_a_graph_that_uses_the_copy_otherwise_stays_as_it_is(build):
    graph_def = to_graph_def(build)
    assert without_cast_before_resizing(graph_def, DECODED) is graph_def
