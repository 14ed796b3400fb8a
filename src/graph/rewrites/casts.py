"""Resize decoded pictures without a float32 copy of them, which has four times their size.

    decoded uint8 ──► Cast ──► ExpandDims ──► ResizeBilinear        graphs of TensorFlow 1
    decoded uint8 ───────────► ExpandDims ──► ResizeBilinear        the same pixels, to the last digit

TensorFlow's resizing ops take 8-bit integers too, and compute in float32 from either.
"""

from __future__ import annotations

import copy

from src.common.tf1 import tf
from src.graph.graph_io import consumers, node_of

RESIZERS = ('ResizeBilinear', 'ResizeBicubic', 'ResizeArea', 'ScaleAndTranslate')  # their results are float32
PASSING = ('ExpandDims', 'Identity', 'Reshape', 'StridedSlice')


def without_cast_before_resizing(graph_def: tf.GraphDef, decoded: str) -> tf.GraphDef:
    """A graph that resizes the tensor `decoded`, [h, w, 3] uint8, as it is; the same object if the graph does
    so already, or uses the float32 copy for anything but resizing."""
    changed = copy.deepcopy(graph_def)
    users, found = consumers(changed), False
    for cast in users.get(node_of(decoded), ()):
        # With control inputs it is kept, as they may be checks of the picture.
        if _is_to_float(cast) and list(cast.input) in ([decoded], [decoded.removesuffix(':0')]):
            typed = _before_resizing(cast, users)
            found = found or bool(typed)
            for node in typed:
                node.attr['T'].type = cast.attr['SrcT'].type
                node.input[:] = [cast.input[0] if _names(given, cast) else given for given in node.input]
    return changed if found else graph_def


def _is_to_float(node: tf.NodeDef) -> bool:
    if node.op != 'Cast':  # protobuf would add the attributes that are asked for to any other op
        return False
    types = [node.attr[name].type for name in ('SrcT', 'DstT')]
    return types == [tf.uint8.as_datatype_enum, tf.float32.as_datatype_enum]


def _before_resizing(cast: tf.NodeDef, users: dict[str, list[tf.NodeDef]]) -> list[tf.NodeDef]:
    """The nodes that take the copy, up to the resizing ops, which are among them; none if any other op takes
    it."""
    found, resized, waiting = [], False, [cast]
    while waiting:
        at = waiting.pop()
        for user in users.get(at.name, ()):
            picture, *others = user.input
            if not _names(picture, at) or any(node_of(given) == at.name for given in others):
                return []
            if user.op in PASSING and user.name in users:  # without a consumer it is a result of the graph
                waiting.append(user)
            elif user.op in RESIZERS:
                resized = True
            elif user.op != 'Shape':
                return []
            found.append(user)
    return found if resized else []


def _names(given: str, node: tf.NodeDef) -> bool:
    """Whether an input is the first output of a node."""
    return given in (node.name, f'{node.name}:0')
