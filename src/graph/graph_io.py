"""GraphDefs as files: reading, writing, and what a model file says of itself.

A frozen model carries two constants beside its network: `labels`, the class names in output order,
and `model_info`, a JSON text (backbone and its SHA-256, input size, data set, counts, scores, ...).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.file_kinds import kind_of_file, kind_of_folder

MOST_VALUES_OF_A_SHAPE = 64  # larger constants are weights, which no tensor's shape depends on


def read_graph(path: Path) -> tf.GraphDef:
    """The GraphDef in a binary .pb file, without the devices that it was made for.

    Raises UserError when the file is missing or holds none; the message says what it is and what to do.
    """
    try:
        kind = kind_of_folder(Path(path)) if Path(path).is_dir() else None
        data = b'' if kind else Path(path).read_bytes()
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    graph_def = tf.GraphDef()
    try:
        graph_def.ParseFromString(data)
    except Exception:  # protobuf's DecodeError, which has no stable home
        graph_def.Clear()
    # Other protobuf messages, and some plain bytes, parse as a GraphDef without sensible nodes.
    if not graph_def.node or any(not node.name or not node.op for node in graph_def.node):
        kind = kind or kind_of_file(Path(path), data) or 'no TensorFlow graph (a binary GraphDef)'
        raise UserError(f'{paths.shown(path)} is {kind}')
    return without_devices(graph_def)


def without_devices(graph_def: tf.GraphDef) -> tf.GraphDef:
    """The graph itself, changed: its nodes, and those of its functions, may be placed anywhere.

    A graph from a machine with GPUs or a cluster names devices that others lack. Colocation (`_class`)
    is part of the placement too, and names nodes that the part of a graph in use may lack.
    """
    for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
        for node in nodes:
            if node.device:
                node.ClearField('device')
            if '_class' in node.attr:
                del node.attr['_class']
    return graph_def


def write_graph(graph_def: tf.GraphDef, path: Path) -> Path:
    """Write a GraphDef as a binary .pb file, whole or not at all."""
    with files.atomic(path, 'wb') as stream:
        # Deterministic: the same graph gives the same bytes and the same SHA-256.
        stream.write(graph_def.SerializeToString(deterministic=True))
    return path


def node_of(tensor: str) -> str:
    """The node that makes a tensor or stands as an input: 'a:0' and '^a' are made by 'a'."""
    return tensor.lstrip('^').split(':')[0]


def nodes_by_name(graph_def: tf.GraphDef) -> dict[str, tf.NodeDef]:
    return {node.name: node for node in graph_def.node}


def consumers(graph_def: tf.GraphDef, control: bool = True) -> dict[str, list[tf.NodeDef]]:
    """The nodes that take an output of each node, by its name; without `control` only those that take a
    tensor."""
    found: dict[str, list[tf.NodeDef]] = {}
    for node in graph_def.node:
        for given in node.input:
            if control or not given.startswith('^'):
                found.setdefault(node_of(given), []).append(node)
    return found


def require_tensor(graph_def: tf.GraphDef, tensor: str, path: Path) -> None:
    """Raise UserError, with near names, unless the graph has the node that makes `tensor`."""
    names = [node.name for node in graph_def.node if node.op not in ('Const', 'NoOp')]
    if node_of(tensor) in names or any(node.name == node_of(tensor) for node in graph_def.node):
        return
    near = difflib.get_close_matches(node_of(tensor), names, 3, 0.5) or names[-1:]
    raise UserError(
        f'{paths.shown(path)} has no tensor {tensor}; names near it: {", ".join(n + ":0" for n in near)}'
    )


def ancestors(graph_def: tf.GraphDef, targets: Sequence[str], stops: Sequence[str] = ()) -> set[str]:
    """Names of all nodes that the tensors `targets` need, not looking behind the nodes `stops`."""
    nodes = nodes_by_name(graph_def)
    seen: set[str] = set()
    waiting = [node_of(target) for target in targets]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in nodes:
            seen.add(name)
            if name not in stops:
                waiting.extend(node_of(i) for i in nodes[name].input)
    return seen


def subgraph(graph_def: tf.GraphDef, targets: Sequence[str]) -> tf.GraphDef:
    """The part of a graph that the tensors `targets` need; the graph itself if that is all of it."""
    kept = ancestors(graph_def, targets)
    if len(kept) == len(graph_def.node):
        return graph_def
    part = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    part.node.extend(node for node in graph_def.node if node.name in kept)
    return part


def inferred(graph_def: tf.GraphDef, tensor: str, path: Path) -> tf.Tensor:
    """The tensor in a graph that cannot be run, for its type and shape: the weights are left out,
    as copying them is what takes the time.

    Raises UserError when TensorFlow does not take the graph, or the tensor is not in it.
    """
    kept = ancestors(graph_def, [tensor])
    light = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in kept:
            light.node.append(_without_weights(node))
    with tf.Graph().as_default() as graph:
        try:
            tf.import_graph_def(light, name='')
            return graph.get_tensor_by_name(tensor)
        except (ValueError, KeyError, tf.errors.OpError) as error:
            fault = str(error).strip('"').split('. ')[0]
            raise UserError(f'TensorFlow does not take {paths.shown(path)}: {fault}') from error


def _without_weights(node: tf.NodeDef) -> tf.NodeDef:
    """A large constant as a placeholder of its shape, any other node as it is."""
    if node.op != 'Const':
        return node
    shape = node.attr['value'].tensor.tensor_shape
    if math.prod(dim.size for dim in shape.dim) <= MOST_VALUES_OF_A_SHAPE:
        return node
    placeholder = tf.NodeDef(name=node.name, op='Placeholder', input=node.input)
    placeholder.attr['dtype'].type = node.attr['dtype'].type
    placeholder.attr['shape'].shape.CopyFrom(shape)
    return placeholder
