"""Gradients that pass dead ReLUs, to wake them.

A ReLU below 0 has the gradient 0: if a channel's ReLU is below 0 at all positions, no step can change it. The
redirected gradient lets through what would raise the input of such a ReLU. It is used only for the rows of a
batch of which no gradient passes in the usual way. From Lucid
(https://github.com/tensorflow/lucid/blob/master/lucid/misc/redirected_relu_grad.py).
"""

from __future__ import annotations

import functools

from src.common.tf1 import tf

# The names of the registered gradients, by type of op.
REDIRECTED = {'Relu': 'RootstockRedirectedRelu', 'Relu6': 'RootstockRedirectedRelu6'}


@functools.cache
def register() -> None:
    """Register the gradients with TensorFlow, once in a process."""
    tf.RegisterGradient(REDIRECTED['Relu'])(lambda op, slope: redirected(op.inputs[0], slope, None))
    tf.RegisterGradient(REDIRECTED['Relu6'])(lambda op, slope: redirected(op.inputs[0], slope, 6.0))


def redirected(inputs: tf.Tensor, slope: tf.Tensor, highest: float | None) -> tf.Tensor:
    """The gradient of a ReLU with the upper bound `highest`, for an objective that grows along `slope`."""
    zero = tf.zeros_like(slope)
    below = inputs < 0
    above = tf.zeros_like(below) if highest is None else inputs > highest
    usual = tf.where(below | above, zero, slope)
    # Blocked: what would drive the input further from the range in which the ReLU has a gradient.
    blocked = (below & (slope < 0)) | (above & (slope > 0))
    other_axes = list(range(1, slope.shape.rank))
    passes = tf.reduce_any(tf.not_equal(usual, 0), other_axes, keepdims=True)
    return tf.where(passes & tf.ones_like(below), usual, tf.where(blocked, zero, slope))
