"""Rewrite a graph saved in training mode for inference.

training flags            become false, and their branches are removed
batch norms               use their moving averages instead of the mean and variance of the batch
dropout, additive noise   are removed
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import ancestors, node_of, nodes_by_name
from src.graph.preprocessing.placeholders import KINDS
from src.graph.rewrites.branches import without_decided_branches
from src.graph.rewrites.constants import constant, value_of
from src.graph.rewrites.dropout import random_nodes, without_dropout
from src.graph.rewrites.folding import BATCH_NORMS

TRAINING_FLAG = re.compile(r'train|phase|learning', re.IGNORECASE)
# Names of the moving averages of mean and variance under the scope of a batch norm.
MOVING = (
    ('moving_mean', 'moving_variance'),  # tf.layers, Keras, slim
    ('running_mean', 'running_var'),  # converted from PyTorch
    ('moments/Squeeze/ExponentialMovingAverage', 'moments/Squeeze_1/ExponentialMovingAverage'),
)
PARAMETER_PASSES = ('Identity', 'ReadVariableOp', 'Cast')


class NothingToChange(UserError):
    """The graph is in inference mode already, as far as can be detected."""


def in_inference_mode(graph_def: tf.GraphDef, target: str, path: Path) -> tf.GraphDef:
    """A copy of a whole graph in which the tensor `target` is computed as in inference.

    Raises NothingToChange when it is so already, and UserError when a batch norm in training mode has no
    moving averages in the file, or when random ops remain that are not dropout.
    """
    changed, flags = _flags_off(graph_def)
    changed = without_decided_branches(changed)
    changed, norms = _with_moving_averages(changed, target, path)
    changed, dropped = without_dropout(changed, target)
    if left := random_nodes(changed, target):
        raise UserError(
            f'{paths.shown(path)} draws random numbers at {left[0]}, which is not dropout: '
            'freeze the graph again in inference mode'
        )
    if not (flags or norms or dropped):
        raise NothingToChange(f'{paths.shown(path)} is in inference mode already: leave --inference-mode out')
    return changed


def _flags_off(graph_def: tf.GraphDef) -> tuple[tf.GraphDef, int]:
    """The graph with its training flags as constants that are false, and how many were not false before."""
    changed, off = tf.GraphDef(versions=graph_def.versions, library=graph_def.library), 0
    nodes = nodes_by_name(graph_def)
    for node in graph_def.node:
        kind = node.attr['dtype'].type if node.op in (*KINDS, 'Const') else 0
        if kind == tf.bool.as_datatype_enum and TRAINING_FLAG.search(node.name.rpartition('/')[2]):
            default = node.input[0] if node.input else node.name
            before = value_of(nodes, default)
            off += before is None or bool(before.any())
            changed.node.append(constant(node.name, np.zeros(() if before is None else before.shape, bool)))
        else:
            changed.node.append(node)
    return changed, off


def _with_moving_averages(graph_def: tf.GraphDef, target: str, path: Path) -> tuple[tf.GraphDef, int]:
    changed = copy.deepcopy(graph_def)
    nodes, needed = nodes_by_name(changed), ancestors(changed, [target])
    fused = [n for n in changed.node if n.name in needed and _is_training(n)]
    for node in fused:
        size = _size_of_vector(node.input[1], nodes)
        given = node.input[3:5]
        if not all(_is_vector(tensor, size, nodes) for tensor in given):
            scopes = [_scope(node.name), *(_scope(_origin(i, nodes)) for i in node.input[1:3])]
            given = _moving(scopes, size, nodes)
        if given is None:
            raise _no_averages(node, path)
        node.input[3], node.input[4] = given
        node.attr['is_training'].b = False
    spelled = list(_moments(changed, needed, nodes))
    for mean, variance in spelled:
        scope = mean.name.rpartition('/moments/')[0] or _scope(mean.name)
        given = _moving([scope, re.sub(r'_\d+$', '', scope)], None, nodes)
        if given is None:
            raise _no_averages(mean, path)
        for node, average in zip((mean, variance), given, strict=True):
            axes = value_of(nodes, node.input[1]).ravel()
            values = value_of(nodes, _origin(average, nodes))
            shape = [1 if axis in axes else -1 for axis in range(len(axes) + 1)]
            node.CopyFrom(constant(node.name, values.reshape(shape if node.attr['keep_dims'].b else [-1])))
    return changed, len(fused) + len(spelled)


def _is_training(node: tf.NodeDef) -> bool:
    """Whether a node is a fused batch norm in training mode, which is the default of the attribute."""
    return node.op in BATCH_NORMS and ('is_training' not in node.attr or node.attr['is_training'].b)


def _moments(
    graph_def: tf.GraphDef, needed: set[str], nodes: dict[str, tf.NodeDef]
) -> Iterator[tuple[tf.NodeDef, tf.NodeDef]]:
    """The (mean, variance) nodes over batch and positions that `tf.nn.moments` creates."""
    for node in graph_def.node:
        if node.name not in needed or node.op != 'Mean':
            continue
        square, axes = nodes[node_of(node.input[0])], value_of(nodes, node.input[1])
        if square.op != 'SquaredDifference' or axes is None or 0 not in axes.ravel():
            continue
        mean = nodes[node_of(square.input[1])]
        while mean.op in ('StopGradient', 'Identity'):
            mean = nodes[node_of(mean.input[0])]
        if mean.op == 'Mean' and value_of(nodes, mean.input[1]) is not None:
            yield mean, node


def _moving(scopes: list[str], size: int | None, nodes: dict[str, tf.NodeDef]) -> list[str] | None:
    """The constants of the moving averages under one of the scopes; None when there are none."""
    for scope in dict.fromkeys(scopes):
        for names in MOVING:
            found = [f'{scope}/{name}' for name in names]
            if all(_is_vector(name, size, nodes) for name in found):
                return found
    return None


def _is_vector(tensor: str, size: int | None, nodes: dict[str, tf.NodeDef]) -> bool:
    number = _size_of_vector(tensor, nodes)
    return bool(number) and size in (None, number)


def _size_of_vector(tensor: str, nodes: dict[str, tf.NodeDef]) -> int | None:
    value = value_of(nodes, _origin(tensor, nodes))
    return None if value is None or value.ndim != 1 else len(value)


def _origin(tensor: str, nodes: dict[str, tf.NodeDef]) -> str:
    """The name of the node that holds a parameter, found through nodes that pass it on."""
    while (node := nodes.get(node_of(tensor))) is not None and node.op in PARAMETER_PASSES and node.input:
        tensor = node.input[0]
    return node_of(tensor)


def _scope(name: str) -> str:
    return name.rpartition('/')[0]


def _no_averages(node: tf.NodeDef, path: Path) -> UserError:
    return UserError(
        f'{paths.shown(path)}: {node.name} ({node.op}) normalizes by the mean and variance of the batch, and '
        'the file holds no moving averages to use instead: freeze the graph again in inference mode, '
        'with training=False'
    )
