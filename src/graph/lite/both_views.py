"""A backbone that is run on a picture and on its mirror image, as one .tflite model.

                             ┌► backbone ──────────────────► [1, width] ┐
    pixels [1, h, w, 3] ─────┤                                          ├► [1, 2 * width]
                             └► left ◄──► right ► backbone ► [1, width] ┘

Both have the same weights and ranges, which are in the file once. This module does not import TensorFlow.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.graph.lite.compose import NO_BUFFER, OPTIONAL
from src.graph.lite.file_format import as_data, parsed, schema, serialized

WIDTH_AXIS = 2  # of pixels [1, height, width, 3]


def both_views(backbone: bytes) -> bytes:
    """A model from pixels [1, height, width, 3] float32 to the bottlenecks [1, 2 * width] float32 of a
    picture, then of its mirror image; each is what `backbone` gives, to the last digit.

    Raises UserError when LiteRT, whose package has the file format, is missing.
    """
    model = parsed(backbone)
    graph = model.subgraphs[0]
    (pixels,), (first,) = map(int, graph.inputs), map(int, graph.outputs)
    axis = _constant(model, WIDTH_AXIS)
    mirrored = _added(graph, graph.tensors[pixels], 'mirrored_pixels')
    operators = list(graph.operators)
    graph.operators.append(_operator(model, 'REVERSE_V2', [pixels, axis], mirrored))
    second = _repeated(model, operators, {OPTIONAL: OPTIONAL, pixels: mirrored})[first]
    joined = _added(graph, graph.tensors[first], 'both_views')
    graph.tensors[joined].shape = [1, 2 * int(graph.tensors[first].shape[1])]
    graph.tensors[joined].shapeSignature = None
    last = _operator(model, 'CONCATENATION', [first, second], joined)
    last.builtinOptionsType = schema().BuiltinOptions.ConcatenationOptions
    last.builtinOptions = schema().ConcatenationOptionsT()
    last.builtinOptions.axis = 1
    graph.operators.append(last)
    graph.outputs, model.signatureDefs = [joined], None
    return serialized(model)


def _constant(model: Any, value: int) -> int:
    """Add a constant [1] int32. Returns the place of its tensor."""
    buffer, tensor = schema().BufferT(), schema().TensorT()
    buffer.data = as_data(np.array([value], '<i4'))
    tensor.buffer, tensor.shape, tensor.type = len(model.buffers), [1], schema().TensorType.INT32
    tensor.name = 'width_axis'
    model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _added(graph: Any, like: Any, name: str) -> int:
    """Add a tensor like another. Returns its place."""
    tensor = copy.copy(like)
    tensor.name, tensor.buffer = name, NO_BUFFER
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model: Any, name: str, inputs: list[int], output: int) -> Any:
    """An operator of one output, in its first version."""
    code = schema().OperatorCodeT()
    code.builtinCode = getattr(schema().BuiltinOperator, name)
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 1  # below 127, where they agree
    model.operatorCodes.append(code)
    made = schema().OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, inputs, [output]
    return made


def _repeated(model: Any, operators: Sequence[Any], places: dict[int, int]) -> dict[int, int]:
    """Add a copy of each operator, on tensors of its own and the same constants.

    places: the new place of tensors that are not to be copied. Returns it with those of all others.
    """
    graph = model.subgraphs[0]

    def place(tensor: int) -> int:
        if tensor not in places:
            held = graph.tensors[tensor]
            places[tensor] = tensor if _is_constant(model, held) else _added(graph, held, _renamed(held.name))
        return places[tensor]

    for operator in operators:
        again = copy.copy(operator)
        for name in ('inputs', 'outputs', 'intermediates'):
            if (named := getattr(operator, name)) is not None:
                setattr(again, name, [place(int(tensor)) for tensor in named])
        graph.operators.append(again)
    return places


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _renamed(name: bytes | str | None) -> str:
    text = name.decode('utf-8', 'replace') if isinstance(name, bytes) else name or ''
    return f'{text}_mirrored'
