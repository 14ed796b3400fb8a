"""Put a head behind a backbone: one .tflite model of two.

    pixels [1, h, w, 3] ──► backbone (int8) ──► bottleneck [1, width] ──► head (float32) ──► [1, classes]

The converter quantizes a whole model or none of it. A head is small: 8 bits would cost it accuracy and save
hardly any time. So backbone and head are converted apart and joined here, on the level of the file format. No
number in them changes. This module does not import TensorFlow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from src.common.errors import UserError
from src.graph.lite.file_format import parsed, schema, serialized

NO_BUFFER = 0  # the empty buffer that tensors without constant values refer to
OPTIONAL = -1  # an input that an op is not given
OLDEST_RUNTIME = b'min_runtime_version'


def compose(backbone: bytes, head: bytes) -> bytes:
    """One .tflite model that gives `head(backbone(pixels))`, to the last digit.

    backbone: any model of one input and one output [1, width] float32; its inner precision may be int8.
    head: a model of one subgraph from [1, width] float32 to one output.

    Raises UserError when LiteRT, whose package has the file format, is missing, and for models that do not
    fit.
    """
    first, second = parsed(backbone), parsed(head)
    _require_fit(first, second)
    codes = _add_codes(first, second)
    buffers = [NO_BUFFER, *range(len(first.buffers), len(first.buffers) + len(second.buffers) - 1)]
    first.buffers += second.buffers[1:]
    _add_operators(first.subgraphs[0], second.subgraphs[0], codes, buffers)
    first.signatureDefs = None  # they would name the bottleneck as the output
    _keep_newer_runtime(first, second)
    return serialized(first)


def _require_fit(backbone: Any, head: Any) -> None:
    """Raise UserError unless the output of `backbone` is what `head` takes."""
    given, taken = backbone.subgraphs[0], head.subgraphs[0]
    if len(given.outputs) != 1 or len(taken.inputs) != 1 or len(taken.outputs) != 1:
        raise UserError('a backbone of one output and a head of one input and one output are needed')
    if len(head.subgraphs) != 1:
        raise UserError(f'the head has control flow ({len(head.subgraphs)} subgraphs)')
    output, wanted = given.tensors[given.outputs[0]], taken.tensors[taken.inputs[0]]
    shape, shape_wanted = (np.asarray(tensor.shape).tolist() for tensor in (output, wanted))
    if shape != shape_wanted:
        raise UserError(f'the backbone gives values {shape}, and the head takes {shape_wanted}')
    if {output.type, wanted.type} != {schema().TensorType.FLOAT32}:
        raise UserError('the output of the backbone and the input of the head must be float32')


def _add_codes(backbone: Any, head: Any) -> list[int]:
    """Add the ops of the head to the list of those of the backbone. Returns the new place of each."""
    places = {_identity(code): place for place, code in enumerate(backbone.operatorCodes)}
    for code in head.operatorCodes:
        if _identity(code) not in places:
            places[_identity(code)] = len(backbone.operatorCodes)
            backbone.operatorCodes.append(code)
    return [places[_identity(code)] for code in head.operatorCodes]


def _identity(code: Any) -> tuple:
    return code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version


def _add_operators(backbone: Any, head: Any, codes: list[int], buffers: list[int]) -> None:
    """Add the tensors and operators of a subgraph to those of another, whose output they take.

    codes, buffers: the new places of the ops and of the constants of the head.
    """
    tensors: dict[int, int] = {OPTIONAL: OPTIONAL, int(head.inputs[0]): int(backbone.outputs[0])}
    for place, tensor in enumerate(head.tensors):
        if place not in tensors:
            tensor.buffer = buffers[tensor.buffer]
            tensors[place] = len(backbone.tensors)
            backbone.tensors.append(tensor)
    for operator in head.operators:
        operator.opcodeIndex = codes[operator.opcodeIndex]
        operator.debugMetadataIndex = -1  # none
        for name in ('inputs', 'outputs', 'intermediates'):
            if (named := getattr(operator, name)) is not None:
                setattr(operator, name, [tensors[int(place)] for place in named])
        backbone.operators.append(operator)
    backbone.outputs = [tensors[int(place)] for place in head.outputs]


def _keep_newer_runtime(backbone: Any, head: Any) -> None:
    """Let the metadata of the backbone name the newer of the two oldest versions of the runtime."""

    def noted(model: Any) -> Any:
        return next((one for one in model.metadata or () if one.name == OLDEST_RUNTIME), None)

    ours, theirs = noted(backbone), noted(head)
    if ours and theirs:
        needed = head.buffers[theirs.buffer].data
        if _version(needed) > _version(backbone.buffers[ours.buffer].data):
            backbone.buffers[ours.buffer].data = needed


def _version(data: Any) -> tuple[int, ...]:
    """The numbers in the bytes of a version, '2.3.0' and zeros."""
    text = bytes(data).rstrip(b'\0').decode('ascii', 'replace')
    return tuple(int(part) if part.isdecimal() else 0 for part in text.split('.'))
