"""Batches of records that are too many for memory, from the shards in an order that seed and epoch decide."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.records import dataset
from src.records.dataset import Records

SHARDS_AT_ONCE = 16  # open files, read in turn
PARSED_AT_ONCE = 64
SHUFFLED_BYTES = 64 << 20  # of examples that wait to be drawn from

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Field:
    """The field of a record that is learned from, for tf.io.parse_example, and about how many bytes it
    takes."""

    name: str
    feature: tf.FixedLenFeature
    size: int


def stream(
    records: Records, splits: Sequence[str], field: Field, size: int, seed: int, start: int = 0
) -> Iterator[Batch]:
    """Batches (the field [size, ...] and labels [size] int32) without end, every epoch of which shows each
    record of the splits once.

    `start` is the number of examples that earlier batches showed: a run is resumed there, and what it
    then sees is what it would have seen. Memory depends on none of these. Raises UserError for a
    damaged shard.
    """
    shards = [path for split in splits for path in records.shards(split)]
    features = {field.name: field.feature} | dataset.label_feature(records)
    epoch, place = divmod(start, dataset.number_of(records, splits))
    with tf.Graph().as_default() as graph:
        epochs = tf.data.Dataset.range(epoch, tf.int64.max)
        examples = epochs.flat_map(lambda epoch: _epoch(field, features, shards, seed, epoch)).skip(place)
        batches = examples.batch(size).prefetch(2)
        following = tf.data.make_one_shot_iterator(batches).get_next()
    # A graph and a session of its own: the one that trains need not know where its batches come from.
    with contextlib.closing(tf.Session(graph=graph)) as session:
        draw = session.make_callable(following)
        try:
            while True:
                yield draw()
        except dataset.damages() as error:
            raise dataset.damage(shards, features) from error


def _epoch(
    field: Field, features: dict, shards: Sequence[Path], seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """Each record once. Shards come in another order in every epoch, some are read in turn, and examples
    are drawn from a buffer: far apart on the disk they still meet in a batch."""
    order = tf.random.experimental.stateless_shuffle([str(path) for path in shards], [seed, epoch])
    serialized = tf.data.Dataset.from_tensor_slices(order).interleave(
        tf.data.TFRecordDataset, cycle_length=SHARDS_AT_ONCE, block_length=8
    )
    parsed = serialized.batch(PARSED_AT_ONCE).map(lambda batch: _parsed(field, features, batch))
    buffered = max(1, SHUFFLED_BYTES // field.size)
    return parsed.prefetch(2).unbatch().shuffle(buffered, seed + epoch, reshuffle_each_iteration=False)


def _parsed(field: Field, features: dict, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    batch = tf.io.parse_example(serialized, features)
    labels = tf.argmax(batch[consts.LABEL_ONE_HOT_FIELD], axis=1, output_type=tf.int32)
    return batch[field.name], labels
