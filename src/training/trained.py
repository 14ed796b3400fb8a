"""What checkpoints/<model> says of itself: the data, the backbone and the settings it was trained with."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say, wrote
from src.data_preparation.dataset import Records
from src.recipes.recipe import HeadRecipe, PixelRecipe
from src.training.loop import State
from src.training.scores import table

MODEL_FILE = 'model.json'
# Of a recipe: what is told apart, and what may change between a run and its resumption.
NO_SETTINGS = ('data_set', 'patience')


def describe(records: Records, recipe: HeadRecipe, name: str = '') -> dict[str, Any]:
    """What a head depends on, as JSON, trained by the recipe `name` or what flags made of it. Two runs of
    equal descriptions are one run, resumed."""
    facts = {'backbone': records.manifest['backbone'], 'precision': records.manifest['precision']}
    return _described(records, recipe, name) | facts


def describe_pixels(records: Records, recipe: PixelRecipe, name: str) -> dict[str, Any]:
    """The same of a network from pixels."""
    return _described(records, recipe, name) | {'backbone': None, 'precision': recipe.precision}


def _described(records: Records, recipe: HeadRecipe | PixelRecipe, name: str) -> dict[str, Any]:
    manifest = records.manifest
    settings = {key: value for key, value in asdict(recipe).items() if key not in NO_SETTINGS}
    return {
        'data_set': manifest['name'],
        'recipe': name,
        'records': manifest['fingerprint'],
        'classes': manifest['classes'],
        'counts': manifest['counts'],
        'settings': settings,
    }


def outcome(state: State, scores: dict) -> dict[str, Any]:
    """What became of a run, as JSON."""
    return {
        'steps': state.step,
        'best_step': state.best_step,
        'ended': state.ended,
        'seconds': round(state.seconds, 1),
        'scores': scores,
    }


def tell(model: str, state: State, scores: dict) -> None:
    """Say how a run ended, its scores, and what it left."""
    took = f'{count(state.step, "step")} in {state.seconds:.1f} s'
    say(f'{took}: {state.ended}; best at step {state.best_step:,}')
    for line in table(scores):
        say(line)
    wrote(paths.checkpoints(model), 'checkpoints, best and last')
    wrote(paths.summaries(model), f'tensorboard --logdir {shlex.quote(paths.shown(paths.SUMMARY_DIR))}')
    wrote(paths.scores(model), 'scores')


def claim(model: str, description: dict[str, Any], fresh: bool) -> None:
    """Make checkpoints/<model> and summary/<model> this run's own, emptied unless it goes on there.

    Raises UserError when they are those of another description, unless `fresh`.
    """
    folder = paths.checkpoints(model)
    path = folder / MODEL_FILE
    if path.exists() and not fresh:
        earlier = files.read_json(path)
        differing = _differing(earlier, description)
        if differing:
            raise UserError(
                f'{paths.shown(folder)} was trained with another {differing}: '
                'add --fresh to train it anew, or choose another --model'
            )
        return
    for old in (folder, paths.summaries(model)):
        shutil.rmtree(old, ignore_errors=True)
    files.write_json(path, description)


def _differing(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing that differs, in words; '' when nothing does."""
    for key, words in (
        ('backbone', 'backbone'),
        ('classes', 'list of classes'),
        ('records', 'set of records'),
    ):
        if earlier.get(key) != now[key]:
            return words
    for key, value in now['settings'].items():
        if earlier['settings'].get(key) != value:
            return f'{key.replace("_", " ")} ({earlier["settings"].get(key)})'
    return ''


def read_model(model: str) -> dict[str, Any]:
    """What checkpoints/<model> was trained from and how. Raises UserError when it is not there."""
    path = paths.checkpoints(model) / MODEL_FILE
    if not path.exists():
        raise UserError(
            f'there is no trained model {model} ({paths.shown(path)}): run python -m src.training.train'
        )
    return files.read_json(path)
