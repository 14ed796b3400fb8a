"""Remove dropout from a graph: replace each random mask by its mean.

Dropout multiplies by a random mask and divides by the keep probability (Srivastava et al. 2014,
https://jmlr.org/papers/v15/srivastava14a.html), so with the mean of the mask the values pass unchanged.
TensorFlow versions implement the mask as floor(keep + uniform), cast(uniform >= rate) or
select(uniform >= rate).
"""

from __future__ import annotations

import copy

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import ancestors, consumers, node_of, nodes_by_name
from src.graph.rewrites.constants import constant, value_of

UNIFORM = ('RandomUniform', 'StatelessRandomUniform', 'StatelessRandomUniformV2')
NORMAL = ('RandomStandardNormal', 'StatelessRandomNormal', 'StatelessRandomNormalV2')
OTHER_RANDOM = (
    'TruncatedNormal',
    'RandomUniformInt',
    'RandomShuffle',
    'Multinomial',
    'RandomGamma',
    'RandomCrop',
)
RANDOM = (*UNIFORM, *NORMAL, *OTHER_RANDOM, 'StatelessTruncatedNormal', 'StatelessTruncatedNormalV2')
COMPARISONS = ('GreaterEqual', 'Greater', 'Less', 'LessEqual')
SUMS = ('Add', 'AddV2')


def random_nodes(graph_def: tf.GraphDef, target: str) -> list[str]:
    """Names of the nodes that draw random numbers and that the tensor `target` depends on."""
    needed = ancestors(graph_def, [target])
    return [node.name for node in graph_def.node if node.name in needed and node.op in RANDOM]


def without_dropout(graph_def: tf.GraphDef, target: str) -> tuple[tf.GraphDef, list[str]]:
    """A copy of the graph without dropout and additive noise before `target`, and the names of the random
    nodes that were removed. Other random nodes stay."""
    changed = copy.deepcopy(graph_def)
    nodes, users, removed = nodes_by_name(changed), consumers(changed, control=False), []
    for name in random_nodes(graph_def, target):
        ends = _ends(name, nodes, users)
        if ends:
            for user, mean, mask in ends:
                _put_mean(changed, nodes, user, mean, mask)
            removed.append(name)
    return changed, removed


def _ends(name: str, nodes: dict, users: dict) -> list[tuple[tf.NodeDef, float, str]]:
    """Where the values of a random node are applied to those of the network: (node, mean of the random
    values, name of the node that provides them). Empty when any use of them is not recognized."""
    uniform = nodes[name].op in UNIFORM
    ends, waiting = [], [(name, 1.0, 0.0)]  # (node, scale, shift): its values are scale * random + shift
    while waiting:
        at, scale, shift = waiting.pop()
        for user in users.get(at, ()):
            others = [given for given in user.input if node_of(given) != at and not given.startswith('^')]
            number = _number(others[0], nodes) if len(others) == 1 else None
            first = node_of(user.input[0]) == at
            if number is not None and user.op in ('Mul', *SUMS):
                by, plus = (number, 0.0) if user.op == 'Mul' else (1.0, number)
                waiting.append((user.name, scale * by, shift * by + plus))
            elif uniform and user.op == 'Floor' and scale == 1 and 0 <= shift <= 1:
                ends.extend(_masked(user.name, shift, users))
            elif uniform and user.op in COMPARISONS and number is not None and scale > 0:
                below = min(max((number - shift) / scale, 0.0), 1.0)
                mean = 1 - below if user.op.startswith('G') == first else below
                ends.extend(_masked(user.name, mean, users))
            elif not uniform and user.op in SUMS and number is None and len(others) == 1:
                ends.append((user, shift, at))
            else:
                return []
    return ends if all(user is not None for user, _, _ in ends) else []


def _masked(mask: str, mean: float, users: dict) -> list[tuple[tf.NodeDef | None, float, str]]:
    """Where a mask is applied; None as the node of a use that is not recognized."""
    found: list[tuple[tf.NodeDef | None, float, str]] = []
    for user in users.get(mask, ()):
        if user.op in ('Cast', 'Identity'):
            found.extend(_masked(user.name, mean, users))
        elif user.op == 'Mul' or (user.op in ('Select', 'SelectV2') and node_of(user.input[0]) == mask):
            found.append((user, mean, mask))
        else:
            found.append((None, mean, mask))
    return found


def _put_mean(graph_def: tf.GraphDef, nodes: dict, user: tf.NodeDef, mean: float, mask: str) -> None:
    """Replace the random values that `user` takes from the node `mask` by their mean, in place."""
    dtype = user.attr['T'].type
    if user.op in ('Select', 'SelectV2'):
        data = user.input[1]
    else:
        data = next(given for given in user.input if node_of(given) != mask)
    if user.op in SUMS:
        passes = mean == 0
    else:
        source, factor = _factor(data, nodes)
        passes = abs(factor * mean - 1) < 1e-5
        data = source if passes else data
    if passes:
        user.op, user.input[:] = 'Identity', [data]
    else:
        made = constant(f'{user.name}/mean_of_mask', np.array(mean, tf.as_dtype(dtype).as_numpy_dtype))
        graph_def.node.append(made)
        user.op, user.input[:] = ('AddV2' if user.op in SUMS else 'Mul'), [data, made.name]
    user.attr.clear()
    user.attr['T'].type = dtype


def _factor(tensor: str, nodes: dict) -> tuple[str, float]:
    """(source, factor) where `tensor` is factor * source; (tensor, 1) if it is not such a product."""
    node = nodes[node_of(tensor)]
    if node.op in ('Mul', 'RealDiv', 'Div'):
        number = _number(node.input[1], nodes)
        if number:
            return node.input[0], number if node.op == 'Mul' else 1 / number
        number = _number(node.input[0], nodes) if node.op == 'Mul' else None
        if number is not None:
            return node.input[1], number
    return tensor, 1.0


def _number(tensor: str, nodes: dict) -> float | None:
    """The value of a scalar that depends on constants alone; None for any other tensor."""
    value = value_of(nodes, tensor)
    if value is not None:
        return float(value.item()) if value.size == 1 else None
    node = nodes.get(node_of(tensor))
    if node is None or node.op not in ('Identity', 'Cast', 'Sub', 'Mul', 'RealDiv', *SUMS):
        return None
    given = [_number(i, nodes) for i in node.input if not i.startswith('^')]
    if None in given:
        return None
    if node.op in ('Identity', 'Cast'):
        return given[0]
    a, b = given
    return {'Sub': a - b, 'Mul': a * b, 'RealDiv': a / b if b else None}.get(node.op, a + b)
