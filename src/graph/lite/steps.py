"""The preprocessing of a graph as a list of steps, so that other programs can repeat it without TensorFlow.

    {'height': 96, 'width': 96, 'pictures': [{'height': 96, 'width': 96, 'scalable': True, 'steps': [
        {'op': 'ScaleAndTranslate', 'kernel_type': 'triangle', 'antialias': True},
        {'op': 'Mul', 'value': 0.0078431377},
        {'op': 'AddV2', 'value': -1.0}]}]}

The steps begin with an upright picture [h, w, 3] of 8-bit RGB as float32 and end with the pixels of the
network. There is one picture, or one for each size where backbones are joined; their pixels are then one
column [height, 1, 3] (preprocessing/pictures.py). `scalable`: a large JPEG may be decoded at a fraction of
its size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.constants import array_of
from src.graph.graph_io import node_of, nodes_by_name
from src.graph.lite.package import PREPROCESSING
from src.graph.preprocessing.find import Preprocessing, parts_of
from src.graph.preprocessing.hidden_decoders import RESIZERS

KEY = PREPROCESSING
# What a resizing op samples, by its attributes; TensorFlow leaves those out that have their default value.
DEFAULTS = {'align_corners': False, 'half_pixel_centers': False, 'antialias': True, 'kernel_type': 'lanczos3'}
ATTRIBUTES = {
    'ResizeBilinear': ('align_corners', 'half_pixel_centers'),
    'ResizeNearestNeighbor': ('align_corners', 'half_pixel_centers'),
    'ResizeBicubic': ('align_corners', 'half_pixel_centers'),
    'ResizeArea': ('align_corners',),
    'ScaleAndTranslate': ('kernel_type', 'antialias'),
}
ARITHMETIC = ('Mul', 'Add', 'AddV2', 'Sub', 'RealDiv')
UNCHANGED = ('Identity', 'PlaceholderWithDefault', 'ExpandDims', 'Reshape')


def steps_of(graph_def: tf.GraphDef, preprocessing: Preprocessing, path: Path) -> dict[str, Any]:
    """The preprocessing of a graph with its weights in it or apart, as JSON.

    Raises UserError for preprocessing that is more than resizing, and arithmetic with constants.
    """
    nodes = nodes_by_name(graph_def)
    sizes = preprocessing.sizes or ((preprocessing.height, preprocessing.width),)
    tensors = parts_of(graph_def, preprocessing.pixels) if preprocessing.sizes else [preprocessing.pixels]
    return {
        'height': preprocessing.height,
        'width': preprocessing.width,
        'pictures': [
            _picture(nodes, tensor, size, node_of(preprocessing.decoded), path)
            for tensor, size in zip(tensors, sizes, strict=True)
        ],
    }


def _picture(
    nodes: dict[str, tf.NodeDef], tensor: str, size: tuple[int, int], decoder: str, path: Path
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    node = nodes[node_of(tensor)]
    while node.name != decoder:
        step, before = _step(nodes, node, path)
        steps.extend(step)
        node = nodes[node_of(before)]
    decode = node
    if [step['op'] in RESIZERS for step in steps].count(True) != 1:
        raise UserError(f'{paths.shown(path)} resizes pictures more than once, which only TensorFlow repeats')
    if decode.attr['ratio'].i not in (0, 1):
        raise UserError(f'{paths.shown(path)} decodes pictures at a fraction of their size')
    averages = any(step['op'] == 'ResizeArea' or step.get('antialias', False) for step in steps)
    return {
        'height': size[0],
        'width': size[1],
        'scalable': averages and decode.op == 'DecodeJpeg',
        'steps': steps[::-1],
    }


def _step(nodes: dict[str, tf.NodeDef], node: tf.NodeDef, path: Path) -> tuple[list[dict[str, Any]], str]:
    """What a node does to a picture, as no step or one, and the input that has the picture."""
    inputs = [name for name in node.input if not name.startswith('^')]
    if _changes_nothing(node):
        return [], inputs[0]
    if node.op == 'ScaleAndTranslate' and _is_partial(nodes, inputs):
        raise UserError(f'{paths.shown(path)} resizes a part of the picture, which only TensorFlow repeats')
    if node.op in ATTRIBUTES:
        facts = {name: _attribute(node, name) for name in ATTRIBUTES[node.op]}
        return [{'op': node.op, **facts}], inputs[0]
    if node.op in ARITHMETIC and len(inputs) == 2:
        picture, constant = inputs
        first = nodes[node_of(picture)].op == 'Const'
        if first and node.op not in ('Sub', 'RealDiv'):
            picture, constant = constant, picture
        value = _constant(nodes[node_of(constant)])
        if value is not None:
            return [{'op': node.op, 'value': value}], picture
    raise UserError(
        f'{paths.shown(path)}: the preprocessing has the op {node.op} ({node.name}), which only TensorFlow '
        'runs: use the .pb file'
    )


def _is_partial(nodes: dict[str, tf.NodeDef], inputs: list[str]) -> bool:
    """Whether ScaleAndTranslate has a fixed scale or moves the picture. `tf.image.resize` does neither."""
    scale, translation = (nodes[node_of(name)] for name in inputs[2:4])
    moves = translation.op == 'Const' and array_of(translation).any()
    return scale.op == 'Const' or bool(moves)


def _changes_nothing(node: tf.NodeDef) -> bool:
    """Whether a node passes its picture on, perhaps as float32 or as a batch of one."""
    if node.op == 'Cast':
        return node.attr['DstT'].type == tf.float32.as_datatype_enum
    if node.op == 'StridedSlice':  # picture[None]
        return node.attr['new_axis_mask'].i == 1 and not node.attr['shrink_axis_mask'].i
    return node.op in UNCHANGED


def _attribute(node: tf.NodeDef, name: str) -> bool | str:
    if name not in node.attr:
        return DEFAULTS[name]
    return node.attr[name].s.decode() if name == 'kernel_type' else node.attr[name].b


def _constant(node: tf.NodeDef) -> float | list[float] | None:
    """The value of a constant: a number, or one for each channel."""
    if node.op != 'Const':
        return None
    value = array_of(node)
    if value.dtype != np.float32 or value.size not in (1, 3):
        return None
    return value.item() if value.size == 1 else value.ravel().tolist()
