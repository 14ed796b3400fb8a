"""The predictions of a frozen model for the examples in the records of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.graph.joined.facts import members
from src.inference.from_records import answered, same_backbone
from src.inference.runtimes.base import Predictor
from src.records import dataset
from src.records.chosen import missing, of_model
from src.records.dataset import Records
from src.records.manifest import belongs
from src.scoring import confusion
from src.scoring.kinds import kind_of_score, learned_from

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Analysis:
    """The predictions of a model for N examples.

    `ids` [N] as in the records, `labels` [N] int32, `probabilities` [N, classes] float32. `table` is that of
    `confusion.predictions`, and a column `learned_from`: whether the model was trained on the example.
    `learned` are the splits that the model was trained on.
    """

    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    table: pd.DataFrame
    learned: list[str]

    @property
    def splits(self) -> list[str]:
        """The splits of the examples, in order."""
        return list(dict.fromkeys(self.table['split']))

    @property
    def kind(self) -> str:
        """What a score over all examples is called: `kinds.TRAINING`, PARTLY or HELD_OUT."""
        return kind_of_score(self.splits, self.learned)

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrix [classes, classes] int64."""
        return confusion.confusion_matrix(self.labels, self.probabilities.argmax(1), len(self.classes))


def analyze(predictor: Predictor, records: Records, splits: Sequence[str]) -> Analysis:
    """Predict all examples of some splits. Raises UserError when there are none."""
    if not dataset.number_of(records, splits):
        raise UserError(
            f'{paths.shown(records.folder)} has no examples in {" and ".join(splits)}: choose another --split'
        )
    parts = {split: answered(predictor, records, split) for split in splits if records.counts.get(split)}
    ids = [id_ for part in parts.values() for id_ in part.ids]
    labels = np.concatenate([part.labels for part in parts.values()])
    probabilities = np.concatenate([part.values for part in parts.values()])
    origin = [split for split, part in parts.items() for _ in part.ids]
    table = confusion.predictions(ids, origin, labels, probabilities, records.classes)
    learned = learned_splits(predictor, records)
    table['learned_from'] = table['split'].isin(learned)
    return Analysis(records.classes, ids, labels, probabilities, table, learned)


def learned_splits(predictor: Predictor, records: Records) -> list[str]:
    """The splits of the records that the model was trained on; none for records of another data set."""
    info = predictor.info
    same = info.get('data_set') in (None, records.manifest['name'])
    return learned_from(info) if same or belongs(records.manifest, info.get('records', '')) else []


def doubts(predictor: Predictor, records: Records) -> str:
    """Why it is uncertain which of these photos the model was trained on; '' when it is certain."""
    info = predictor.info
    if teacher := info.get('teacher'):
        return (
            f'the model was distilled from {teacher.get("file", "a teacher")}: one of both may have been '
            'trained on some of these photos'
        )
    if info.get('records') is None or belongs(records.manifest, info['records']):
        return ''
    if info.get('data_set') == records.manifest['name']:
        return 'the records were converted again after training: some of these may be training photos'
    return f'the model was trained on {info.get("data_set")}: some of these may be training photos'


def check_belongs(predictor: Predictor, records: Records, model: Path) -> None:
    """Raise UserError unless the model has the classes and the backbone of these records.

    The backbone is not compared where the model file does not name one.
    """
    if predictor.labels != records.classes:
        raise UserError(
            f'{paths.shown(model)} has other classes than {paths.shown(records.folder)} '
            f'({_difference(predictor.labels, records.classes)}): choose another --name or --model'
        )
    if not same_backbone(predictor, records):
        backbone, held = predictor.info['backbone'], records.manifest['backbone'] or {}
        distilled = predictor.info.get('teacher')  # such a model has no records of its own
        if held and (distilled or len(missing(records, backbone)) < len(members(backbone))):
            of_model(records, backbone)  # raises, with the command that adds the others
        raise UserError(
            f'{paths.shown(model)} has another backbone ({backbone.get("file", "unknown")}) than '
            f'{paths.shown(records.folder)} ({held.get("file", "none")}): choose another --name or --model'
        )


def _difference(labels: Sequence[str], classes: Sequence[str]) -> str:
    """How the class names of model and records differ, in a few words."""
    if missing := [name for name in classes if name not in set(labels)]:
        return f'without {missing[0]!r}' + (f' and {len(missing) - 1:,} more' if missing[1:] else '')
    if extra := [name for name in labels if name not in set(classes)]:
        return f'also {extra[0]!r}' + (f' and {len(extra) - 1:,} more' if extra[1:] else '')
    return 'the same names in another order'
