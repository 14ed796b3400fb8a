"""The small CNN of the cats and dogs tutorial: four convolutions, a dense layer, one sigmoid unit.

For 150 x 150 pixels and two classes it has 3,453,121 weights (Chollet 2017, Deep Learning with Python,
listing 5.5; https://github.com/fchollet/deep-learning-with-python-notebooks).
"""

from __future__ import annotations

from src.common.errors import UserError
from src.common.tf1 import tf
from src.models.layers import Mode, conv, dense, dropout, flatten, max_pool

FILTERS = (32, 64, 128, 128)
UNITS = 512
DROPPED = 0.5  # by cnn_small_dropout
LEAST_SIDE = 46  # one value is left of it after four convolutions without padding and four poolings


def cnn_small(pixels: tf.Tensor, classes: int, mode: Mode, dropped: float = 0.0) -> tf.Tensor:
    """Logits of pixels [N, height, width, 3] from 0 to 1: [N, 1] for two classes, else [N, classes].

    dropped: dropout rate before the dense layers. Raises UserError for pictures smaller than LEAST_SIDE.
    """
    if min(pixels.shape.as_list()[1:3]) < LEAST_SIDE:
        raise UserError(f'cnn_small takes pictures of at least {LEAST_SIDE} pixels a side: use --side 150')
    x = pixels
    for number, filters in enumerate(FILTERS, 1):
        x = max_pool(tf.nn.relu(conv(x, filters, 3, f'conv{number}', 'VALID')))
    x = flatten(x)
    if dropped:
        x = dropout(x, dropped, 1, mode)
    x = tf.nn.relu(dense(x, UNITS, 'dense'))
    return dense(x, 1 if classes == 2 else classes, 'logits')


def cnn_small_dropout(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """`cnn_small` with dropout before its dense layers, as the tutorial trains it with augmentation (listing
    5.13)."""
    return cnn_small(pixels, classes, mode, DROPPED)
