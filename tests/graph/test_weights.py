"""Weights are removed from a graph, put back, and imported as variables."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import paths
from src.common.tf1 import tf
from src.graph.graph_io import nodes_by_name, read_graph
from src.graph.weights import import_with_variables, put_weights, take_weights

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(4, 96)).astype(np.float32)
WIDE = RANDOM.normal(size=(96, 128)).astype(np.float32)


def dense(weights: np.ndarray, cast: bool = False) -> tf.GraphDef:
    """x [N, 96] times weights, plus a bias of ones."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 96], name='x')
        w = tf.constant(weights, name='w')
        if cast:
            w = tf.cast(w, tf.float32, name='wide')
        tf.add(tf.matmul(x, w, name='product'), tf.ones(128), name='y')
        tf.constant(np.arange(9000), name='numbers')
        return graph.as_graph_def()


def run_with_variables(
    graph_def: tf.GraphDef, weights: dict, fetch: str = 'y:0', feed: str = 'x:0', value=ROWS
):
    with tf.Graph().as_default() as graph:
        initialize = import_with_variables(graph_def, weights)
        with tf.Session() as session:
            initialize(session)
            return session.run(fetch, {feed: value}), [node.op for node in graph.as_graph_def().node]


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_weights_are_taken_put_back_and_imported_as_variables(dtype):
    graph_def = dense(WIDE.astype(dtype), cast=dtype == np.float16)
    before = graph_def.SerializeToString(deterministic=True)
    weights = take_weights(graph_def)
    assert weights.keys() == {'w'}  # neither the short bias nor whole numbers
    np.testing.assert_array_equal(weights['w'], WIDE.astype(dtype))
    assert graph_def.ByteSize() < len(before) - WIDE.astype(dtype).nbytes + 100
    assert put_weights(graph_def, weights).SerializeToString(deterministic=True) == before
    got, ops = run_with_variables(graph_def, weights)
    np.testing.assert_allclose(got, ROWS @ WIDE.astype(dtype).astype(np.float32) + 1, rtol=1e-4, atol=1e-4)
    assert ops.count('VarHandleOp') == 1 and 'Cast' not in ops


def test_a_weight_may_be_used_with_and_without_a_cast():
    graph_def = dense(WIDE.astype(np.float16), cast=True)
    extra = graph_def.node.add(name='half', op='Identity', input=['w'])
    extra.attr['T'].type = tf.float16.as_datatype_enum
    weights = take_weights(graph_def)
    half, ops = run_with_variables(graph_def, weights, 'half:0')
    np.testing.assert_array_equal(half, WIDE.astype(np.float16))
    assert ops.count('VarHandleOp') == 2


def test_a_node_may_be_colocated_with_a_weight():
    graph_def = dense(WIDE)
    nodes_by_name(graph_def)['product'].attr['_class'].list.s.append(b'loc:@w')
    got, _ = run_with_variables(graph_def, take_weights(graph_def))
    np.testing.assert_allclose(got, ROWS @ WIDE + 1, rtol=1e-4, atol=1e-4)


def test_all_forms_of_input_names():
    graph_def = dense(WIDE.astype(np.float16), cast=True)
    nodes = nodes_by_name(graph_def)
    nodes['wide'].input[0] = 'w:0'
    nodes['product'].input[1] = 'wide:0'
    nodes['y'].input.extend(['^w', '^wide'])
    got, ops = run_with_variables(graph_def, take_weights(graph_def))
    np.testing.assert_allclose(
        got, ROWS @ WIDE.astype(np.float16).astype(np.float32) + 1, rtol=1e-4, atol=1e-4
    )
    assert ops.count('VarHandleOp') == 1


def test_a_damaged_constant_is_left_to_tensorflow():
    graph_def = dense(WIDE)
    tensor = nodes_by_name(graph_def)['w'].attr['value'].tensor
    tensor.tensor_content = tensor.tensor_content[:-4]
    assert take_weights(graph_def) == {} and len(tensor.tensor_content) == WIDE.nbytes - 4


def test_a_graph_without_weights_is_imported_as_it_is():
    got, ops = run_with_variables(dense(WIDE), {})
    np.testing.assert_allclose(got, ROWS @ WIDE + 1, rtol=1e-4, atol=1e-4)
    assert 'VarHandleOp' not in ops


def test_the_pocket_backbone_gives_the_same_bottlenecks():
    graph_def = read_graph(paths.POCKET_GRAPH_DEF)
    pixels = RANDOM.uniform(0, 255, (3, 144, 144, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        wanted = session.run('pool_3:0', {'ResizeBilinear:0': pixels})
    weights = take_weights(graph_def)
    got, ops = run_with_variables(graph_def, weights, 'pool_3:0', 'ResizeBilinear:0', pixels)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
    assert ops.count('VarHandleOp') == len(weights) > 5
