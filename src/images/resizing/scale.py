"""TensorFlow's ScaleAndTranslate as `tf.image.resize` uses it: the whole picture to the new size.

Source: tensorflow/core/kernels/image/scale_and_translate_op.cc
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/image/scale_and_translate_op.cc).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from src.images.resizing.kernels import KERNELS
from src.images.resizing.taps import Taps, summed_columns, summed_rows

NO_WEIGHT = np.float32(1000 * 2.0**-126)  # a smaller sum of weights counts as none
HALF = np.float32(0.5)


def scale(picture: np.ndarray, height: int, width: int, kernel_type: str, antialias: bool) -> np.ndarray:
    """The picture [h, w, 3] as [height, width, 3] float32.

    kernel_type: a name in `kernels.KERNELS`. antialias: the kernel grows with the factor of shrinking.
    """
    rows = summed_rows(picture, _spans(picture.shape[0], height, kernel_type, antialias))
    return summed_columns(rows, _spans(picture.shape[1], width, kernel_type, antialias))


@lru_cache(maxsize=64)  # of up to 1.5 MB
def _spans(old: int, new: int, kernel_type: str, antialias: bool) -> Taps:
    """The taps that resize a side of `old` pixels to `new`."""
    kernel, one = KERNELS[kernel_type], np.float32(1)
    shrinking = one / (np.float32(new) / np.float32(old))
    stretch = max(shrinking, one) if antialias else one
    reach = np.float32(kernel.radius) * stretch
    most = min(2 * int(np.ceil(reach)) + 1, old)
    centers = (np.arange(new, dtype=np.float32) + HALF) * shrinking
    begins = np.clip(np.ceil(centers - reach - HALF), 0, old - 1).astype(np.int64)
    ends = np.clip(np.floor(centers + reach - HALF), 0, old - 1).astype(np.int64) + 1
    places = begins + np.arange(most)[:, None]
    distances = places.astype(np.float32) + HALF - centers
    weights = kernel.value(np.abs(distances * (one / stretch)))
    weights[(places >= ends) | (centers > old)] = 0
    total = np.zeros(new, np.float32)
    for weight in weights:
        total += weight
    enough = np.abs(total) >= NO_WEIGHT
    weights *= np.where(enough, one / np.where(enough, total, one), np.float32(0))
    return Taps(np.minimum(places, old - 1), weights).trimmed()
