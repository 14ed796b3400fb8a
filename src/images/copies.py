"""Augmented copies of training pictures, made once while a data set is converted.

`COPIES` are those of the original Kaggle conversion: less contrast, darker, mirrored. Each function takes
and returns a decoded picture, [height, width, 3] uint8.
"""

from __future__ import annotations

import numpy as np


def less_contrast(pixels: np.ndarray, factor: float = 0.8) -> np.ndarray:
    """Scale the distance of each channel from its mean by `factor`, as tf.image.adjust_contrast does."""
    means = pixels.mean(axis=(0, 1), keepdims=True)
    return _uint8((pixels - means) * factor + means)


def darker(pixels: np.ndarray, delta: float = -0.15) -> np.ndarray:
    """Add `delta`, a fraction of the full range, as tf.image.adjust_brightness does."""
    return _uint8(pixels + delta * 255.0)


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


COPIES = {'contrast': less_contrast, 'dark': darker, 'mirror': mirrored}
