"""Training runs as they were recorded: what was trained, how it went, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.board import CURVES
from src.recipes.changes import changes_of, in_words, used
from src.records.next_commands import how_to_train
from src.scoring.kinds import learned_from

PARTS = ('train', 'validation')
MEASURES = {'error': 'accuracy', 'log_loss': 'log loss'}  # as the tags say, and as people do


@dataclass(frozen=True)
class Curve:
    """What was measured at some steps: steps [N] int, values [N] float."""

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Run:
    """A model's run: what metrics/<model>.json says of it, and its curves by tag, such as
    `validation_log_loss` or `validation_accuracy`."""

    model: str
    facts: dict[str, Any]
    curves: dict[str, Curve]

    @property
    def recipe(self) -> str:
        """The recipe that was used, and what flags changed of it."""
        return in_words(used(self.facts), changes_of(self.facts))

    @property
    def backbone(self) -> str | None:
        """The file name of the backbone, None for a network from pixels."""
        return (self.facts.get('backbone') or {}).get('file')

    @property
    def settings(self) -> dict[str, Any]:
        return self.facts.get('settings', {})

    @property
    def steps_in_epoch(self) -> float:
        """Steps in which every training example is seen once."""
        seen = sum(self.facts.get('counts', {}).get(split, 0) for split in learned_from(self.facts))
        return max(1.0, seen / self.settings.get('batch_size', 1))

    def score(self, part: str, measure: str) -> float | None:
        """A score of the saved model on all examples of a part, or by cross-validation; None where there is
        none. The highest point of a curve is of no saved model: each tag may have it at another step."""
        return self.facts.get('scores', {}).get(part, {}).get(measure)


def read_run(model: str, name: str | None = None) -> Run:
    """The run of a model, trained on the data set `name` (default: its namesake). Raises UserError when it
    was not trained to its end, with the command that does it."""
    path = paths.scores(model)
    if not path.exists():
        raise UserError(f'there is no {paths.shown(path)}: {how_to_train(name or model, model)}')
    return Run(model, files.read_json(path), read_curves(paths.summaries(model)))


def all_runs() -> list[Run]:
    """Every run that was trained to its end, by name."""
    found = sorted(path for path in paths.METRICS_DIR.glob('*.json') if 'scores' in files.read_notes(path))
    return [read_run(path.stem) for path in found]


def read_curves(folder: Path) -> dict[str, Curve]:
    """The curves in the event files of a folder by tag, without the prefix that sorts them for TensorBoard;
    errors also as accuracies.

    What a resumed run measured counts, not what was measured before of the same steps and later ones. A file
    that is cut short is read as far as it goes.
    """
    values: dict[str, dict[int, float]] = {}
    for file in sorted(folder.glob('events.out.tfevents.*')):
        try:
            for event in tf.train.summary_iterator(str(file)):
                if event.session_log.status == tf.SessionLog.START:
                    _drop_from(values, event.step)
                for value in event.summary.value:
                    if value.HasField('simple_value'):
                        values.setdefault(value.tag.removeprefix(CURVES), {})[event.step] = value.simple_value
        except tf.errors.DataLossError:
            continue
    curves = {}
    values = {tag: told for tag, told in values.items() if told}
    for tag, told in values.items():
        steps = np.array(sorted(told))
        curves[tag] = Curve(steps, np.array([told[step] for step in steps]))
        if tag.endswith('_error'):
            accuracy = tag.removesuffix('error') + 'accuracy'
            curves[accuracy] = Curve(steps, 1 - curves[tag].values)
    return curves


def _drop_from(values: dict[str, dict[int, float]], step: int) -> None:
    """Forget what was measured at `step` and later."""
    for told in values.values():
        for later in [place for place in told if place >= step]:
            del told[later]
