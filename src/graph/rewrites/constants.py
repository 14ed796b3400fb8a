"""Constants in a graph: their values, and what follows from constants alone computed once and for all."""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import node_of, subgraph

NO_MATTER = 16_384  # bytes by which a graph may grow for one node less: a vector of 4,096 numbers


def value_of(nodes: dict[str, tf.NodeDef], tensor: str) -> np.ndarray | None:
    """The value of a tensor that is a constant; None for any other."""
    node = nodes.get(node_of(tensor))
    if node is None or node.op != 'Const' or tensor.startswith('^'):
        return None
    return tf.make_ndarray(node.attr['value'].tensor)


def constant(name: str, value: np.ndarray) -> tf.NodeDef:
    node = tf.NodeDef(name=name, op='Const')
    node.attr['dtype'].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def fold_constants(graph_def: tf.GraphDef, keep: set[str]) -> tf.GraphDef:
    """Put constants in place of nodes that only need constants; the graph holds no control edges.

    Nodes named in `keep` may be fed, so they stay. So does what would take more room as a constant
    than the constants that it is made from: weights stored as float16 keep their Cast, which costs
    nothing that can be measured.
    """
    fixed = _fixed(graph_def, keep)
    needed = {node_of(i) for node in graph_def.node if node.name not in fixed for i in node.input}
    wanted = [node.name for node in graph_def.node if node.name in needed & fixed and node.op != 'Const']
    values = _values(subgraph(graph_def, wanted), wanted) if wanted else {}
    folded = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        folded.node.append(constant(node.name, values[node.name]) if node.name in values else node)
    return folded


def _fixed(graph_def: tf.GraphDef, keep: set[str]) -> set[str]:
    """Names of the constants, and of all nodes with inputs that are fixed themselves."""
    fixed = {node.name for node in graph_def.node if node.op == 'Const' and node.name not in keep}
    open_nodes = [node for node in graph_def.node if node.input and node.name not in keep]
    while found := [node for node in open_nodes if all(node_of(i) in fixed for i in node.input)]:
        fixed.update(node.name for node in found)
        open_nodes = [node for node in open_nodes if node.name not in fixed]
    return fixed


def _values(constants: tf.GraphDef, wanted: list[str]) -> dict[str, np.ndarray]:
    """The values of those `wanted` nodes in a graph of constants that are one array of numbers, no
    larger than what it is made from."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(constants, name='')
        if any(operation.op_def.is_stateful for operation in graph.get_operations()):  # random numbers
            return {}
        tensors = [operation.outputs for operation in map(graph.get_operation_by_name, wanted)]
        single = [given[0] for given in tensors if len(given) == 1 and given[0].dtype.is_numpy_compatible]
        values = session.run({tensor.op.name: tensor for tensor in single})
    return {
        name: value
        for name, value in values.items()
        if value.nbytes <= _bytes(subgraph(constants, [name])) + NO_MATTER
    }


def _bytes(graph_def: tf.GraphDef) -> int:
    """Size of a graph's constants."""
    return sum(node.attr['value'].tensor.ByteSize() for node in graph_def.node if node.op == 'Const')
