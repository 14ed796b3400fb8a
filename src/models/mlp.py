"""A multilayer perceptron with two hidden layers and sigmoid activations."""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import Mode, dense, flatten

HIDDEN = (128, 128)


def mlp(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] float32 of pixels [N, height, width, 3], about -1 to 1."""
    x = flatten(pixels)
    for number, units in enumerate(HIDDEN, 1):
        x = tf.nn.sigmoid(dense(x, units, f'dense{number}'))
    return dense(x, classes, 'logits')
