"""Probabilities kept away from 0 and 1, so that a confident mistake costs less log loss.

The log loss is that of Kaggle: rows are rescaled to a sum of 1, then bounded by 1e-15
(https://www.kaggle.com/competitions/dogs-vs-cats-redux-kernels-edition/overview/evaluation, and
https://www.kaggle.com/competitions/dog-breed-identification/overview/evaluation).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KAGGLE_LEAST = 1e-15
CANDIDATES = (0.0, *np.geomspace(1e-7, 0.1, 61).tolist())  # ten of each power of ten


class Clip(NamedTuple):
    """A bound for probabilities, 0 for none, and the log loss of some examples without and with it."""

    least: float
    before: float
    after: float


def clipped(probabilities: np.ndarray, least: float) -> np.ndarray:
    """Probabilities [..., classes] float64, bounded to `least` and 1 - `least`, then rescaled to a sum of 1.

    With two classes the bounds still hold after it.
    """
    bounded = np.clip(np.asarray(probabilities, np.float64), least, 1 - least)
    return bounded / bounded.sum(-1, keepdims=True)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Kaggle's log loss of probabilities [N, classes], whose rows have positive sums, for labels [N] int."""
    rows = np.asarray(probabilities, np.float64)
    truth = rows[np.arange(len(labels)), labels] / rows.sum(1)
    return float(-np.log(np.clip(truth, KAGGLE_LEAST, 1 - KAGGLE_LEAST)).mean())


def best_clip(probabilities: np.ndarray, labels: np.ndarray) -> Clip:
    """The bound with the lowest log loss of probabilities [N, classes] for labels [N] int, out of CANDIDATES
    below 1 / classes. It is 0 unless another is better, so the log loss is never higher than without."""
    below = [least for least in CANDIDATES if least * probabilities.shape[1] < 1]
    losses = [log_loss(clipped(probabilities, least), labels) for least in below]
    place = int(np.argmin(losses))  # of equal ones the first
    return Clip(below[place], losses[0], losses[place])
