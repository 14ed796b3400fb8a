"""Accuracy and log loss of predictions, as numbers and as the lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


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


def merged(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Combine the scores of disjoint parts: their means, weighted by the number of examples."""
    examples = [part['examples'] for part in parts]
    means = {
        name: float(np.average([part[name] for part in parts], weights=examples))
        for name in parts[0]
        if name != 'examples'
    }
    return {'examples': sum(examples)} | means


def whole_score(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """`score` over all parts (probabilities, labels), plus `most_frequent`: the share of the most frequent
    class, which is the top-1 of always predicting it."""
    scored, frequency = [], 0
    for probabilities, labels in parts:
        scored.append(score(probabilities, labels))
        frequency = frequency + np.bincount(labels, minlength=probabilities.shape[1])
    whole = merged(scored)
    return whole | {'most_frequent': float(np.max(frequency) / whole['examples'])}


def scalars(scores: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """TensorBoard scalars by tag: `<split>_error` (1 - top-1) and `<split>_log_loss` of each split."""
    errors = {f'{split}_error': 1 - values['top_1'] for split, values in scores.items()}
    return errors | {f'{split}_log_loss': values['log_loss'] for split, values in scores.items()}


def table(scores: Mapping[str, dict[str, float]]) -> list[str]:
    """The lines of a table with one row for each split; top-5 only if every split has it."""
    wide = max(12, *(len(split) + 1 for split in scores))
    five = all('top_5' in values for values in scores.values())
    head = f'{"top-5":>9}' if five else ''
    rows = [f'{"":<{wide}}{"examples":>9}{"top-1":>9}{head}{"log loss":>10}']
    for split, values in scores.items():
        top_5 = f'{values["top_5"]:>9.1%}' if five else ''
        rows.append(
            f'{split:<{wide}}{values["examples"]:>9,}{values["top_1"]:>9.1%}{top_5}{values["log_loss"]:>10.3f}'
        )
    return rows
