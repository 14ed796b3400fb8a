"""Linear layers along a path of L2 penalties, from strong to weak, and the choice among them.

The loss with each penalty is minimized by L-BFGS (Liu and Nocedal 1989, https://doi.org/10.1007/BF01589116),
from the minimum with the one before.

The penalty is chosen by the log loss of predictions for examples that were not learned from, at the
temperature TEMPERATURE (scoring/calibration.py): a strong penalty gives small weights, whose predictions are
not confident enough, which a temperature corrects. The log loss without it would choose a weaker penalty,
whose predictions are right less often, and which depends more on the few examples that are predicted wrong.
Where probabilities are learned instead of labels, it is chosen by the cross-entropy against them, without a
temperature: they say how confident a prediction should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from src.engine.linear.objective import Objective
from src.scoring.calibration import apply_temperature
from src.scoring.scores import score, score_against

STRONGEST = 0.003  # times the mean squared distance of the bottlenecks from their mean
LONGEST = 14  # penalties
PATIENCE = 1  # penalties without a lower log loss before the path ends
# A log loss counts as lower only if it is lower by this share: smaller differences are within the tolerance
# of L-BFGS. Without it, one of several penalties that are too weak to matter was chosen by chance, and the
# layer that was then trained with it on all examples had lower scores.
LEAST_GAIN = 0.002
# Measured best: 0.55 and 0.44 on dogs vs cats (MobileNet V2, EfficientNet-Lite2), 0.51 on 120 dog breeds.
TEMPERATURE = 0.5
# L-BFGS ends when a step lowers the loss by less than this part of the loss that it started with.
TOLERANCE = 1e-4
MEMORY = 10  # corrections that L-BFGS keeps
MOST_STEPS = 1000  # of L-BFGS


@dataclass(frozen=True)
class Round:
    """A training on some groups of the examples, which is scored on another."""

    learned: Sequence[int]
    held_out: int


@dataclass(frozen=True)
class Solution:
    """The layers for one penalty, one for each round; with the scores of all their predictions: at
    TEMPERATURE, `log_loss` and `error` (1 - top-1). Against probabilities these are the cross-entropy, and
    the share with another most probable class."""

    l2: float
    parameters: list[np.ndarray]
    log_loss: float
    error: float


def penalties(spread: float) -> list[float]:
    """1, 3, 10, 30 ... times a power of ten, falling; `spread` is that of an `Objective`."""
    strongest = round(2 * np.log10(STRONGEST * spread))
    return [float(f'{10 ** (step / 2):.0e}') for step in range(strongest, strongest - LONGEST, -1)]


def minimize(
    objective: Objective,
    start: np.ndarray,
    l2: float,
    groups: Sequence[int],
    tolerance: float,
    tick: Callable,
) -> np.ndarray:
    """The parameters with the lowest loss on some groups. `tick` is called with each loss."""
    from scipy import optimize
    from threadpoolctl import threadpool_limits

    begun = objective.loss(start, l2, groups)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        at_start = np.array_equal(parameters, start)
        value, gradient = begun if at_start else objective.loss(parameters, l2, groups)
        tick(value)
        # Scaled to 1 at the start, as SciPy's tolerance is absolute for values below 1.
        return value / begun[0], gradient / begun[0]

    options = {'maxcor': MEMORY, 'maxiter': MOST_STEPS, 'ftol': tolerance, 'gtol': 0.0}
    # The products of L-BFGS are short: more threads are slower, and much slower beside other processes.
    with threadpool_limits(1, 'blas'):
        return optimize.minimize(loss, start, jac=True, method='L-BFGS-B', options=options).x


def is_better(solution: Solution, best: Solution | None) -> bool:
    """Whether a solution with a weaker penalty than that of `best` is to be preferred."""
    return best is None or solution.log_loss < (1 - LEAST_GAIN) * best.log_loss


def solutions(
    objective: Objective, rounds: Sequence[Round], path: Sequence[float], tick: Callable
) -> Iterator[Solution]:
    """The solutions along a path, until the log loss has not fallen PATIENCE times."""
    found = [objective.start] * len(rounds)
    best, worse = None, 0
    for l2 in path:
        found = [
            minimize(objective, start, l2, one.learned, TOLERANCE, tick)
            for start, one in zip(found, rounds, strict=True)
        ]
        solution = _scored(objective, rounds, l2, found)
        best, worse = (solution, 0) if is_better(solution, best) else (best, worse + 1)
        yield solution
        if worse == PATIENCE:
            return


def _scored(objective: Objective, rounds: Sequence[Round], l2: float, found: list[np.ndarray]) -> Solution:
    predicted = [objective.predict(own, one.held_out) for own, one in zip(found, rounds, strict=True)]
    rows, labels = (
        np.concatenate(predicted),
        np.concatenate([objective.labels[one.held_out] for one in rounds]),
    )
    if labels.ndim == 2:
        against = score_against(rows, labels)
        return Solution(l2, found, against['cross_entropy'], 1 - against['agreement'])
    scores = score(apply_temperature(rows, TEMPERATURE), labels)
    return Solution(l2, found, scores['log_loss'], 1 - scores['top_1'])
