"""Remove branches that are never taken, as their predicate is a constant.

A `tf.cond` of TensorFlow 1 has a Switch at each entry and a Merge at each exit. If the predicate is a
constant, such as a training flag, both become an Identity of the branch that is taken.
"""

from __future__ import annotations

from src.common.tf1 import tf
from src.graph.graph_io import consumers, node_of, nodes_by_name
from src.graph.rewrites.constants import value_of

PASSES_ON = ('Identity', 'Switch', 'PlaceholderWithDefault')


def without_decided_branches(graph_def: tf.GraphDef) -> tf.GraphDef:
    """A copy of a graph without branches that a constant decides; the same object if it has none."""
    nodes = nodes_by_name(graph_def)
    taken = {}  # by name of a Switch with a constant predicate, the index of its live output
    for node in graph_def.node:
        if node.op == 'Switch' and (value := _predicate(nodes, node.input[1])) is not None:
            taken[node.name] = int(value)
    if not taken:
        return graph_def
    dead = _dead(graph_def, taken)
    result = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in dead:
            continue
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in taken:
            _become_identity(copy, node.input[0])
        elif node.op == 'Merge':
            alive = [given for given in node.input if not _is_dead(given, dead, taken)]
            if len(alive) == 1:
                _become_identity(copy, alive[0])
        copy.input[:] = [f'{node_of(i)}:0' if node_of(i) in taken and i[0] != '^' else i for i in copy.input]
    return result


def _predicate(nodes: dict[str, tf.NodeDef], tensor: str) -> bool | None:
    """The value of a constant predicate, also through Identity and logical ops; None for any other."""
    while (node := nodes.get(node_of(tensor))) is not None and node.op in PASSES_ON:
        tensor = node.input[0]
    value = value_of(nodes, tensor)
    if value is None and node is not None and node.op in ('LogicalNot', 'LogicalAnd', 'LogicalOr'):
        given = [_predicate(nodes, i) for i in node.input if not i.startswith('^')]
        if None in given:
            return None
        return {'LogicalNot': not given[0], 'LogicalAnd': all(given), 'LogicalOr': any(given)}[node.op]
    return None if value is None or value.dtype != bool or value.size != 1 else bool(value)


def _dead(graph_def: tf.GraphDef, taken: dict[str, int]) -> set[str]:
    """Names of the nodes that never run."""
    dead: set[str] = set()
    while True:
        found = {node.name for node in graph_def.node if node.name not in dead and _dies(node, dead, taken)}
        if not found:
            return dead
        dead |= found


def _dies(node: tf.NodeDef, dead: set[str], taken: dict[str, int]) -> bool:
    inputs = [_is_dead(given, dead, taken) for given in node.input]
    return bool(inputs) and (all(inputs) if node.op == 'Merge' else any(inputs))


def _is_dead(given: str, dead: set[str], taken: dict[str, int]) -> bool:
    name = node_of(given)
    if name in taken and not given.startswith('^') and name not in dead:
        return taken[name] != (1 if given.endswith(':1') else 0)
    return name in dead


def _become_identity(node: tf.NodeDef, source: str) -> None:
    kind = node.attr['T'].type
    controls = [given for given in node.input if given.startswith('^')]
    node.op = 'Identity'
    node.input[:] = [source, *controls]
    node.attr.clear()
    node.attr['T'].type = kind


def in_control_flow(graph_def: tf.GraphDef) -> set[str]:
    """Names of the nodes inside loops and branches, between Enter and Exit or between Switch and Merge. They
    may run several times, or not at all."""
    users = consumers(graph_def)
    within: set[str] = set()
    for begin, end in (('Enter', ('Exit',)), ('Switch', ('Merge', 'Exit'))):
        waiting = [node.name for node in graph_def.node if node.op == begin]
        ends = {node.name for node in graph_def.node if node.op in end}
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found and name not in ends:
                found.add(name)
                waiting.extend(user.name for user in users.get(name, ()))
        within |= found
    return within
