"""Constant folding: compute the nodes that depend on constants alone."""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.graph.checks.accepted import import_graph
from src.graph.checks.constants import array_of
from src.graph.graph_io import node_of, subgraph, with_nodes

MAX_GROWTH = 16_384  # bytes by which folding one node may enlarge the graph: a vector of 4,096 numbers


def value_of(nodes: dict[str, tf.NodeDef], tensor: str) -> np.ndarray | None:
    """The value of a constant tensor; None for any other tensor. Raises NotAccepted for a damaged one."""
    node = nodes.get(node_of(tensor))
    if node is None or node.op != 'Const' or tensor.startswith('^'):
        return None
    return array_of(node)


def constant(name: str, value: np.ndarray) -> tf.NodeDef:
    """A Const node with this value."""
    node = tf.NodeDef(name=name, op='Const')
    node.attr['dtype'].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def fold_constants(graph_def: tf.GraphDef, keep: set[str]) -> tf.GraphDef:
    """Replace the nodes that depend on constants alone by constants. The graph must not have control edges.

    Nodes named in `keep` may be fed, so they stay. A node also stays if its value is larger than the
    constants that it is computed from: weights stored as float16 keep their Cast, which takes no time that
    could be measured.
    """
    fixed = _fixed(graph_def, keep)
    needed = {node_of(i) for node in graph_def.node if node.name not in fixed for i in node.input}
    wanted = [node.name for node in graph_def.node if node.name in needed & fixed and node.op != 'Const']
    values = _values(subgraph(graph_def, wanted), wanted) if wanted else {}
    folded = {name: constant(name, value) for name, value in values.items()}
    return with_nodes(graph_def, (folded.get(node.name, node) for node in graph_def.node))


def _fixed(graph_def: tf.GraphDef, keep: set[str]) -> set[str]:
    """Names of the constants and of all nodes that depend on constants alone."""
    fixed = {node.name for node in graph_def.node if node.op == 'Const' and node.name not in keep}
    open_nodes = [node for node in graph_def.node if node.input and node.name not in keep]
    while found := [node for node in open_nodes if all(node_of(i) in fixed for i in node.input)]:
        fixed.update(node.name for node in found)
        open_nodes = [node for node in open_nodes if node.name not in fixed]
    return fixed


def _values(constants: tf.GraphDef, wanted: list[str]) -> dict[str, np.ndarray]:
    """The values of the `wanted` nodes that have a single numeric output, not larger than the constants that
    it is computed from."""
    # TensorFlow would first fold the constants itself, which takes several times as long as computing them.
    config = tf.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    with tf.Graph().as_default() as graph, tf.Session(config=config) as session:
        import_graph(constants, name='')
        if any(operation.op_def.is_stateful for operation in graph.get_operations()):  # random numbers
            return {}
        tensors = [operation.outputs for operation in map(graph.get_operation_by_name, wanted)]
        single = [given[0] for given in tensors if len(given) == 1 and given[0].dtype.is_numpy_compatible]
        values = session.run({tensor.op.name: tensor for tensor in single})
    return {
        name: value
        for name, value in values.items()
        if value.nbytes <= _bytes(subgraph(constants, [name])) + MAX_GROWTH
    }


def _bytes(graph_def: tf.GraphDef) -> int:
    """Size of a graph's constants."""
    return sum(node.attr['value'].tensor.ByteSize() for node in graph_def.node if node.op == 'Const')
