"""A minimal convolutional network: convolution, ReLU and pooling, twice."""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import Mode, conv, dense, flatten, max_pool

FILTERS = (32, 64)


def cnn_simple(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] of pixels [N, height, width, 3], about -1 to 1."""
    x = pixels
    for number, filters in enumerate(FILTERS, 1):
        x = max_pool(tf.nn.relu(conv(x, filters, 3, f'conv{number}', 'VALID')))
    return dense(flatten(x), classes, 'logits')
