"""Images to optimize: a trainable Fourier spectrum with decorrelated colors, and random views of it.

Olah, Mordvintsev and Schubert 2017, https://distill.pub/2017/feature-visualization.
"""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf

# The square root of the covariance of the colors of ImageNet's pixels, and the deviation of the spectrum at
# first (https://github.com/tensorflow/lucid/blob/master/lucid/optvis/param/color.py and spatial.py).
COLOR_SQRT = np.float32([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
SPECTRUM_DEVIATION = 0.01
# As Lucid's transforms (.../optvis/transform.py): rotation in degrees, change of size, and jitter in pixels
# for a picture of 128 pixels.
ROTATION, SCALE, JITTER = 10, 0.1, 8


def fourier_images(number: int, side: int, seed: int) -> tuple[tf.Variable, tf.Tensor, tf.Tensor]:
    """A trainable spectrum, its value, and the images [number, side, side, 3] float32, 0 to 1, made of it.

    The lower a frequency, the larger its scale, as in natural images; so all are learned at the same rate.
    """
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    scale = side / np.maximum(np.hypot(down, across), 1 / side)
    first = np.random.default_rng(seed).normal(0, SPECTRUM_DEVIATION, (2, number, 3, *scale.shape))
    spectrum = tf.Variable(first.astype(np.float32), name='spectrum', use_resource=True)
    value = spectrum.value()
    waves = tf.complex(value[0], value[1]) * scale.astype(np.complex64)
    plane = tf.signal.irfft2d(waves, [side, side]) / 4
    colors = COLOR_SQRT / np.linalg.norm(COLOR_SQRT, axis=0).max()
    return spectrum, value, tf.sigmoid(tf.tensordot(tf.transpose(plane, [0, 2, 3, 1]), colors.T, 1))


def random_views(images: tf.Tensor, seed: int) -> tf.Tensor:
    """The images [N, side, side, 3], 0 to 1, each shifted, rotated and scaled at random by one resampling.

    Every run gives new views. Pixels from outside are gray.
    """
    number, side = images.shape.as_list()[:2]

    def uniform(most: float, place: int) -> tf.Tensor:
        return tf.random.uniform([number], -most, most, seed=seed + place)

    angle, size = uniform(np.radians(ROTATION), 0), 1 + uniform(SCALE, 1)
    jitter = JITTER * side / 128
    center = (side - 1) / 2
    cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
    right = center - cosine * center + sine * center + uniform(jitter, 2)
    down = center - sine * center - cosine * center + uniform(jitter, 3)
    zero = tf.zeros([number])
    rows = tf.stack([cosine, -sine, right, sine, cosine, down, zero, zero], 1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=rows,
        output_shape=[side, side],
        fill_value=0.5,
        interpolation='BILINEAR',
        fill_mode='CONSTANT',
    )
