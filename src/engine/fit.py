"""Training any learner: its files are claimed, its examples opened, its scores written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine import board, checkpoints
from src.engine.checkpoints import State
from src.engine.learner import Learner
from src.engine.run_files import claim, describe, outcome
from src.engine.sources import open_source, parts_of
from src.recipes.changes import changes
from src.records.dataset import Records
from src.scoring.calibrated import UNCALIBRATED, Calibration

Scores = dict[str, dict[str, float]]


def fit(
    learner_type: type[Learner],
    records: Records,
    model: str,
    recipe: Any,
    name: str = '',
    fresh: bool = False,
    estimate: Callable[[Any], tuple[Scores, Calibration]] = lambda recipe: ({}, UNCALIBRATED),
) -> tuple[State, Scores]:
    """Train, or go on training, checkpoints/<model>. Returns the final state, and scores by part.

    `recipe` is the recipe `name`, perhaps changed by flags. `estimate` computes further scores, before the
    training starts, and a calibration for a model without validation examples to fit it on. The calibration
    is stored beside the best checkpoint. Raises UserError when the model was begun with other data or
    settings, unless `fresh`, and when there are no training examples.
    """
    changed = changes(recipe, name)
    recipe = learner_type.settled(recipe, records)
    facts = learner_type.facts(recipe, records)
    description = describe(records, recipe, name, changed, {'learner': learner_type.kind} | facts)
    if 'train' not in parts_of(records, recipe.learned_splits):  # before an earlier model is deleted
        raise UserError(f'{paths.shown(records.folder)} holds no training examples: add photos')
    claim(model, description, fresh)
    further, otherwise = estimate(recipe)
    field = learner_type.field(recipe, records)
    examples = learner_type.examples(recipe, records)
    source = open_source(examples, recipe.learned_splits, field, recipe.batch_size, recipe.seed)
    folder, summaries = paths.checkpoints(model), paths.summaries(model)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(recipe.seed)
        learner = learner_type(recipe, source, len(records.classes))
        learner.initialize(session)
        learner.show_inputs(session, summaries)
        state = learner.train(session, folder, summaries)
        calibration, scores = learner.outcome(session, otherwise)
        found = learner.found(session)
    checkpoints.write_calibration(checkpoints.best_checkpoint(folder), calibration)
    scores |= further
    files.write_json(paths.scores(model), description | found | outcome(state, scores, calibration))
    board.show_parameters(recipe, scores, summaries)
    return state, scores
