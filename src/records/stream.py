"""Batches of records that do not fit in memory, read from the shards in an order given by seed and epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common import consts
from src.common.ahead import ahead
from src.common.tf1 import tf
from src.records import dataset
from src.records.dataset import Records
from src.records.fields import Field

SHARDS_AT_ONCE = 16  # open files, read in turn
PARSED_AT_ONCE = 64
SHUFFLED_BYTES = 64 << 20  # of examples in the shuffle buffer

Batch = tuple[np.ndarray, np.ndarray]  # values [size, ...], labels [size] int32


def stream(
    records: Records, splits: Sequence[str], field: Field, size: int, seed: int, start: int = 0
) -> Iterator[Batch]:
    """Endless batches: values [size, *field.shape] and labels [size] int32. Every epoch shows each record of
    the splits once.

    `start` is the number of examples that earlier batches showed: a resumed run sees what an uninterrupted
    one would have seen. The memory needed does not depend on the number of records. A thread decodes a batch
    ahead. Raises UserError for a damaged shard or picture.
    """
    parsed = _parsed_batches(records, splits, field, size, seed, start)
    if field.decode is None:
        return parsed
    return ahead(lambda batch: (dataset.decoded(batch[0], field, records), batch[1]), parsed, 1, 1)


def _parsed_batches(
    records: Records, splits: Sequence[str], field: Field, size: int, seed: int, start: int
) -> Iterator[Batch]:
    shards = [path for split in splits for path in records.shards(split)]
    features = dict(field.columns) | dataset.label_feature(records)
    epoch, place = divmod(start, dataset.number_of(records, splits))
    with tf.Graph().as_default() as graph:
        epochs = tf.data.Dataset.range(epoch, tf.int64.max)
        examples = epochs.flat_map(lambda epoch: _epoch(field, features, shards, seed, epoch)).skip(place)
        batches = examples.batch(size).prefetch(2)
        following = tf.data.make_one_shot_iterator(batches).get_next()
    # The session that trains does not need to know where its batches come from.
    with contextlib.closing(tf.Session(graph=graph)) as session:
        draw = session.make_callable(following)
        try:
            while True:
                yield draw()
        except dataset.damages() as error:
            raise dataset.damage(records, shards, features) from error


def _epoch(
    field: Field, features: dict, shards: Sequence[Path], seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """Each record once. The order of the shards changes with the epoch, some are read in turn, and examples
    are drawn from a shuffle buffer, so that records far apart on the disk meet in a batch."""
    order = tf.random.experimental.stateless_shuffle([str(path) for path in shards], [seed, epoch])
    serialized = tf.data.Dataset.from_tensor_slices(order).interleave(
        tf.data.TFRecordDataset, cycle_length=SHARDS_AT_ONCE, block_length=8
    )
    parsed = serialized.batch(PARSED_AT_ONCE).map(lambda batch: _parsed(field, features, batch))
    buffered = max(1, SHUFFLED_BYTES // field.record_bytes)
    return parsed.prefetch(2).unbatch().shuffle(buffered, seed + epoch, reshuffle_each_iteration=False)


def _parsed(field: Field, features: dict, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    batch = tf.io.parse_example(serialized, features)
    labels = tf.argmax(batch[consts.LABEL_ONE_HOT_FIELD], axis=1, output_type=tf.int32)
    return field.parsed(batch, tf.concat), labels
