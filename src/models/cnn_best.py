"""A network that learns fast: few layers, most of the work in 3 x 3 convolutions that processors do best.

Three blocks of two convolutions, the second of which adds to what it is given, between pooling. The shape
follows what the fastest known trainings on CIFAR-10 have in common (Page 2018, "How to train your ResNet";
Jordan 2024, arXiv:2404.00498): pooling straight after a convolution, batch norm whose scale is not learned,
a stem that sees 2 x 2 pixels, and logits scaled down so that training begins near even odds.
"""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import Mode, batch_norm, conv, dense, he, max_pool

STEM = 24
FILTERS = (64, 256, 256)
LOGIT_SCALE = 1 / 9
MOMENTUM = 0.9  # of batch norm's averages: a training of some thousand steps leaves no time for more


def cnn_best(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] of pixels [N, height, width, 3], about -1 to 1; height and width at least 26."""
    x = conv(pixels, STEM, 2, 'stem', 'VALID', bias=False, initializer=he)
    x = tf.nn.relu(batch_norm(x, 'stem_norm', mode, MOMENTUM))
    for number, filters in enumerate(FILTERS, 1):
        x = max_pool(conv(x, filters, 3, f'conv{number}a', bias=False, initializer=he))
        x = tf.nn.relu(batch_norm(x, f'norm{number}a', mode, MOMENTUM))
        y = conv(x, filters, 3, f'conv{number}b', bias=False, initializer=he)
        x = x + tf.nn.relu(batch_norm(y, f'norm{number}b', mode, MOMENTUM))
    x = tf.reduce_max(x, [1, 2])
    return dense(x, classes, 'logits') * tf.cast(LOGIT_SCALE, x.dtype)
