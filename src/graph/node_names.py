"""New names for nodes, where two parts of a graph need the same one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from src.common.tf1 import tf
from src.graph.graph_io import node_of


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or one like it, that is not taken by a node and is no scope of one."""
    prefixes = {other[: place + 1] for other in taken for place, c in enumerate(other) if c == '/'}
    while name in taken or name + '/' in prefixes:
        name += '_'
    return name


def renamed(graph_def: tf.GraphDef, names: Mapping[str, str]) -> tf.GraphDef:
    """A copy of a graph whose nodes have the new names given for old ones; the graph itself if there
    are none."""
    if not names:
        return graph_def
    copy = tf.GraphDef()
    copy.CopyFrom(graph_def)
    for node in copy.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [_renamed_input(given, names) for given in node.input]
    return copy


def new_names(graph_def: tf.GraphDef, wanted: Collection[str]) -> dict[str, str]:
    """New names for those nodes of a graph that have a `wanted` one."""
    taken = {node.name for node in graph_def.node} | set(wanted)
    return {
        name: free_name(f'network/{name}', taken) for name in taken & set(wanted) if _has(graph_def, name)
    }


def _has(graph_def: tf.GraphDef, name: str) -> bool:
    return any(node.name == name for node in graph_def.node)


def _renamed_input(given: str, names: Mapping[str, str]) -> str:
    name = node_of(given)
    return given.replace(name, names[name], 1) if name in names else given
