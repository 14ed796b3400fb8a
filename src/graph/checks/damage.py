"""Refuse GraphDefs that are damaged, before anything walks them or TensorFlow loads them.

Rewrites rely on what is checked here: names are unique, inputs exist, each node has the inputs and attributes
of its op, and following inputs backwards ends. TensorFlow checks most of it too, but much later, and some
damage would abort the process there (constants.py) or end never. Each check takes time in proportion to the
nodes, and copies no weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.constants import fault_of_constant
from src.graph.checks.signatures import Signature, signature_of

# VALID_OP_NAME_REGEX of tensorflow/python/framework/ops.py, where "_" begins names that TensorFlow makes.
NAME = re.compile(r'[A-Za-z0-9._][A-Za-z0-9_.\\/>-]*')
INPUT = re.compile(r'\^?([^:^]+)(?::(\d{1,6}))?')
LONGEST_NAME = 100  # characters, in messages
MERGES, NEXT = ('Merge', 'RefMerge'), ('NextIteration', 'RefNextIteration')


class Damage(Exception):
    """What is wrong with a graph, as the end of a sentence."""


def refuse_damage(graph_def: tf.GraphDef, path: Path) -> None:
    """Raise UserError if the graph is damaged."""
    try:
        _check(graph_def)
        _check_functions(graph_def)
    except Damage as damage:
        raise UserError(
            f'{paths.shown(path)} is damaged: {damage}. Get the file again, or freeze the graph again'
        ) from damage


def _check(graph_def: tf.GraphDef) -> None:
    functions = {function.signature.name for function in graph_def.library.function}
    signatures: dict[str, Signature] = {}
    for node in graph_def.node:
        if not NAME.fullmatch(node.name):
            raise Damage(f'{node.name[:LONGEST_NAME]!r} cannot be the name of a node')
        if node.name in signatures:
            raise Damage(f'two nodes are named {_shown(node)}')
        signatures[node.name] = _signature(node, functions)
        if node.op == 'Const' and (fault := fault_of_constant(node)):
            raise Damage(f'the constant {_shown(node)} {fault}')
    waits = {node.name: list(_inputs(node, signatures)) for node in graph_def.node}
    if name := _in_cycle(waits, {node.name: node.op for node in graph_def.node}):
        raise Damage(f'{name} depends on itself')


def _signature(node: tf.NodeDef, functions: set[str]) -> Signature:
    """The numbers of inputs and outputs of a node. Raises Damage for attributes that do not fit its op."""
    signature = signature_of(node, None if node.op in functions else node.op)
    if signature.fault:
        raise Damage(f'{_shown(node)} ({node.op}) {signature.fault}')
    return signature


def _inputs(node: tf.NodeDef, signatures: dict[str, Signature]) -> Iterator[str]:
    """The names of the nodes that a node takes as inputs. Raises Damage for one that does not exist, and when
    their number is not that of the op."""
    number, control = 0, False
    for given in node.input:
        found = INPUT.fullmatch(given)
        name = found[1] if found else given
        if name not in signatures:
            raise Damage(f'{_shown(node)} takes {given[:LONGEST_NAME]}, which is not in the graph')
        if given[0] == '^':
            control = True
        elif control:
            raise Damage(f'{_shown(node)} has the input {given[:LONGEST_NAME]} after a control input')
        else:
            number += 1
            outputs = signatures[name].outputs
            if outputs is not None and int(found[2] or 0) >= outputs:
                raise Damage(f'{_shown(node)} takes {given[:LONGEST_NAME]}, which is no output of that node')
        yield name
    wanted = signatures[node.name].inputs
    if wanted is not None and number != wanted:
        raise Damage(f'{_shown(node)} ({node.op}) has {number} inputs instead of {wanted}')


def _check_functions(graph_def: tf.GraphDef) -> None:
    """The constants in functions, and functions that call themselves, which TensorFlow would expand for
    ever."""
    names = {function.signature.name for function in graph_def.library.function}
    calls: dict[str, list[str]] = {name: [] for name in names}
    for function in graph_def.library.function:
        for node in function.node_def:
            if node.op == 'Const' and (fault := fault_of_constant(node)):
                raise Damage(f'the constant {_shown(node)} in {function.signature.name} {fault}')
            calls[function.signature.name].extend(called for called in _called(node) if called in names)
    if name := _in_cycle(calls, {}):
        raise Damage(f'the function {name} calls itself')


def _called(node: tf.NodeDef) -> Iterable[str]:
    yield node.op
    for value in node.attr.values():
        kind = value.WhichOneof('value')
        if kind == 'func':
            yield value.func.name
        elif kind == 'list':
            yield from (function.name for function in value.list.func)


def _in_cycle(waits: dict[str, list[str]], ops: dict[str, str]) -> str | None:
    """The name of a node that depends on itself, not counting loops of TensorFlow 1, in which a Merge takes a
    NextIteration; None if none does. `waits`: by name, what a node depends on; `ops`: by name, its op."""
    waits = {
        name: {i for i in inputs if not (ops.get(name) in MERGES and ops.get(i) in NEXT)}
        for name, inputs in waits.items()
    }
    users: dict[str, list[str]] = {}
    for name, inputs in waits.items():
        for given in inputs:
            users.setdefault(given, []).append(name)
    left = {name: len(inputs) for name, inputs in waits.items()}
    ready = [name for name, number in left.items() if not number]
    for name in ready:
        for user in users.get(name, ()):
            left[user] -= 1
            if not left[user]:
                ready.append(user)
    stuck = {name for name, number in left.items() if number}
    name = min(stuck, default=None)
    for _ in stuck:  # from a node that depends on a cycle into the cycle
        name = min(waits[name] & stuck)
    return name


def _shown(node: tf.NodeDef) -> str:
    return node.name[:LONGEST_NAME]
