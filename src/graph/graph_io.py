"""Read and write GraphDefs, and find, cut out and rename their nodes."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.accepted import NotAccepted, faults_named, import_graph, said
from src.graph.checks.damage import refuse_damage
from src.graph.checks.file_kinds import kind_of_file, kind_of_folder
from src.graph.checks.side_effects import refuse_side_effects

MOST_BYTES = (2 << 30) - 1  # of a protobuf message
MOST_VALUES_OF_A_SHAPE = 64  # larger constants are weights; no tensor's shape depends on them


def read_graph(path: Path, trusted: bool | None = None) -> tf.GraphDef:
    """Read the GraphDef in a binary .pb file and clear its devices (`without_devices`).

    trusted: whether it may contain ops that act outside of the graph, such as WriteFile; by default as the
        process has decided (common/process/trust.py).

    Raises UserError when the file is missing or does not hold a GraphDef, where the message says what it is
    instead, and what to do; when the graph is damaged; and for ops that act outside of it.
    """
    try:
        kind = kind_of_folder(Path(path)) if Path(path).is_dir() else None
        data = b'' if kind else files.bytes_within(Path(path), MOST_BYTES, 'of a GraphDef')
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    graph_def = tf.GraphDef()
    try:
        graph_def.ParseFromString(data)
    except Exception:  # protobuf's DecodeError, which versions of protobuf keep in different modules
        graph_def.Clear()
    # Other protobuf messages, and some plain bytes, parse as a GraphDef without sensible nodes.
    if not graph_def.node or any(not node.name or not node.op for node in graph_def.node):
        kind = kind or kind_of_file(Path(path), data) or 'not a TensorFlow GraphDef, or damaged'
        raise UserError(f'{paths.shown(path)} is {kind}')
    refuse_damage(graph_def, path)
    refuse_side_effects(graph_def, path, trusted)
    return without_devices(graph_def)


def without_devices(graph_def: tf.GraphDef) -> tf.GraphDef:
    """Clear the devices of all nodes, also in functions, in place. Returns the same object.

    A graph from a machine with GPUs or a cluster names devices that other machines lack. Colocation
    (`_class`) is cleared too, as it may name nodes outside of the part of the graph that is used.
    """
    for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
        for node in nodes:
            if node.device:
                node.ClearField('device')
            if '_class' in node.attr:
                del node.attr['_class']
    return graph_def


def write_graph(graph_def: tf.GraphDef, path: Path) -> Path:
    """Write a GraphDef as a binary .pb file, atomically."""
    with files.atomic(path, 'wb') as stream:
        # Deterministic: the same graph gives the same bytes and the same SHA-256.
        stream.write(graph_def.SerializeToString(deterministic=True))
    return path


def node_of(tensor: str) -> str:
    """The name of the node of a tensor or node input: 'a' for 'a', 'a:0', 'a:1' and '^a'."""
    return tensor.lstrip('^').split(':')[0]


def nodes_by_name(graph_def: tf.GraphDef) -> dict[str, tf.NodeDef]:
    return {node.name: node for node in graph_def.node}


def consumers(graph_def: tf.GraphDef, control: bool = True) -> dict[str, list[tf.NodeDef]]:
    """By node name, the nodes that have it as an input; without `control`, control inputs do not count."""
    found: dict[str, list[tf.NodeDef]] = {}
    for node in graph_def.node:
        for given in node.input:
            if control or not given.startswith('^'):
                found.setdefault(node_of(given), []).append(node)
    return found


def require_tensor(graph_def: tf.GraphDef, tensor: str, path: Path) -> None:
    """Raise UserError, with similar names, unless the graph has the node of `tensor`."""
    names = [node.name for node in graph_def.node if node.op not in ('Const', 'NoOp')]
    if node_of(tensor) in names or any(node.name == node_of(tensor) for node in graph_def.node):
        return
    near = difflib.get_close_matches(node_of(tensor), names, 3, 0.5) or names[-1:]
    raise UserError(
        f'{paths.shown(path)} has no tensor {tensor}; similar names: {", ".join(n + ":0" for n in near)}'
    )


def ancestors(graph_def: tf.GraphDef, targets: Sequence[str], stops: Sequence[str] = ()) -> set[str]:
    """Names of all nodes that the tensors `targets` depend on, themselves included; the inputs of the nodes
    `stops` are not followed."""
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
    """The part of a graph that the tensors `targets` depend on; the same object if that is all of it."""
    kept = ancestors(graph_def, targets)
    if len(kept) == len(graph_def.node):
        return graph_def
    return with_nodes(graph_def, (node for node in graph_def.node if node.name in kept))


def with_nodes(graph_def: tf.GraphDef, nodes: Iterable[tf.NodeDef]) -> tf.GraphDef:
    """A graph of copies of these nodes, with the versions and functions of `graph_def`."""
    made = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    made.node.extend(nodes)
    return made


def inferred(graph_def: tf.GraphDef, tensor: str, path: Path) -> tf.Tensor:
    """The symbolic tensor, for its dtype and inferred shape. The graph that it belongs to has no weights, as
    copying these would take long, and so cannot run.

    Raises UserError when TensorFlow does not accept the graph, or the tensor is not in it.
    """
    kept = ancestors(graph_def, [tensor])
    light = with_nodes(graph_def, (_without_weights(node) for node in graph_def.node if node.name in kept))
    with tf.Graph().as_default() as graph, faults_named(path):
        import_graph(light, name='')
        try:
            return graph.get_tensor_by_name(tensor)
        except (KeyError, ValueError) as error:
            raise NotAccepted(said(error)) from error


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


def free_name(name: str, taken: Collection[str]) -> str:
    """The name with as many underscores as make it differ from all node names `taken` and their scopes."""
    prefixes = {other[: place + 1] for other in taken for place, c in enumerate(other) if c == '/'}
    while name in taken or name + '/' in prefixes:
        name += '_'
    return name


def new_names(graph_def: tf.GraphDef, wanted: Collection[str]) -> dict[str, str]:
    """For each node of a graph whose name is among `wanted`, a new name under `network/`."""
    nodes = nodes_by_name(graph_def)
    taken = nodes.keys() | set(wanted)
    return {name: free_name(f'network/{name}', taken) for name in set(wanted) & nodes.keys()}


def renamed(graph_def: tf.GraphDef, names: Mapping[str, str]) -> tf.GraphDef:
    """A copy of a graph with nodes renamed, by old name; the same object if `names` is empty."""
    if not names:
        return graph_def
    made = copy.deepcopy(graph_def)
    for node in made.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [
            given.replace(node_of(given), names.get(node_of(given), node_of(given)), 1)
            for given in node.input
        ]
    return made
