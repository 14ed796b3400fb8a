"""Whether a gradient reaches the weights that are to be trained, and which operation is in its way if not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf


def require_gradients(output: tf.Tensor, weights: Mapping[str, tf.Tensor], path: Path) -> None:
    """Raise UserError, with the name and type of the operation, if an operation between `weights`, by the
    names of their constants in the graph `path`, and `output` has no gradient."""
    for name, found in _gradients(output, weights).items():
        if found is None:
            blocking = _blocking(output, weights[name])
            where = f': {blocking.name} is {blocking.type}, which has no gradient' if blocking else ''
            raise UserError(
                f'{name} of {paths.shown(path)} cannot be trained{where}; choose layers behind it'
            )


def _gradients(output: tf.Tensor, weights: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor | None]:
    """The gradient of each weight; None for all where TensorFlow finds an operation without one."""
    try:
        return dict(zip(weights, tf.gradients(output, list(weights.values())), strict=True))
    except LookupError:  # "No gradient defined for operation"
        return {name: _gradient(output, weight) for name, weight in weights.items()}


def _gradient(output: tf.Tensor, source: tf.Tensor) -> tf.Tensor | None:
    try:
        return tf.gradients(output, source)[0]
    except LookupError:
        return None


def _blocking(output: tf.Tensor, weight: tf.Tensor) -> tf.Operation | None:
    """The first operation between a weight and `output` that passes no gradient on to any of its inputs that
    depend on the weight."""
    onward = _onward(tf.convert_to_tensor(weight))
    back = _back(output.op)
    for operation in output.graph.get_operations():
        if operation not in onward or operation not in back:
            continue
        inputs = [tensor for tensor in operation.inputs if tensor.op in onward]
        if inputs and all(_gradient(operation.outputs[0], tensor) is None for tensor in inputs):
            return operation
    return None


def _onward(tensor: tf.Tensor) -> set[tf.Operation]:
    found, waiting = {tensor.op}, [tensor.op]
    while waiting:
        new = {use for made in waiting.pop().outputs for use in made.consumers()} - found
        found |= new
        waiting.extend(new)
    return found


def _back(operation: tf.Operation) -> set[tf.Operation]:
    found, waiting = {operation}, [operation]
    while waiting:
        new = {tensor.op for tensor in waiting.pop().inputs} - found
        found |= new
        waiting.extend(new)
    return found
