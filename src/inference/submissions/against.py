"""Score a submission when the labels are known.

The labels are a CSV file of id and label, which is a class name, or 1 for the positive class and 0 for the
other of two; or a column for each class with a 1 in that of the photo and 0 in the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.inference.submissions.layout import CATS_AND_DOGS, POSITIVE
from src.inference.submissions.table import Rows, Table, differing_ids
from src.scoring.clipping import log_loss
from src.scoring.scores import whole_score

SUM_TOLERANCE = 1e-4  # by which the sum of a row may differ from 1 through rounding


class Result(NamedTuple):
    """Kaggle's `log_loss`, the scores of `scoring.scores.whole_score`, and how many rows were rescaled to
    a sum of 1."""

    log_loss: float
    scores: dict[str, float]
    rescaled: int


def check_values(submission: Table) -> None:
    """Raise UserError for a value that is NaN or outside of 0 to 1, and for a row of zeros."""
    bad = ~((submission.values >= 0) & (submission.values <= 1))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        place = f'id {submission.ids[row]} in column {submission.columns[column]}'
        raise UserError(
            f'{paths.shown(submission.path)} holds {count(int(bad.sum()), "value")} outside of 0 to 1, the '
            f'first for {place}: {submission.values[row, column]:g}'
        )
    if not _is_label(submission) and not (sums := submission.values.sum(1)).all():
        raise UserError(
            f'{paths.shown(submission.path)} has {count(int((sums == 0).sum()), "row")} without any '
            f'probability above 0, the first for id {submission.ids[int((sums == 0).argmax())]}'
        )


def pair_of(positive: str | None = None) -> list[str]:
    """The two classes of a submission with the column `label`, the positive one last: that of its
    probabilities (default: dog, and cat is the other). The other is '' where its name is unknown."""
    positive = positive or POSITIVE
    other = [name for name in CATS_AND_DOGS if name != positive.lower()]
    return [other[0] if len(other) == 1 else '', positive]


def score_against(submission: Table, labels: Rows, pair: Sequence[str] = ()) -> Result:
    """Score a submission as Kaggle does: rows are rescaled to a sum of 1.

    labels: id and label of each photo, or a column for each class.
    pair: of two classes, the negative and the positive one, as `pair_of` returns them (the default).

    Raises UserError for labels that cannot be used, for ids that only one of the files has or that
    are doubled, and as `check_values` does.
    """
    check_values(submission)
    _check_ids(submission, labels)
    pair = list(pair) or pair_of()
    if _is_label(submission):
        probabilities, classes = np.concatenate([1 - submission.values, submission.values], 1), pair
    else:
        probabilities, classes = submission.values, submission.columns
    places = _places(_names(labels), classes, pair[-1], labels.path)
    place_of = dict(zip(labels.ids, places, strict=True))
    actual = np.array([place_of[id_] for id_ in submission.ids])
    sums = probabilities.sum(1, keepdims=True)
    scores = whole_score([(probabilities / sums, actual)])
    return Result(log_loss(probabilities, actual), scores, int((np.abs(sums - 1) > SUM_TOLERANCE).sum()))


def _is_label(submission: Table) -> bool:
    return len(submission.columns) == 1  # by any name


def _check_ids(submission: Table, labels: Rows) -> None:
    if doubled := differing_ids(labels.ids, labels.ids):
        raise UserError(f'{paths.shown(labels.path)}: {doubled[0]}')
    if faults := differing_ids(submission.ids, labels.ids):
        raise UserError(
            f'the ids of {paths.shown(submission.path)} are not those of {paths.shown(labels.path)}: '
            f'{"; ".join(faults)}'
        )


def _names(rows: Rows) -> list[str]:
    """The label of each row: its only cell, or the name of the column that holds a 1."""
    if len(rows.columns) == 1:
        if unknown := [id_ for id_, cells in zip(rows.ids, rows.cells, strict=True) if not cells[0]]:
            raise UserError(f'{paths.shown(rows.path)} has no label for id {listed(unknown)}')
        return [cells[0] for cells in rows.cells]
    names = []
    for id_, cells in zip(rows.ids, rows.cells, strict=True):
        values = [cell.removesuffix('.0') for cell in cells]
        if sorted(values) != ['0'] * (len(values) - 1) + ['1']:
            raise UserError(
                f'{paths.shown(rows.path)}: the row of id {id_} does not hold one 1 and otherwise 0, so it '
                'names no label'
            )
        names.append(rows.columns[values.index('1')])
    return names


def _places(names: Sequence[str], classes: Sequence[str], positive: str, path: Path) -> list[int]:
    """The place of each label among the classes. Raises UserError for labels that are no classes."""
    numbers = [name.removesuffix('.0') for name in names]
    if len(classes) == 2 and set(numbers) <= {'0', '1'} and not set(classes) <= {'0', '1'}:
        if positive not in classes:
            raise UserError(
                f'{paths.shown(path)} has labels 0 and 1: say which class is 1 with --positive '
                f'{classes[1]} or --positive {classes[0]}'
            )
        return [
            classes.index(positive) if number == '1' else 1 - classes.index(positive) for number in numbers
        ]
    place_of = {name.lower(): place for place, name in enumerate(classes) if name}
    place_of |= {name: place for place, name in enumerate(classes)}
    found = [place_of.get(name, place_of.get(name.lower())) for name in names]
    unknown = list(dict.fromkeys(name for name, place in zip(names, found, strict=True) if place is None))
    if len(unknown) == 1 and '' in classes:  # the class that is not the positive one
        return [classes.index('') if place is None else place for place in found]
    if unknown:
        known = f' (it has {" and ".join(filter(None, classes))}: --positive names others)'
        raise UserError(
            f'{paths.shown(path)} has labels that are no classes of the submission: {listed(unknown)}'
            + (known if len(classes) == 2 else '')
        )
    return found
