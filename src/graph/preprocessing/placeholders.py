"""Placeholders of a graph: find the one for pixels, explain the others, and replace them by constants.

Graphs saved from training often have other inputs too, such as a keep probability or a training flag.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import ancestors, node_of, nodes_by_name, require_tensor, with_nodes
from src.graph.rewrites.constants import constant

KINDS = ('Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault')
CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative', 'QuantizedConv2D')
# Name pattern, usual meaning, and value in inference.
USUAL = (
    (r'keep', 'the fraction of units that dropout keeps', '1'),
    (r'drop|(^|[/_])rate', 'the fraction of units that dropout sets to zero', '0'),
    (r'train|phase|learning', 'a switch between training and inference', 'false'),
)
Value = float | bool


def value_flag(text: str) -> tuple[str, Value]:
    """An argparse type: 'keep_prob:0=1' as a tensor and its value, a finite number or a boolean."""
    tensor, _, value = text.rpartition('=')
    known = {'true': True, 'false': False}
    try:
        number = known[value.lower()] if value.lower() in known else float(value)
    except ValueError:
        number = math.nan
    if not tensor or not math.isfinite(number):
        raise argparse.ArgumentTypeError(f'{text!r} is not TENSOR=VALUE, such as keep_prob:0=1')
    return (tensor if ':' in tensor else tensor + ':0'), number


def with_values(graph_def: tf.GraphDef, values: Sequence[tuple[str, Value]], path: Path) -> tf.GraphDef:
    """A copy of the graph with constants in the place of placeholders; the same object without `values`.

    Raises UserError for a tensor that is not a placeholder, and for a value that its dtype cannot represent.
    """
    if not values:
        return graph_def
    given = {}
    for tensor, value in values:
        require_tensor(graph_def, tensor, path)
        given[node_of(tensor)] = _constant_for(nodes_by_name(graph_def)[node_of(tensor)], value, path)
    return with_nodes(graph_def, (given.get(node.name, node) for node in graph_def.node))


def _constant_for(node: tf.NodeDef, value: Value, path: Path) -> tf.NodeDef:
    if node.op not in KINDS:
        raise UserError(
            f'{paths.shown(path)}: {node.name}:0 is not a placeholder but {node.op}: --set cannot set it'
        )
    dtype = tf.as_dtype(node.attr['dtype'].type)
    try:
        array = np.full([size or 1 for size in shape_of(node) or ()], value).astype(dtype.as_numpy_dtype)
        exact = bool(np.isclose(array.ravel()[0].astype(float), float(value)))
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise UserError(f'{paths.shown(path)}: {node.name}:0 is {dtype.name} and cannot be {value}')
    return constant(node.name, array)


def shape_of(placeholder: tf.NodeDef) -> list[int | None] | None:
    """The shape of a placeholder, with None for unknown sizes; None for unknown rank."""
    if 'shape' not in placeholder.attr or placeholder.attr['shape'].shape.unknown_rank:
        return None
    return [None if dim.size < 0 else dim.size for dim in placeholder.attr['shape'].shape.dim]


def pixel_placeholder(graph_def: tf.GraphDef, target: str, path: Path) -> tf.NodeDef:
    """The placeholder for pixels, of any numeric dtype and possibly unknown shape. Raises UserError when
    there is none, or when there are several candidates."""
    needed = ancestors(graph_def, [target])
    found = [n for n in graph_def.node if n.name in needed and n.op in KINDS and _may_be_pixels(n)]
    if len(found) > 1:
        found = [node for node in found if shape_of(node)] or found
    if len(found) > 1 and (first := _first_images(graph_def, needed)):
        found = [node for node in found if node.name in first] or found
    if len(found) > 1:
        names = ', '.join(f'{node.name}:0' for node in found)
        raise UserError(
            f'{paths.shown(path)} has several placeholders for pixels ({names}), not one: give the others '
            f'a value, such as --set {found[-1].name}:0=1'
        )
    if not found:
        raise UserError(
            f'{paths.shown(path)}: neither an image decoder nor a placeholder for pixels '
            f'[N, height, width, 3] leads to {target}'
        )
    return found[0]


def _may_be_pixels(node: tf.NodeDef) -> bool:
    dtype, shape = tf.as_dtype(node.attr['dtype'].type), shape_of(node)
    return (dtype.is_floating or dtype.is_integer) and (shape is None or len(shape) == 4)


def _first_images(graph_def: tf.GraphDef, needed: set[str]) -> set[str]:
    """Names of all nodes that the input of the first convolution depends on."""
    before = [
        ancestors(graph_def, [node.input[0]])
        for node in graph_def.node
        if node.name in needed and node.op in CONVOLUTIONS
    ]
    return min(before, key=len, default=set())


def refuse_placeholders(graph_def: tf.GraphDef, names: Collection[str], path: Path, settable: bool) -> None:
    """Raise UserError if one of the nodes `names` is a placeholder without a default; `settable` says whether
    the command has the flag --set."""
    for node in graph_def.node:
        if node.name in names and node.op in KINDS[:2]:
            meaning, value = _usual(node)
            remedy = f'add --set {node.name}:0={value}, or freeze' if settable else 'freeze'
            raise UserError(
                f'{paths.shown(path)} also needs a value at {node.name}:0, {meaning}: {remedy} the graph '
                'with a constant there'
            )


def _usual(node: tf.NodeDef) -> tuple[str, str]:
    """The meaning of a placeholder, guessed from its name and dtype, and its value in inference."""
    dtype = tf.as_dtype(node.attr['dtype'].type)
    for pattern, meaning, value in USUAL:
        if re.search(pattern, node.name, re.IGNORECASE):
            return meaning, value if dtype == tf.bool or value != 'false' else '0'
    shape = shape_of(node)
    return f'which accepts {dtype.name} {"of any shape" if shape is None else shape}', 'VALUE'
