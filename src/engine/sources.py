"""Where examples come from: memory while they fit there, else the records themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.engine.batches import Batches
from src.records import dataset
from src.records.dataset import Examples, Records
from src.records.stream import Batch, Field, stream


class Source(Protocol):
    """Examples in parts (`train` and, as there are any, `validation` and `test`) to learn from and be
    judged by. Batches depend on the step alone."""

    parts: Sequence[str]

    def number(self, part: str) -> int:
        """How many examples a part holds."""

    def batch(self, step: int) -> Batch:
        """What a step learns from, of `train`: values [size, ...] as of Examples, and labels [size] int32."""

    def first(self, part: str, most: int) -> Examples:
        """The first examples of a part, in memory."""

    def chunks(self, part: str) -> Iterator[Examples]:
        """All examples of a part, some at a time."""


class InMemory:
    """A source of examples that were loaded before."""

    CHUNK = 2048

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

    def first(self, part: str, most: int) -> Examples:
        return self._examples[part][:most]

    def chunks(self, part: str) -> Iterator[Examples]:
        held = self._examples[part]
        return (held[begin : begin + self.CHUNK] for begin in range(0, len(held), self.CHUNK))


class Streamed:
    """A source of bottlenecks that reads the records again in every epoch."""

    def __init__(self, records: Records, splits: Mapping[str, Sequence[str]], size: int, seed: int):
        self._records, self._size, self._seed = records, size, seed
        self._splits = splits
        self.parts = list(splits)
        self._stream: Iterator[Batch] = iter(())
        self._step = -1  # that the stream has reached

    def number(self, part: str) -> int:
        return dataset.number_of(self._records, self._splits[part])

    def batch(self, step: int) -> Batch:
        if step != self._step:
            start = step * self._size
            field = vector_field(self._records)
            self._stream = stream(self._records, self._splits['train'], field, self._size, self._seed, start)
        self._step = step + 1
        return next(self._stream)

    def first(self, part: str, most: int) -> Examples:
        return dataset.load(self._records, *self._splits[part], most=most)

    def chunks(self, part: str) -> Iterator[Examples]:
        return dataset.chunks(self._records, *self._splits[part])


def vector_field(records: Records) -> Field:
    feature = tf.FixedLenFeature([records.width], tf.float32)
    return Field(consts.INCEPTION_OUTPUT_FIELD, feature, 4 * records.width)


def parts_of(records: Records, all_splits: bool) -> dict[str, list[str]]:
    """Which splits of the records make which part of a source."""
    held = [split for split in consts.SPLITS if records.counts.get(split)]
    return {'train': held} if all_splits else {split: [split] for split in held}


def fits_in_memory(records: Records) -> bool:
    labelled = sum(records.counts.get(split, 0) for split in consts.SPLITS)
    return 4 * records.width * labelled <= consts.MAX_BOTTLENECK_BYTES


def open_source(records: Records, all_splits: bool, size: int, seed: int) -> Source:
    """The records to train on, in batches of `size`."""
    parts = parts_of(records, all_splits)
    if not fits_in_memory(records):
        return Streamed(records, parts, size, seed)
    return InMemory({part: dataset.load(records, *splits) for part, splits in parts.items()}, size, seed)
