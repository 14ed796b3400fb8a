"""Mixup (Zhang et al. 2018, arXiv:1710.09412): train on convex combinations of examples and their labels.

Bottlenecks are combined, as in manifold mixup (Verma et al. 2019, arXiv:1806.05236). Each example is paired
with the one before it in the batch; batches are shuffled anyway.
"""

from __future__ import annotations

import numpy as np


def mixed(x: np.ndarray, y: np.ndarray, alpha: float, seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Combine each row of a batch with the row before it.

    `x`: [N, width] float32; `y`: labels as probabilities [N, classes] float32. The weight of the row itself
    is drawn from Beta(alpha, alpha) and depends on `seed` alone. Returns new `x` and `y`.
    """
    weight = np.random.default_rng(seed).beta(alpha, alpha, (len(x), 1)).astype(np.float32)
    return _combined(x, weight), _combined(y, weight)


def _combined(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return weight * rows + (1 - weight) * np.roll(rows, 1, axis=0)
