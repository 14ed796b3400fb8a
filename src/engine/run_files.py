"""The files of a run: model.json (what it was trained on and how), metrics/<model>.json, and what is
printed."""

from __future__ import annotations

import math
import shlex
import shutil
from dataclasses import asdict
from typing import Any

from src.common import files, paths
from src.common.cli import flag_of
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say, wrote
from src.engine.checkpoints import ALL_STEPS, State, best_checkpoint, calibration_of, step_of
from src.engine.loop import in_words
from src.engine.score_warnings import warnings
from src.engine.sources import parts_of
from src.recipes.find import Recipe
from src.records.dataset import Records
from src.records.next_commands import how_to_finish, how_to_train, similar_to
from src.records.run_notes import STUDENT, STUDENT_HEAD, Metrics, ModelNotes, learner_in, trained
from src.records.trainings import MODEL_FILE
from src.scoring.calibrated import Calibration, calibration_lines
from src.scoring.kinds import by_kind
from src.scoring.scores import table

# Fields of a recipe that are stored elsewhere, or may change when a run is resumed.
NO_SETTINGS = ('data_set', 'patience')
FLAGS = {'start': '--from'}  # of settings whose flags have other names
# By learner.
COMMANDS = {
    'head': 'train',
    'network': 'train_images',
    'tail': 'fine_tune',
    STUDENT: 'distill',
    STUDENT_HEAD: 'distill_head',
}


def describe(
    records: Records, recipe: Recipe, name: str, changed: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """Everything that a model depends on, as JSON: the `recipe`, its values that differ from the recipe
    `name` (`changed`), and the learner's own `facts`. Runs with equal descriptions are one run, resumed."""
    manifest = records.manifest
    settings = {key: value for key, value in asdict(recipe).items() if key not in NO_SETTINGS}
    return {
        'data_set': manifest['name'],
        'recipe': name,
        'changed': changed,
        'records': manifest['fingerprint'],
        'classes': manifest['classes'],
        'counts': manifest['counts'],
        'learned_from': parts_of(records, recipe.learned_splits).get('train', []),
        'settings': settings,
    } | facts


def outcome(state: State, scores: dict, calibration: Calibration) -> dict[str, Any]:
    """The result of a run, as JSON."""
    return {
        'steps': state.step,
        'best_step': state.best_step,
        'ended': state.ended,
        'seconds': round(state.seconds, 1),
        'scores': scores,
        'calibration': calibration.facts,
    }


def report(records: Records, model: str, state: State, scores: dict, monitor: str) -> None:
    """Print how a run ended, its scores, warnings about them, and the files it wrote. `monitor` is that of
    the learner."""
    say(ended_line(state, monitor))
    found = calibration_of(best_checkpoint(paths.checkpoints(model)))
    for line in (
        *table(by_kind(scores)),
        *calibration_lines(found, scores),
        *warnings(records, read_model(model), scores),
    ):
        say(line)
    board = f'tensorboard --logdir {shlex.quote(paths.shown(paths.SUMMARY_DIR))}'
    written = {
        paths.checkpoints(model): 'checkpoints, best and last',
        paths.summaries(model): board,
        paths.scores(model): 'scores',
    }
    for path, what in written.items():
        wrote(path, what, written)


def ended_line(state: State, monitor: str) -> str:
    """How a run ended and which step is kept, as a line."""
    took = f'{count(state.step, "step")} in {state.seconds:.1f} s'
    ended = f'ran all {took}' if state.ended == ALL_STEPS else f'stopped early after {took}: {state.ended}'
    best = f' (best {in_words(monitor)})' if math.isfinite(state.best) else ''
    return f'{ended}; kept step {state.best_step:,}{best}'


def claim(model: str, description: dict[str, Any], fresh: bool) -> None:
    """Prepare checkpoints/<model> and summary/<model> for a run: kept when the same run goes on, emptied
    otherwise, along with the scores of the earlier model.

    Raises UserError when they belong to a run with another description, unless `fresh`.
    """
    folder = paths.checkpoints(model)
    path = folder / MODEL_FILE
    if path.exists() and not fresh:
        earlier = files.read_json(path, ModelNotes, 'add --fresh to train anew')
        differing = _differing(earlier, description)
        if differing:
            raise UserError(
                f'{paths.shown(folder)} was trained {differing}: '
                'add --fresh to train it anew, or choose another --model'
            )
        return
    # The description goes first: a run that is killed here leaves nothing that looks like a model.
    for old in (path, paths.scores(model)):
        old.unlink(missing_ok=True)
    for old in (folder, paths.summaries(model)):
        shutil.rmtree(old, ignore_errors=True)
    files.write_json(path, description)


def _differing(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """The first difference, as words that follow 'trained'; '' when there is none."""
    learner = learner_in(earlier)
    if learner != now.get('learner', learner):
        return f'with another command ({COMMANDS.get(learner, learner)})'
    for key, words in (
        ('backbone', 'teacher' if learner == STUDENT else 'backbone'),
        ('classes', 'list of classes'),
        ('records', 'set of photos' if learner in (STUDENT, STUDENT_HEAD) else 'set of records'),
    ):
        if earlier.get(key) != now[key]:
            file = (earlier.get(key) or {}).get('file') if key == 'backbone' else None
            return f'with another {words} ({file})' if file else f'with another {words}'
    for key, value in now['settings'].items():
        # A setting that an earlier version did not have was off, or had its default, as --solver has.
        before = earlier.get('settings', {}).get(key, 'adam' if key == 'solver' else value and 0)
        if before != value:
            flag = FLAGS.get(key, flag_of(key))
            if isinstance(value, bool):
                return f'without {flag}' if value else f'with {flag}'
            return f'with another value of {flag} ({before})'
    for key in ('start', 'teacher'):
        digest = now.get(f'{key}_sha256')
        if earlier.get(f'{key}_sha256', digest) != digest:
            return f'with an earlier state of {now["settings"][key]}'
    return ''


def read_model(model: str, name: str | None = None) -> dict[str, Any]:
    """The description in checkpoints/<model>. Raises UserError when there is none, with the command that
    trains it on the data set `name` (default: that of the same name), and similar names."""
    path = paths.checkpoints(model) / MODEL_FILE
    if not path.exists():
        raise UserError(
            f'there is no trained model {model} ({paths.shown(path)}): '
            f'{how_to_train(name or model, model)}{similar_to(model, name or model)}'
        )
    remedy = 'train it anew with --fresh'
    facts = files.read_json(path, ModelNotes, remedy)
    if facts.get('learner') in (STUDENT, STUDENT_HEAD):
        raise UserError(_no_data_set(model, facts['learner']))
    files.require_kind(facts, trained(facts), path, remedy)
    return facts


def _no_data_set(model: str, learner: str) -> str:
    """The error for a distilled model where one that was trained on a data set is needed."""
    frozen = paths.frozen(model)
    convert = f'convert photos with --backbone {shlex.quote(paths.shown(frozen))}, then train a head'
    if learner == STUDENT:
        what, remedy = 'is a distilled backbone, not a classifier', convert
    else:
        what = 'learned from a teacher, not from a data set'
        remedy = f'{paths.shown(frozen)} is complete; for a head that learns from labels {convert}'
    return f'{model} {what}: {remedy if frozen.exists() else how_to_finish(model)}'


def scores_of(model: str, checkpoint: str) -> dict[str, Any]:
    """The scores of a checkpoint by split, from metrics/<model>.json; {} when those belong to another
    checkpoint, or when the run has not ended."""
    result = files.read_notes(paths.scores(model), Metrics)
    same_records = result.get('records') == read_model(model)['records']
    same_step = result.get('best_step') == step_of(checkpoint)
    return result.get('scores', {}) if same_records and same_step else {}
