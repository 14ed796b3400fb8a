"""What the columns of a submission are: a column for each class, or `label`, the probability of one of two.

Kaggle wants a column for each breed in dog-breed-identification, and id,label in Dogs vs. Cats Redux, where
the label is the probability of a dog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.common.errors import UserError
from src.common.files import listed
from src.scoring.clipping import clipped

COLUMNS, LABEL = FORMATS = 'columns', 'label'
CATS_AND_DOGS = ['cat', 'dog']  # in lower case, sorted
POSITIVE = 'dog'


@dataclass(frozen=True)
class Layout:
    """The columns beside `id`, and the place of the class in the model's output for each of them."""

    columns: list[str]
    places: list[int]
    positive: str = ''  # the class that `label` is the probability of

    @property
    def is_label(self) -> bool:
        return bool(self.positive)

    @property
    def what(self) -> str:
        """The columns in words."""
        return (
            f'id and the probability of {self.positive}'
            if self.is_label
            else 'id and a column for each class'
        )

    def pair(self, labels: Sequence[str]) -> list[str]:
        """The negative and the positive one of the two classes `labels`; empty without the column label."""
        return [labels[1 - self.places[0]], self.positive] if self.is_label else []

    def row(self, probabilities: np.ndarray, least: float = 0.0) -> list[str]:
        """The cells beside the id, of probabilities [classes] bounded by `least` (scoring/clipping.py).

        The label has more digits, as 1 - label is a probability too.
        """
        digits = 12 if self.is_label else 9
        return [f'{p:.{digits}g}' for p in clipped(probabilities, least)[self.places]]

    def ordered_as(self, columns: Sequence[str]) -> Layout:
        """The same columns in the order of `columns`, unless these are others."""
        if sorted(columns) != sorted(self.columns):
            return self
        place_of = dict(zip(self.columns, self.places, strict=True))
        return replace(self, columns=list(columns), places=[place_of[column] for column in columns])


def layout_for(labels: Sequence[str], form: str | None = None, positive: str | None = None) -> Layout:
    """The layout of a submission by a model with the classes `labels`.

    form: COLUMNS, LABEL or None, which means LABEL for the two classes cat and dog, and when `positive` is
    given. positive: the class that `label` is the probability of (default: dog).

    Raises UserError when `label` does not say which class it is the probability of.
    """
    known = sorted(label.lower() for label in labels) == CATS_AND_DOGS
    form = form or (LABEL if known or positive else COLUMNS)
    if form == COLUMNS:
        if positive:
            raise UserError('--positive is for --format label: leave one of them out')
        return Layout(list(labels), list(range(len(labels))))
    if len(labels) != 2:
        raise UserError(
            f'--format label is for two classes, and the model has {len(labels)}: use --format columns'
        )
    if positive is None:
        if not known:
            raise UserError(
                f'which class is the label the probability of: add --positive {labels[1]} '
                f'or --positive {labels[0]}'
            )
        positive = next(label for label in labels if label.lower() == POSITIVE)
    if positive not in labels:
        raise UserError(f'--positive {positive} is no class of the model: it has {listed(labels)}')
    return Layout([LABEL], [list(labels).index(positive)], positive)
