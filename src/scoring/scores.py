"""Accuracy, log loss and calibration error of predictions, as numbers and as the lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from src.scoring.calibration import reliability, total


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score predictions [N, classes] (rows sum to 1) against labels [N] int.

    Returns `examples` (N), `top_1` and `top_5` (shares from 0 to 1) and `log_loss`: the mean of
    -ln(probability of the true class), clipped at 1e-7 as float32 resolves no finer near 1. With five classes
    or fewer there is no `top_5`, which would always be 1.
    """
    truth = probabilities[np.arange(len(labels)), labels]
    # Ties go to the first class, as in argmax, so uniform probabilities do not count as correct.
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    rank = ((probabilities > truth[:, None]) | ((probabilities == truth[:, None]) & before)).sum(1)
    top_5 = {'top_5': float((rank < 5).mean())} if probabilities.shape[1] > 5 else {}
    return {
        'examples': len(labels),
        'top_1': float((rank == 0).mean()),
        **top_5,
        'log_loss': float(-np.log(np.maximum(truth.astype(np.float64), 1e-7)).mean()),
    }


def score_against(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Score predictions [N, classes] against the probabilities `targets` [N, classes] of another model; rows
    sum to 1.

    Returns `examples` (N); `agreement`, the share with the same most probable class; and `cross_entropy`: the
    mean of -sum(target * ln(probability)), with probabilities clipped at 1e-7.
    """
    logarithms = np.log(np.maximum(probabilities, 1e-7))
    return {
        'examples': len(targets),
        'agreement': float((probabilities.argmax(1) == targets.argmax(1)).mean()),
        'cross_entropy': float(-np.einsum('ij,ij->i', targets, logarithms).mean(dtype=np.float64)),
    }


def merged(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Combine the scores of disjoint parts: their means, weighted by the number of examples."""
    examples = [part['examples'] for part in parts]
    means = {
        name: float(np.average([part[name] for part in parts], weights=examples))
        for name in parts[0]
        if name != 'examples'
    }
    return {'examples': sum(examples)} | means


class Tally:
    """The scores of predictions that come in parts."""

    def __init__(self) -> None:
        self._scored: list[dict[str, float]] = []
        self._frequency = 0
        self._reliability = total(())

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """Count in predictions [N, classes] for labels [N] int."""
        self._scored.append(score(probabilities, labels))
        self._frequency = self._frequency + np.bincount(labels, minlength=probabilities.shape[1])
        self._reliability += reliability(probabilities, labels)

    @property
    def scores(self) -> dict[str, float]:
        """`score` over all parts, plus `calibration_error` (`calibration.expected_calibration_error`), and
        `most_frequent`: the share of the most frequent class, which is the top-1 of always predicting it."""
        whole = merged(self._scored)
        most = float(np.max(self._frequency) / whole['examples'])
        return whole | {'calibration_error': self._reliability.error, 'most_frequent': most}


def whole_score(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """`Tally.scores` of parts (probabilities, labels)."""
    tally = Tally()
    for probabilities, labels in parts:
        tally.add(probabilities, labels)
    return tally.scores


def scalars(scores: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """TensorBoard scalars by tag: `<split>_error` (1 - top-1) and `<split>_log_loss` of each split."""
    errors = {f'{split}_error': 1 - values['top_1'] for split, values in scores.items()}
    return errors | {f'{split}_log_loss': values['log_loss'] for split, values in scores.items()}


def table(scores: Mapping[str, dict[str, float]]) -> list[str]:
    """The lines of a table with one row for each split; top-5 and the expected calibration error (ECE) only
    if every split has it."""
    wide = max(12, *(len(split) + 1 for split in scores))
    five, error = (
        all(name in values for values in scores.values()) for name in ('top_5', 'calibration_error')
    )
    head = f'{"top-5":>9}' if five else ''
    rows = [f'{"":<{wide}}{"examples":>9}{"top-1":>9}{head}{"log loss":>10}' + f'{"ECE":>8}' * error]
    for split, values in scores.items():
        top_5 = f'{values["top_5"]:>9.1%}' if five else ''
        ece = f'{values["calibration_error"]:>8.1%}' if error else ''
        rows.append(
            f'{split:<{wide}}{values["examples"]:>9,}{values["top_1"]:>9.1%}{top_5}'
            f'{values["log_loss"]:>10.3f}{ece}'
        )
    return rows
