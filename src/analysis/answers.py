"""What a frozen model answers to the cached examples of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.inference.from_records import answered, same_backbone
from src.inference.predictor import Predictor
from src.records import dataset
from src.records.dataset import Records
from src.scoring import confusion
from src.scoring.kinds import kind_of_score, learned_from

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Analysis:
    """What a model makes of examples.

    `table`: see `confusion.predictions`, with a column `learned_from`: whether the model learned from the
    example; `ids` [N] as they stand in the records; `labels` [N] int32; `probabilities` [N, classes] float32;
    `learned`: the splits that the model learned from.
    """

    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    table: pd.DataFrame
    learned: list[str]

    @property
    def splits(self) -> list[str]:
        """The splits that the examples are of, in their order."""
        return list(dict.fromkeys(self.table['split']))

    @property
    def kind(self) -> str:
        """What scores over all examples are called: `score_kinds.TRAINING`, PARTLY or HELD_OUT."""
        return kind_of_score(self.splits, self.learned)

    @property
    def matrix(self) -> np.ndarray:
        return confusion.confusion_matrix(self.labels, self.probabilities.argmax(1), len(self.classes))


def analyse(predictor: Predictor, records: Records, splits: Sequence[str]) -> Analysis:
    """Ask the model about all examples of some splits. Raises UserError when there are none."""
    if not dataset.number_of(records, splits):
        raise UserError(
            f'{paths.shown(records.folder)} has no examples in {" and ".join(splits)}: choose another --split'
        )
    parts = {split: answered(predictor, records, split) for split in splits if records.counts.get(split)}
    ids = [id_ for part in parts.values() for id_ in part.ids]
    labels = np.concatenate([part.labels for part in parts.values()])
    probabilities = np.concatenate([part.values for part in parts.values()])
    origin = [split for split, part in parts.items() for _ in part.ids]
    told = confusion.predictions(ids, origin, labels, probabilities, records.classes)
    learned = learned_splits(predictor, records)
    told['learned_from'] = told['split'].isin(learned)
    return Analysis(records.classes, ids, labels, probabilities, told, learned)


def learned_splits(predictor: Predictor, records: Records) -> list[str]:
    """The splits of the records that the model learned from; none for records of another data set."""
    info = predictor.info
    same = info.get('data_set') in (None, records.manifest['name'])
    return learned_from(info) if same or _fingerprint(records) == info.get('records') else []


def doubts(predictor: Predictor, records: Records) -> str:
    """Why it is not certain which of these photos the model learned from; '' when it is."""
    info = predictor.info
    if info.get('records') in (None, _fingerprint(records)):
        return ''
    if info.get('data_set') == records.manifest['name']:
        return 'these records were converted anew since the model was trained: it may have learned from some'
    return (
        f'the model was trained on {info.get("data_set")}: whether it learned from these photos is not known'
    )


def _fingerprint(records: Records) -> str:
    return records.manifest.get('fingerprint', '')


def check_belongs(predictor: Predictor, records: Records, model: Path) -> None:
    """Raise UserError unless the model can answer about these records: same classes, same backbone.

    A model file that does not name its backbone is taken at its word.
    """
    if predictor.labels != records.classes:
        raise UserError(
            f'{paths.shown(model)} does not know the classes of {paths.shown(records.folder)} '
            f'({_difference(predictor.labels, records.classes)}): choose another --name or --model'
        )
    if not same_backbone(predictor, records):
        backbone, held = predictor.info['backbone'], records.manifest['backbone'] or {}
        raise UserError(
            f'{paths.shown(model)} stands on another backbone ({backbone.get("file", "unknown")}) than '
            f'{paths.shown(records.folder)} ({held.get("file", "none")}): choose another --name or --model'
        )


def _difference(labels: Sequence[str], classes: Sequence[str]) -> str:
    """How two lists of class names differ, in a few words."""
    if missing := [name for name in classes if name not in set(labels)]:
        return f'not {missing[0]!r}' + (f' and {len(missing) - 1:,} more' if missing[1:] else '')
    if extra := [name for name in labels if name not in set(classes)]:
        return f'it also knows {extra[0]!r}' + (f' and {len(extra) - 1:,} more' if extra[1:] else '')
    return 'the same names in another order'
