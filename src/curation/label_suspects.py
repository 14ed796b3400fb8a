"""Label suspects: photos that look like another class than the one that they are labeled as.

A linear discriminant analysis on the bottlenecks gives each photo probabilities of the classes, from a model
that was fitted without it. A photo is suspect if another class is more probable than its label, and one of
two rules holds:

- The label is less probable than it is, on average, for photos that are labeled otherwise. That is confident
  learning (Northcutt, Jiang and Chuang 2021, https://arxiv.org/abs/1911.00068), which gives each class a
  threshold from the data, the mean probability of photos with that label, and asks which other class a photo
  reaches. The threshold is put at the other end here: with 120 breeds, of which one photo in five looks more
  like another breed, the published rule names 600 of 6,000 photos and two in three of them wrongly; with two
  classes both rules are the same.
- The label is wrong with a chance above LEAST_CHANCE, by Bayes' rule, if a share of all labels was changed at
  random. The share is estimated together with the scale of the probabilities by maximum likelihood. This
  rule finds single wrong labels among classes that are easily told apart, where mean probabilities are 0.

The estimate also keeps the probabilities sharp: with a temperature alone wrong labels make them too cautious.
"""

from __future__ import annotations

import numpy as np

from src.curation.discriminant import out_of_fold_logits
from src.curation.findings import Finding
from src.curation.photos import Photos

REASON = 'label suspect'
LEAST_CHANCE = 0.2  # that a label is wrong
LEAST = 2  # photos of a class; one alone cannot be compared with others of its class


def label_suspects(photos: Photos, bottlenecks: np.ndarray) -> list[Finding]:
    """The photos whose label is doubtful, with the class that they look like. Their score is how many times
    as probable that class is as the label, as a natural logarithm.

    bottlenecks: [N, width] float32. Photos without a label are left out, and so are classes with one photo.
    """
    counts = np.bincount(photos.labels[photos.labels >= 0], minlength=len(photos.classes))
    used = np.flatnonzero(counts >= LEAST)
    if len(used) < 2:
        return []
    rows = np.flatnonzero(np.isin(photos.labels, used))
    labels = np.searchsorted(used, photos.labels[rows])
    probabilities, share = out_of_fold_probabilities(bottlenecks[rows], labels, len(used))
    found = []
    for i in np.flatnonzero(suspects(probabilities, labels, share)):
        best, own = int(probabilities[i].argmax()), int(labels[i])
        score = float(np.log(probabilities[i, best]) - np.log(max(probabilities[i, own], 1e-30)))
        name = photos.classes[used[best]]
        likely = f'{_percent(probabilities[i, best])} {name}, {_percent(probabilities[i, own])}'
        detail = f'looks like {likely} {photos.classes[used[own]]}'
        found.append(photos.finding(int(rows[i]), REASON, score, detail, looks_like=name))
    return found


def suspects(probabilities: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Which photos [N] bool are suspect, from probabilities [N, classes], labels [N] int and the share of
    labels that is wrong at random."""
    number, classes = probabilities.shape
    given = probabilities[np.arange(number), labels]
    totals, counts = probabilities.sum(0), np.bincount(labels, minlength=classes)
    thresholds = (totals - np.bincount(labels, given, classes)) / np.maximum(number - counts, 1)
    by_chance = share * (1 - given) / (classes - 1)
    wrong = by_chance / np.maximum((1 - share) * given + by_chance, 1e-30)
    return (probabilities.argmax(1) != labels) & ((given < thresholds[labels]) | (wrong > LEAST_CHANCE))


def out_of_fold_probabilities(
    vectors: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[np.ndarray, float]:
    """Calibrated probabilities [N, classes] float64 of models that were fitted without the example, and the
    share of labels that is wrong at random. The shrinkage is that with the highest likelihood."""
    from scipy.special import softmax

    logits = out_of_fold_logits(vectors, labels, classes).values()
    fits = [(*calibrated(one, labels), one) for one in logits]
    _, scale, share, best = min(fits, key=lambda fit: fit[0])
    return softmax(scale * best.astype(np.float64), axis=1), share


def calibrated(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Fit the model that a share of the labels was replaced by another class at random, and that the others
    follow softmax(scale * logits). Returns the mean negative log-likelihood, the scale and the share."""
    from scipy.optimize import minimize
    from scipy.special import expit, softmax

    number, classes = logits.shape
    logits = logits - logits.max(1, keepdims=True)

    def loss(parameters: np.ndarray) -> float:
        scale, share = np.exp(parameters[0]), expit(parameters[1])
        right = softmax(scale * logits, axis=1)[np.arange(number), labels]
        return float(-np.log((1 - share) * right + share * (1 - right) / (classes - 1) + 1e-30).mean())

    typical = -np.log(max(float(np.abs(logits).mean()), 1e-6))
    # A simplex that includes strong scales with many wrong labels: weak ones without any are a local minimum.
    simplex = np.array([[typical + 1, -3], [typical + 4, -3], [typical + 3, -1.5]])
    options = {'initial_simplex': simplex, 'xatol': 0.01, 'fatol': 1e-5}
    found = minimize(loss, simplex[0], method='Nelder-Mead', options=options)
    return float(found.fun), float(np.exp(found.x[0])), float(expit(found.x[1]))


def _percent(value: float) -> str:
    return f'{value:.1%}' if value >= 0.001 else 'below 0.1%'
