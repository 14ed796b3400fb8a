"""A network for fast training: few layers, most of the work in 3 x 3 convolutions, which CPUs compute fast.

A stem and three blocks of two convolutions. The architecture follows the fastest known trainings on CIFAR-10
(Page 2018, "How to train your ResNet"; Jordan 2024, arXiv:2404.00498): a fixed whitening convolution on
patches of 2 x 2 pixels, identity-initialized convolutions, pooling right after a convolution, batch norm
without a trained scale, and logits that start near zero.
"""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.models.layers import Mode, batch_norm, conv, dense, dirac, gelu, max_pool

STEM_SIZE, STEM = 2, 24  # two filters for each principal component of 2 x 2 x 3 values
FILTERS = (64, 256, 256)
LEAST_VARIANCE = 3e-3  # below it a component is mostly JPEG noise, which is not to be amplified
MOMENTUM = 0.6  # of batch norm's moving averages: low, as a training may take only some hundred steps
LOGIT_SCALE = 1 / 16  # makes a step of the last layer change the logits about as much as one of other layers


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
    """The weights of the stem, which are not trained, by variable name.

    They are the principal components of small patches of the pictures [N, height, width, 3], about -1 to 1,
    scaled to variance 1, each with both signs, as the activation behind it keeps mostly one side.
    """
    offsets = range(STEM_SIZE)
    height, width = (side - STEM_SIZE + 1 for side in pixels.shape[1:3])
    patches = [pixels[:, dy : dy + height, dx : dx + width] for dy in offsets for dx in offsets]
    flat = np.concatenate(patches, axis=3).reshape(-1, 3 * STEM_SIZE**2).astype(np.float64)
    variances, components = np.linalg.eigh(flat.T @ flat / len(flat))
    scaled = (components / np.sqrt(variances + LEAST_VARIANCE)).reshape(STEM_SIZE, STEM_SIZE, 3, -1)
    return {'stem/W': np.concatenate([scaled, -scaled], axis=3).astype(np.float32)}
