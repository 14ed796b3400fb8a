"""Augmented copies of training pictures, made once while a data set is converted.

`COPIES` are those of the original Kaggle conversion: less contrast, darker, mirrored. Each function takes
and returns a decoded picture, [height, width, 3] uint8.
"""

from __future__ import annotations

import numpy as np

VALUES = np.arange(256)  # what a pixel may be: a table of the new values is used, not a copy of floats


def less_contrast(pixels: np.ndarray, factor: float = 0.8) -> np.ndarray:
    """Scale the distance of each channel from its mean by `factor`, as tf.image.adjust_contrast does."""
    means = pixels.mean(axis=(0, 1))
    channels = [
        _uint8((VALUES - mean) * factor + mean)[pixels[..., place]] for place, mean in enumerate(means)
    ]
    return np.stack(channels, axis=-1)


def darker(pixels: np.ndarray, delta: float = -0.15) -> np.ndarray:
    """Add `delta`, a fraction of the full range, as tf.image.adjust_brightness does."""
    return _uint8(VALUES + delta * 255.0)[pixels]


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


COPIES = {'contrast': less_contrast, 'dark': darker, 'mirror': mirrored}
