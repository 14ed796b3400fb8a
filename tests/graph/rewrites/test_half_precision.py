"""Weights stored in float16."""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import nodes_by_name
from src.graph.rewrites.half_precision import in_half_precision


def test_large_constants_are_stored_in_float16_and_computed_in_float32():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(64, 8)).astype(np.float32)
    huge = np.full(100, 1e6, np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 64], 'x')
        bias = tf.constant(np.float32([1 / 3] * 8), name='bias')
        y = tf.matmul(x, tf.constant(weights, name='weights')) + bias
        tf.identity(y + tf.reduce_sum(tf.constant(huge, name='huge')) * 0, name='y')
    half = in_half_precision(graph.as_graph_def())
    nodes = nodes_by_name(half)
    assert nodes['weights'].op == 'Cast' and nodes['weights/float16'].attr['dtype'].type == tf.float16
    assert nodes['bias'].op == nodes['huge'].op == 'Const'
    given = rng.normal(size=(5, 64)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(half, name='')
        found = session.run('y:0', {'x:0': given})
    wanted = given @ weights.astype(np.float16).astype(np.float32) + 1 / 3
    np.testing.assert_allclose(found, wanted, atol=1e-4)
