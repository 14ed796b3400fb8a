"""Which examples a linear head learns from, and which ones its penalty is chosen on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from src.engine.linear.objective import Objective
from src.engine.linear.path import TOLERANCE, Round, Solution, is_better, minimize, penalties, solutions
from src.engine.sources import Source
from src.models.dense import classes_of
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples

FOLDS = 5
SCORED = 100_000  # probabilities that are enough to choose a penalty by: 800 examples of 120 classes


@dataclass(frozen=True)
class Plan:
    """Examples in `groups`; the `rounds` that choose the penalty; the groups that the head learns from in the
    end, by number; and the penalty `given`, if it is."""

    groups: Sequence[Examples]
    rounds: Sequence[Round]
    learned: Sequence[int]
    given: float | None

    @classmethod
    def of(cls, source: Source, recipe: HeadRecipe) -> Plan:
        """Training examples are learned from and validation examples scored. Without validation, the training
        examples are cut into FOLDS, each of which is scored while the others are learned from, until SCORED
        probabilities or all examples are scored. Fewer than FOLDS examples leave nothing to choose on."""
        train = source.first('train', source.number('train'))
        if 'validation' in source.parts:
            validation = source.first('validation', source.number('validation'))
            return cls([train, validation], [Round([0], 1)], [0], recipe.l2)
        if len(train) < FOLDS:
            return cls([train], [], [0], recipe.l2)
        fold_of = folds_of(train.labels, FOLDS, recipe.seed)
        groups = [train.where(fold_of == fold) for fold in range(FOLDS)]
        classes = classes_of(recipe.layers[-1])
        scored = classes * np.cumsum([len(group) for group in groups])
        rounds = [
            Round([other for other in range(FOLDS) if other != fold], fold)
            for fold in range(FOLDS)
            if fold == 0 or scored[fold - 1] < SCORED
        ]
        return cls(groups, rounds, range(FOLDS), recipe.l2)

    def path(self, candidates: Sequence[float]) -> Sequence[float]:
        """The penalties to try."""
        if not self.rounds:
            return []
        return candidates if self.given is None else [self.given]

    def otherwise(self, objective: Objective) -> Solution:
        """What is taken when no penalty can be scored: the one given, or scikit-learn's default, C = 1."""
        examples = sum(map(len, self.groups))
        l2 = 1 / examples if self.given is None else self.given
        return Solution(l2, [objective.start], np.inf, np.nan)

    def solve(
        self, objective: Objective, tick: Callable, seen: Callable[[Solution], None]
    ) -> tuple[Solution, np.ndarray]:
        """The best solution of the rounds, and the parameters of the layer that is trained with its penalty.
        `tick` is called with each loss, `seen` with each solution."""
        best = self.otherwise(objective)
        for solution in solutions(objective, self.rounds, self.path(penalties(objective.spread)), tick):
            seen(solution)
            if is_better(solution, best):
                best = solution
        start = np.mean(best.parameters, 0)
        return best, minimize(objective, start, best.l2, self.learned, TOLERANCE, tick)


def folds_of(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each example, [N] int from 0 to `folds` - 1, drawn with `seed`.

    Stratified: each class is spread over the folds as evenly as its number of examples allows, and the
    folds differ in size by one example at most. Identical photos cannot fall into two folds, since records
    hold one of each.
    """
    random = np.random.default_rng([seed, folds])
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind='stable')]
    places = np.empty(len(labels), np.int64)
    # Dealt out class by class in turn, so that no fold gets all the remainders.
    places[by_class] = np.arange(len(labels)) % folds
    return places
