"""Conversion of old ops, compared with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.rewrites.modernize import modernize
from tests.graph.graphs import SIDE, answer, bottleneck_of, graph_of_2015
from tests.pictures import encoded, photo

PICTURE = photo(SIDE, SIDE, seed=1)
FEED = {'DecodeJpeg/contents:0': encoded(PICTURE, 'PNG')}


@pytest.mark.parametrize('scale', [True, False])
def test_old_batch_norm_is_converted_with_the_same_result(scale):
    old = graph_of_2015(scale)
    new = modernize(old)
    wanted = bottleneck_of(PICTURE[None].astype(float), scale)
    assert 'BatchNormWithGlobalNormalization' in {node.op for node in old.node}
    assert 'BatchNormWithGlobalNormalization' not in {node.op for node in new.node}
    for graph_def in (old, new):
        got = answer(graph_def, 'pool_3:0', FEED).reshape(1, -1)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_the_scale_changes_the_result():
    pixels = PICTURE[None].astype(float)
    assert np.abs(bottleneck_of(pixels, True) - bottleneck_of(pixels, False)).max() > 0.01


def test_control_inputs_stay():
    old = graph_of_2015()
    norm = next(node for node in old.node if node.name == 'conv/batchnorm')
    norm.input.append('^ExpandDims')
    fused = next(node for node in modernize(old).node if node.name == 'conv/batchnorm')
    assert list(fused.input)[5:] == ['^ExpandDims']


def test_the_version_is_current_and_the_old_graph_is_unchanged():
    old = graph_of_2015()
    before = old.SerializeToString(deterministic=True)
    assert modernize(old).versions.producer == tf.version.GRAPH_DEF_VERSION
    assert old.SerializeToString(deterministic=True) == before
    assert old.versions.producer == 8


def test_old_placeholders_without_a_shape_accept_any():
    old = tf.GraphDef()
    old.versions.producer = 8
    for name, dtype in (('numbers', tf.float32), ('image', tf.string)):
        node = old.node.add(name=name, op='Placeholder')
        node.attr['dtype'].type = dtype.as_datatype_enum
        node.attr['shape'].shape.SetInParent()
    double = old.node.add(name='double', op='Add', input=['numbers', 'numbers'])
    double.attr['T'].type = tf.float32.as_datatype_enum
    new = modernize(old)
    np.testing.assert_array_equal(answer(new, 'double:0', {'numbers:0': [[1, 2]]}), [[2, 4]])
    shapes = {node.name: node.attr['shape'].shape.unknown_rank for node in new.node if node.name != 'double'}
    assert shapes == {'numbers': True, 'image': False}  # an encoded image is a scalar in any version


def test_a_current_graph_keeps_its_nodes():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.placeholder(tf.float32, []), name='scalar')
        today = graph.as_graph_def()
    assert list(modernize(today).node) == list(today.node)
