"""Mixup (Zhang et al. 2018, arXiv:1710.09412): a head learns from blends of two examples and of their labels.

Here the blended are bottlenecks, as Verma et al. do with hidden layers (2019, arXiv:1806.05236). An
example's partner is its neighbour in the batch, whose order is random anyway.
"""

from __future__ import annotations

import numpy as np


def mixed(x: np.ndarray, y: np.ndarray, alpha: float, seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A batch [N, width] float32 and its labels as probabilities [N, classes] float32, each row blended
    with the one before it. How much of it stays is drawn from Beta(alpha, alpha), by `seed` alone."""
    kept = np.random.default_rng(seed).beta(alpha, alpha, (len(x), 1)).astype(np.float32)
    return _blended(x, kept), _blended(y, kept)


def _blended(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return kept * rows + (1 - kept) * np.roll(rows, 1, axis=0)
