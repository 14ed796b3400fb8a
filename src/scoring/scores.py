"""How good predictions are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores of predictions [N, classes] (rows sum to 1) against labels [N] int.

    `top_1` and `top_5` are shares from 0 to 1; `log_loss` is the mean of -ln(probability of the
    truth), with probabilities clipped at 1e-7 as float32 resolves no finer near 1. Of five classes or fewer
    there is no `top_5`, which would always be 1.
    """
    truth = probabilities[np.arange(len(labels)), labels]
    # Among equals the first class comes first, as for argmax: uniform probabilities are no hits.
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
    """The scores of all parts together, each a `score` of some of the examples."""
    examples = [part['examples'] for part in parts]
    means = {
        name: float(np.average([part[name] for part in parts], weights=examples))
        for name in parts[0]
        if name != 'examples'
    }
    return {'examples': sum(examples)} | means


def whole_score(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """The `score` of all parts (probabilities, labels) together, and `most_frequent`: the share of the class
    that has the most examples, which is the top-1 of always guessing it."""
    scored, frequency = [], 0
    for probabilities, labels in parts:
        scored.append(score(probabilities, labels))
        frequency = frequency + np.bincount(labels, minlength=probabilities.shape[1])
    told = merged(scored)
    return told | {'most_frequent': float(np.max(frequency) / told['examples'])}


def scalars(scores: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """Scores by part as TensorBoard shows them, by tag; errors are 1 - top-1."""
    errors = {f'{part}_error': 1 - told['top_1'] for part, told in scores.items()}
    return errors | {f'{part}_log_loss': told['log_loss'] for part, told in scores.items()}


def table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a table with one row for each split."""
    wide = max(12, *(len(split) + 1 for split in scores))
    five = all('top_5' in s for s in scores.values())
    head = f'{"top-5":>9}' if five else ''
    rows = [f'{"":<{wide}}{"examples":>9}{"top-1":>9}{head}{"log loss":>10}']
    for split, s in scores.items():
        top_5 = f'{s["top_5"]:>9.1%}' if five else ''
        rows.append(f'{split:<{wide}}{s["examples"]:>9,}{s["top_1"]:>9.1%}{top_5}{s["log_loss"]:>10.3f}')
    return rows
