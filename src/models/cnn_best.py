"""A network that learns fast: few layers, most of the work in 3 x 3 convolutions that processors do best.

Three blocks of two convolutions between pooling. The shape follows what the fastest known trainings on
CIFAR-10 have in common (Page 2018, "How to train your ResNet"; Jordan 2024, arXiv:2404.00498): a stem that
whitens squares of 2 x 2 pixels and does not learn, convolutions that begin by handing on what they are given,
pooling straight after a convolution, batch norm whose scale is not learned, and logits that begin near zero.
"""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.models.layers import Mode, batch_norm, conv, dense, dirac, gelu, max_pool

STEM_SIZE, STEM = 2, 24  # two filters for each direction that 2 x 2 x 3 values can differ in
FILTERS = (64, 256, 256)
LEAST_VARIANCE = 3e-3  # components of less are mostly noise of JPEG, not to be made as loud as the rest
MOMENTUM = 0.6  # of batch norm's averages: a training of some hundred steps leaves no time for more
LOGIT_SCALE = 1 / 16  # by which a step on the last weights moves the logits as gently as one on the rest


def cnn_best(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] of pixels [N, height, width, 3], about -1 to 1; height and width at least 9."""
    x = gelu(conv(pixels, STEM, STEM_SIZE, 'stem', 'VALID', bias=False, trainable=False), mode)
    for number, filters in enumerate(FILTERS, 1):
        x = max_pool(conv(x, filters, 3, f'conv{number}a', bias=False, initializer=dirac))
        x = gelu(batch_norm(x, f'norm{number}a', mode, MOMENTUM, scale=False), mode)
        x = conv(x, filters, 3, f'conv{number}b', bias=False, initializer=dirac)
        x = gelu(batch_norm(x, f'norm{number}b', mode, MOMENTUM, scale=False), mode)
    x = tf.reduce_max(x, [1, 2])
    return dense(x, classes, 'logits') * tf.cast(LOGIT_SCALE, x.dtype)


def whitening(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What the stem begins as, and stays: the principal components of small squares of pictures
    [N, height, width, 3], about -1 to 1, each scaled to variance 1 and once more with its sign turned, as
    ReLU keeps one side only."""
    reach = range(STEM_SIZE)
    height, width = (side - STEM_SIZE + 1 for side in pixels.shape[1:3])
    squares = [pixels[:, dy : dy + height, dx : dx + width] for dy in reach for dx in reach]
    flat = np.concatenate(squares, axis=3).reshape(-1, 3 * STEM_SIZE**2).astype(np.float64)
    variances, components = np.linalg.eigh(flat.T @ flat / len(flat))
    scaled = (components / np.sqrt(variances + LEAST_VARIANCE)).reshape(STEM_SIZE, STEM_SIZE, 3, -1)
    return {'stem/W': np.concatenate([scaled, -scaled], axis=3).astype(np.float32)}
