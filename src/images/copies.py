"""Changed copies of training pictures.

`COPIES` are those of the original Kaggle conversion: less contrast, darker, mirrored. They work on
decoded pictures, [height, width, 3] uint8, before these are encoded again.
"""

from __future__ import annotations

import numpy as np


def less_contrast(pixels: np.ndarray, factor: float = 0.8) -> np.ndarray:
    """Pull every channel towards its mean, as tf.image.adjust_contrast does."""
    means = pixels.mean(axis=(0, 1), keepdims=True)
    return _uint8((pixels - means) * factor + means)


def darker(pixels: np.ndarray, delta: float = -0.15) -> np.ndarray:
    """Add `delta`, a share of the full range, as tf.image.adjust_brightness does."""
    return _uint8(pixels + delta * 255.0)


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


COPIES = {'contrast': less_contrast, 'dark': darker, 'mirror': mirrored}
