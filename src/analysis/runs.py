"""The recorded training runs: settings, curves and scores."""

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
from src.records.next_commands import how_to_train, similar_to
from src.records.run_notes import FinishedRun
from src.records.trainings import distilled_by
from src.scoring.kinds import learned_from

PARTS = ('train', 'validation')
MEASURES = ('accuracy', 'log loss')  # the curves that are shown


@dataclass(frozen=True)
class Curve:
    """A scalar over the steps of a run: steps [N] int, values [N] float."""

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Run:
    """The training run of a model: `facts` from metrics/<model>.json, and its curves by tag, such as
    `validation_log_loss` or `validation_accuracy`."""

    model: str
    facts: dict[str, Any]
    curves: dict[str, Curve]

    @property
    def recipe(self) -> str:
        """The recipe of the run, and the settings that flags changed."""
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
        """The number of steps of one epoch."""
        seen = sum(self.facts.get('counts', {}).get(split, 0) for split in learned_from(self.facts))
        return max(1.0, seen / self.settings.get('batch_size', 1))

    def curves_of(self, measure: str) -> dict[str, Curve]:
        """The curves of one of MEASURES by part, without those that are missing."""
        tags = {part: f'{part}_{measure.replace(" ", "_")}' for part in PARTS}
        return {part: self.curves[tag] for part, tag in tags.items() if tag in self.curves}

    def score(self, part: str, measure: str) -> float | None:
        """A score of the saved model on all examples of a split, or of cross-validation; None if missing.

        It is not the best point of a curve, which may be of a step that was not saved."""
        return self.facts.get('scores', {}).get(part, {}).get(measure)


def read_run(model: str, name: str | None = None) -> Run:
    """The run of a model that was trained on the data set `name` (default: the one of the model's name).

    Raises UserError when its training was not finished, with the command that does it.
    """
    path = paths.scores(model)
    if not path.exists():
        if command := distilled_by(model):
            raise UserError(f'there is no {paths.shown(path)}: {command}, which trained {model}, writes none')
        todo = how_to_train(name or model, model)
        raise UserError(f'there is no {paths.shown(path)}: {todo}{similar_to(model, name or model)}')
    return Run(
        model,
        files.read_json(path, FinishedRun, 'train the model anew with --fresh'),
        read_curves(paths.summaries(model)),
    )


def all_runs() -> list[Run]:
    """All finished runs, sorted by name."""
    found = sorted(path for path in paths.METRICS_DIR.glob('*.json') if 'scores' in files.read_notes(path))
    return [read_run(path.stem) for path in found]


def read_curves(folder: Path) -> dict[str, Curve]:
    """The curves in the event files of a folder, by tag without the prefix `curves/`. Errors are added as
    accuracies.

    Where a run was resumed, its values replace the earlier ones of the same and later steps. A truncated file
    is read up to the damage.
    """
    values: dict[str, dict[int, float]] = {}
    for file in sorted(folder.glob('events.out.tfevents.*')):
        try:
            for event in tf.train.summary_iterator(str(file)):
                if event.session_log.status == tf.SessionLog.START:
                    values = {tag: _before(event.step, by_step) for tag, by_step in values.items()}
                for value in event.summary.value:
                    if value.HasField('simple_value'):
                        values.setdefault(value.tag.removeprefix(CURVES), {})[event.step] = value.simple_value
        except tf.errors.DataLossError:
            continue
    curves = {}
    for tag, by_step in values.items():
        if not by_step:
            continue
        steps = np.array(sorted(by_step))
        curves[tag] = Curve(steps, np.array([by_step[step] for step in steps]))
        if tag.endswith('_error'):
            accuracy = tag.removesuffix('error') + 'accuracy'
            curves[accuracy] = Curve(steps, 1 - curves[tag].values)
    return curves


def _before(step: int, by_step: dict[int, float]) -> dict[int, float]:
    return {other: value for other, value in by_step.items() if other < step}
