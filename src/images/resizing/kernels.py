"""The sampling kernels of TensorFlow's ScaleAndTranslate, in its float32 arithmetic.

Source: tensorflow/core/kernels/image/sampling_kernels.h
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/image/sampling_kernels.h).
Each function takes distances [N] float32, at least 0, from the center of the kernel and returns its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

PI = np.float32(3.14159265359)
GAUSSIAN_RADIUS, GAUSSIAN_SIGMA = np.float32(1.5), np.float32(0.5)


class Kernel(NamedTuple):
    """A kernel, and the distance beyond which it is 0."""

    radius: float
    value: Callable[[np.ndarray], np.ndarray]


def _lanczos(radius: int) -> Kernel:
    def value(x: np.ndarray) -> np.ndarray:
        far = np.maximum(x, np.float32(1e-3))  # the limit of sin(x) / x is taken below
        with_sines = np.float32(radius) * _sin(PI * far) * _sin(PI * far / np.float32(radius))
        inside = with_sines / (PI * PI * far * far)
        return np.where(x > radius, np.float32(0), np.where(x <= np.float32(1e-3), np.float32(1), inside))

    return Kernel(radius, value)


def _sin(x: np.ndarray) -> np.ndarray:
    """Rounded correctly, as C's `sinf` nearly always is; NumPy's own of float32 is less precise."""
    return np.sin(x.astype(np.float64)).astype(np.float32)


def _gaussian(x: np.ndarray) -> np.ndarray:
    variance = 2.0 * np.float64(GAUSSIAN_SIGMA) * np.float64(GAUSSIAN_SIGMA)
    inside = np.exp((-x * x).astype(np.float64) / variance).astype(np.float32)
    return np.where(x >= GAUSSIAN_RADIUS, np.float32(0), inside)


def _box(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0.5, np.float32(1), np.where(x == 0.5, np.float32(0.5), np.float32(0)))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.where(x < 1, np.float32(1) - x, np.float32(0))


def _keys_cubic(x: np.ndarray) -> np.ndarray:
    number = np.float32
    far = ((number(-0.5) * x + number(2.5)) * x - number(4)) * x + number(2)
    near = ((number(1.5) * x - number(2.5)) * x) * x + number(1)
    return np.where(x >= 2, number(0), np.where(x >= 1, far, near))


def _mitchell_cubic(x: np.ndarray) -> np.ndarray:
    number = np.float32
    far = (number(-7) / number(18) * x + number(2)) * x - number(10) / number(3)
    far = far * x + number(16) / number(9)
    near = ((number(7) / number(6) * x - number(2)) * x) * x + number(8) / number(9)
    return np.where(x >= 2, number(0), np.where(x >= 1, far, near))


KERNELS = {
    'lanczos1': _lanczos(1),
    'lanczos3': _lanczos(3),
    'lanczos5': _lanczos(5),
    'gaussian': Kernel(1.5, _gaussian),
    'box': Kernel(1, _box),
    'triangle': Kernel(1, _triangle),
    'keyscubic': Kernel(2, _keys_cubic),
    'mitchellcubic': Kernel(2, _mitchell_cubic),
}
