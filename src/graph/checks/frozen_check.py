"""Check that a graph is frozen (it contains all its weights and reads no other data) and not damaged."""

from __future__ import annotations

from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.graph.checks.file_kinds import FREEZE_1, FREEZE_2
from src.graph.graph_io import node_of, subgraph

VARIABLES = (
    *('Variable', 'VariableV2', 'AutoReloadVariable', 'VarHandleOp', '_VarHandlesOp', 'TemporaryVariable'),
)
# Prefixes of the names of ops that read from a table, a queue, a file or a data set.
OUTSIDE = (
    *('HashTable', 'MutableHashTable', 'MutableDenseHashTable', 'AnonymousHashTable', 'AnonymousMutable'),
    *('Iterator', 'OneShotIterator', 'MultiDeviceIterator', 'AnonymousIterator', 'QueueDequeue', 'FIFOQueue'),
    *('RandomShuffleQueue', 'PaddingFIFOQueue', 'PriorityQueue', 'ReaderRead', 'Restore'),
    *('PyFunc', 'EagerPyFunc'),
)


def frozen_part(graph_def: tf.GraphDef, target: str, path: Path) -> tf.GraphDef:
    """The part of a graph that the tensor `target` depends on.

    Raises UserError, with the names of nodes, when this part reads data from outside the graph (variables,
    tables, an input pipeline) or is damaged.
    """
    graph_def = subgraph(graph_def, [target])
    _refuse_damage(graph_def, path)
    variables = [node.name for node in graph_def.node if _is_variable(node)]
    if variables:
        names = ', '.join(variables[:3]) + (', ...' if len(variables) > 3 else '')
        raise UserError(
            f'{paths.shown(path)} is not frozen: its weights are not in the file but in '
            f'{count(len(variables), "variable")} ({names}). Write the graph that {FREEZE_1} returns '
            f'(in TensorFlow 2: {FREEZE_2})'
        )
    outside = next((node for node in graph_def.node if node.op.startswith(OUTSIDE)), None)
    if outside is not None:
        raise UserError(
            f'{paths.shown(path)} reads from outside the graph at {outside.name} ({outside.op}): export it '
            'with a placeholder for the images in that place'
        )
    return graph_def


def _is_variable(node: tf.NodeDef) -> bool:
    resource = node.op == 'Placeholder' and node.attr['dtype'].type == tf.resource.as_datatype_enum
    return resource or node.op in VARIABLES


def _refuse_damage(graph_def: tf.GraphDef, path: Path) -> None:
    """Raise UserError for damage that would crash TensorFlow or cause endless loops here: a constant whose
    dtype is not that of its node, and nodes that depend on each other outside of loops."""
    for node in graph_def.node:
        if node.op == 'Const' and node.attr['dtype'].type != node.attr['value'].tensor.dtype:
            raise UserError(f'{paths.shown(path)} is damaged: the constant {node.name} holds another type')
    if node := _in_cycle(graph_def):
        raise UserError(f'{paths.shown(path)} is damaged: {node} depends on itself')


def _in_cycle(graph_def: tf.GraphDef) -> str | None:
    """The name of a node that depends on itself, not counting loops (NextIteration); None if none does."""
    ends = {node.name for node in graph_def.node if node.op == 'NextIteration'}
    names = {node.name for node in graph_def.node}
    waits = {node.name: {node_of(given) for given in node.input} & names - ends for node in graph_def.node}
    users: dict[str, list[str]] = {}
    for name, inputs in waits.items():
        for given in inputs:
            users.setdefault(given, []).append(name)
    ready = [name for name, inputs in waits.items() if not inputs]
    for name in ready:
        for user in users.get(name, ()):
            waits[user].discard(name)
            if not waits[user]:
                ready.append(user)
    left = next((name for name, inputs in waits.items() if inputs), None)
    for _ in waits if left else ():  # from a node that depends on a cycle into the cycle
        left = min(waits[left])
    return left
