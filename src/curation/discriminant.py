"""Out-of-fold scores of a linear discriminant analysis, fast enough to be no trouble: a second or two.

The classes are Gaussians with one covariance, which is shrunk toward a multiple of the identity, as with
scikit-learn's LinearDiscriminantAnalysis(solver='lsqr', shrinkage=...). Here the scatter of each fold is
computed once, and that of the other folds is a difference, so that all folds and several shrinkages cost
little more than one fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHRINKAGES = (0.3, 0.6, 0.8, 0.9, 0.97)
FOLDS = 5


def folds_of(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """The fold [N] of each example: the photos of a class are spread evenly over FOLDS, or over as many as
    the class has photos."""
    random, folds = np.random.default_rng(seed), np.empty(len(labels), np.int64)
    for number in range(classes):
        rows = random.permutation(np.flatnonzero(labels == number))
        folds[rows] = (np.arange(len(rows)) + number) % FOLDS
    return folds


def out_of_fold_logits(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    shrinkages: Sequence[float] = SHRINKAGES,
    seed: int = 1,
) -> dict[float, np.ndarray]:
    """Logits [N, classes] float32 for each shrinkage, each example by a model that was fitted without it.

    vectors: [N, width] float32. labels: [N] int, with at least two examples of each class. Memory: one
    matrix [width, width] for each fold.
    """
    folds = folds_of(labels, classes, seed)
    spread = vectors.std(0)
    vectors = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)
    one_hot = np.eye(classes, dtype=np.float32)[labels]
    parts = [folds == fold for fold in np.unique(folds)]
    scatters = [vectors[part].T @ vectors[part] for part in parts]
    sums = [one_hot[part].T @ vectors[part] for part in parts]
    counts = [one_hot[part].sum(0)[:, None] for part in parts]
    all_scatter, all_sums, all_counts = sum(scatters), sum(sums), sum(counts)
    logits = {shrinkage: np.empty((len(labels), classes), np.float32) for shrinkage in shrinkages}
    for i, part in enumerate(parts):
        number = all_counts - counts[i]
        means = (all_sums - sums[i]) / number
        scatter = all_scatter - scatters[i] - (means * number).T @ means
        priors = np.log(number[:, 0] / number.sum())
        for shrinkage in shrinkages:
            logits[shrinkage][part] = _logits(vectors[part], means, scatter / number.sum(), priors, shrinkage)
    return logits


def _logits(
    vectors: np.ndarray, means: np.ndarray, covariance: np.ndarray, log_priors: np.ndarray, shrinkage: float
) -> np.ndarray:
    """Log-probabilities [N, classes] of classes with these means [classes, width] and one shrunk covariance,
    up to a constant for each example."""
    from scipy import linalg

    width = len(covariance)
    shrunk = (1 - shrinkage) * covariance
    shrunk.flat[:: width + 1] += shrinkage * np.trace(covariance) / width + 1e-6
    weights = linalg.cho_solve(linalg.cho_factor(shrunk, check_finite=False), means.T, check_finite=False)
    return vectors @ weights - 0.5 * np.einsum('kd,dk->k', means, weights) + log_priors
