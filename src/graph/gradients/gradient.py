"""Gradients between two tensors of a frozen graph, with an error that names the op that has none."""

from __future__ import annotations

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.layer_list import ops_between


def gradient(target: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
    """d(sum of `target`) / d(`source`), of the shape of `source`.

    Raises UserError with the name and type of the op at which the gradient ends, or when `target` does not
    depend on `source`.
    """
    try:
        (found,) = tf.gradients(target, source)
    except LookupError:  # an op of a type without a registered gradient
        found = None
    if found is not None:
        return found
    between = ops_between(source, target)
    if target.op not in between:
        raise UserError(f'{target.name} does not depend on {source.name}')
    end = _end_of_gradient(target, between)
    where = f'{end.type} at {end.name}' if end is not None else 'an op between them'
    raise UserError(f'no gradient from {target.name} to {source.name}: {where} has none')


def _end_of_gradient(target: tf.Tensor, between: set[tf.Operation]) -> tf.Operation | None:
    """The first op, from `target` back, through which no gradient passes although it takes real numbers."""
    waiting, seen = [target], set()
    while waiting:
        output = waiting.pop(0)
        if output.op in seen:
            continue
        seen.add(output.op)
        inputs = [tensor for tensor in output.op.inputs if tensor.op in between]
        passed = _passed(output, inputs)
        if inputs and not passed and any(tensor.dtype.is_floating for tensor in inputs):
            return output.op
        waiting += passed or inputs  # an op between integers: the one that made them is before it
    return None


def _passed(output: tf.Tensor, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
    """The inputs that a gradient of `output` reaches, by the one op that computes it."""
    try:
        found = tf.gradients(output, inputs) if inputs and output.dtype.is_floating else []
    except LookupError:
        return []
    return [tensor for tensor, slope in zip(inputs, found, strict=False) if slope is not None]
