"""Cross-validation of heads: every example is scored once, by a head that did not learn from it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.common.tf1 import tf
from src.engine import loop
from src.engine.learners.head import Head
from src.engine.sources import InMemory
from src.models.dense import classes_of
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples
from src.scoring.calibrated import cross_calibrated
from src.scoring.scores import score


@contextmanager
def trained_head(
    parts: Mapping[str, Examples], recipe: HeadRecipe
) -> Iterator[Callable[[Examples], np.ndarray]]:
    """A head trained on `parts['train']`, as a function from examples to probabilities [N, classes] float32.

    `parts['validation']`, if there is one, selects the best step. Checkpoints go to a temporary folder.
    """
    with tempfile.TemporaryDirectory() as scratch, tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(recipe.seed)
        head = Head(recipe, InMemory(parts, recipe.batch_size, recipe.seed), classes_of(recipe.layers[-1]))
        head.initialize(session)
        loop.fit(session, head.task(), Path(scratch, 'checkpoints'), Path(scratch, 'summaries'))
        yield lambda examples: head.predict(session, examples)


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


def cross_validate(examples: Examples, recipe: HeadRecipe, folds: int) -> dict[str, Any]:
    """The scores of all examples, each predicted by a head that learned from the other folds.

    The scores of `calibrated.cross_calibrated` over all examples together, with `folds`, `top_1_of_folds`:
    top-1 of each, and `calibration`: facts of the one for a model of all examples. Raises UserError when
    there are fewer examples than folds.
    """
    if folds < 2:
        raise UserError('cross-validation needs at least 2 folds: raise --folds, or leave it out with 0')
    if len(examples) < folds:
        raise UserError(f'{count(len(examples), "photo")} cannot be cut into {folds} folds: lower --folds')
    fold_of = folds_of(examples.labels, folds, recipe.seed)
    top_1, parts = [], []
    for fold in range(folds):
        held_out = examples.where(fold_of == fold)
        with trained_head({'train': examples.where(fold_of != fold)}, recipe) as predict:
            parts.append((predict(held_out), held_out.labels))
        top_1.append(score(*parts[-1])['top_1'])
        say(f'fold {fold + 1} of {folds}: top-1 {top_1[-1]:.1%} on {count(len(held_out), "photo")}')
    scores, calibration = cross_calibrated(parts)
    return scores | {'folds': folds, 'top_1_of_folds': top_1, 'calibration': calibration.facts}
