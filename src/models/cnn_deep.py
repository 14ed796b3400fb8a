"""The deep CNN of the CIFAR-10 tutorial (docs/cifar10.md): three pairs of convolutions, 3 x 3 and 1 x 1."""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import Mode, batch_norm, conv, dense, dropout, flatten, max_pool

FILTERS = (32, 64, 128)
DROPPED = 0.1
UNITS, UNITS_DROPPED = 256, 0.4


def cnn_deep(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] of pixels [N, height, width, 3], about -1 to 1."""
    x = pixels
    for number, filters in enumerate(FILTERS, 1):
        x = tf.nn.relu(conv(x, filters, 3, f'conv{number}a'))
        x = tf.nn.relu(conv(x, filters, 1, f'conv{number}b'))
        x = batch_norm(max_pool(x), f'norm{number}', mode)
        x = dropout(x, DROPPED, number, mode)
    x = tf.nn.relu(dense(flatten(x), UNITS, 'dense'))
    return dense(dropout(x, UNITS_DROPPED, len(FILTERS) + 1, mode), classes, 'logits')
