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
from src.engine.learners.linear import head_of
from src.engine.linear.plan import folds_of
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

    `parts['validation']`, if there is one, selects the best step or the L2 penalty. Checkpoints go to a
    temporary folder.
    """
    with tempfile.TemporaryDirectory() as scratch, tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(recipe.seed)
        source, classes = InMemory(parts, recipe.batch_size, recipe.seed), classes_of(recipe.layers[-1])
        head = head_of(recipe)(recipe, source, classes)
        head.initialize(session)
        head.train(session, Path(scratch, 'checkpoints'), Path(scratch, 'summaries'))
        yield lambda examples: head.predict(session, examples)


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
        scores = score(*parts[-1])
        top_1.append(scores['top_1'])
        found = f'top-1 {scores["top_1"]:.1%}, log loss {scores["log_loss"]:.3f}'
        say(f'fold {fold + 1} of {folds}: {found} on {count(len(held_out), "photo")}')
    scores, calibration = cross_calibrated(parts)
    return scores | {'folds': folds, 'top_1_of_folds': top_1, 'calibration': calibration.facts}
