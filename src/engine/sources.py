"""Where a learner's examples come from: memory while they fit there, else the records themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from src.common import consts
from src.engine.batches import Batches
from src.records import dataset
from src.records.dataset import Examples, Records
from src.records.fields import Field
from src.records.stream import Batch, stream

CHUNK = 2048  # examples of a chunk from memory


class Source(Protocol):
    """Examples in parts: `train` and, where there are any, `validation` and `test`. A batch depends on the
    step alone."""

    parts: Sequence[str]

    def number(self, part: str) -> int:
        """The number of examples of a part."""

    def batch(self, step: int) -> Batch:
        """The batch of a step from the part `train`: values [size, ...] and labels [size] int32."""

    def first(self, part: str, most: int, every: int = 1) -> Examples:
        """The first examples of a part, or of each `every`-th one from the first, in memory."""

    def chunks(self, part: str) -> Iterator[Examples]:
        """All examples of a part, some at a time."""


class InMemory:
    """A source of loaded examples."""

    def __init__(self, examples: Mapping[str, Examples], size: int, seed: int):
        self._examples = {part: held for part, held in examples.items() if len(held)}
        self.parts = list(self._examples)
        self._batches = Batches(np.arange(len(examples['train'])), size, seed)

    def number(self, part: str) -> int:
        return len(self._examples[part])

    def batch(self, step: int) -> Batch:
        rows = self._batches.rows(step)
        train = self._examples['train']
        return train.values[rows], train.labels[rows]

    def first(self, part: str, most: int, every: int = 1) -> Examples:
        return self._examples[part][::every][:most]

    def chunks(self, part: str) -> Iterator[Examples]:
        held = self._examples[part]
        return (held[begin : begin + CHUNK] for begin in range(0, len(held), CHUNK))


class Streamed:
    """A source that reads the records again in every epoch."""

    def __init__(
        self, records: Records, parts: Mapping[str, Sequence[str]], field: Field, size: int, seed: int
    ):
        self._records, self._splits, self._field = records, parts, field
        self._size, self._seed = size, seed
        self.parts = list(parts)
        self._stream: Iterator[Batch] = iter(())
        self._step = -1  # the next step of the stream

    def number(self, part: str) -> int:
        return dataset.number_of(self._records, self._splits[part])

    def batch(self, step: int) -> Batch:
        if step != self._step:
            splits, start = self._splits['train'], step * self._size
            self._stream = stream(self._records, splits, self._field, self._size, self._seed, start)
        self._step = step + 1
        return next(self._stream)

    def first(self, part: str, most: int, every: int = 1) -> Examples:
        return dataset.load(self._records, *self._splits[part], field=self._field, most=most, every=every)

    def chunks(self, part: str) -> Iterator[Examples]:
        return dataset.chunks(self._records, *self._splits[part], field=self._field)


def parts_of(records: Records, learned: Sequence[str]) -> dict[str, list[str]]:
    """The splits of the records that make each part of a source, for a learner that learns from the splits
    `learned`."""
    held = [split for split in consts.SPLITS if records.counts.get(split)]
    train = [split for split in held if split in learned]
    others = {split: [split] for split in held if split not in learned}
    return ({'train': train} if train else {}) | others


def fits_in_memory(records: Records, field: Field) -> bool:
    """Whether the values of all labelled examples take no more than consts.MAX_EXAMPLE_BYTES."""
    labelled = sum(records.counts.get(split, 0) for split in consts.SPLITS)
    return field.value_bytes * labelled <= consts.MAX_EXAMPLE_BYTES


def open_source(records: Records, learned: Sequence[str], field: Field, size: int, seed: int) -> Source:
    """The field of the records in batches of `size`, for a learner that learns from the splits `learned`."""
    parts = parts_of(records, learned)
    if not fits_in_memory(records, field):
        return Streamed(records, parts, field, size, seed)
    loaded = {part: dataset.load(records, *splits, field=field) for part, splits in parts.items()}
    return InMemory(loaded, size, seed)
