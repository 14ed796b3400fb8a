"""TFRecords to examples: what a records folder holds, its splits and classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.manifest import MANIFEST


@dataclass(frozen=True)
class Records:
    """A complete folder of records with what its manifest says."""

    folder: Path
    manifest: dict

    @property
    def classes(self) -> list[str]:
        return self.manifest['classes']

    @property
    def width(self) -> int:
        """Values of one bottleneck."""
        return self.manifest['backbone']['width']

    @property
    def counts(self) -> dict[str, int]:
        """Records in each split that has any."""
        return self.manifest['counts']

    def shards(self, split: str) -> list[Path]:
        return [self.folder / name for name in self.manifest['shards'] if name.startswith(split + '-')]


@dataclass(frozen=True)
class Examples:
    """The examples of a split in memory: ids [N] str, labels [N] int32 (-1 when unknown),
    bottlenecks [N, width] float32."""

    ids: list[str]
    labels: np.ndarray
    bottlenecks: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, chosen: np.ndarray) -> Examples:
        """The examples for which `chosen` [N] bool is true."""
        ids = [id_ for id_, wanted in zip(self.ids, chosen, strict=True) if wanted]
        return Examples(ids, self.labels[chosen], self.bottlenecks[chosen])


def joined(parts: Sequence[Examples]) -> Examples:
    """The examples of all parts, one after another."""
    return Examples(
        [id_ for part in parts for id_ in part.ids],
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.bottlenecks for part in parts]),
    )


def open_records(name: str) -> Records:
    """The records of the data set `name`. Raises UserError when there are none, or not all."""
    folder = paths.records(name)
    if not (folder / MANIFEST).exists():
        raise UserError(f'there are no records {paths.shown(folder)}: {_how_to_make(name)}')
    manifest = files.read_json(folder / MANIFEST)
    if not manifest.get('complete'):
        raise UserError(f'the conversion to {paths.shown(folder)} is not finished: run it again to go on')
    return Records(folder, manifest)


def load(records: Records, split: str) -> Examples:
    """All examples of a split, in the order of the shards. Memory: 4 bytes x width x N."""
    ids, labels, bottlenecks = [], [], []
    features = {
        consts.ID_FIELD: tf.FixedLenFeature([], tf.string),
        consts.INCEPTION_OUTPUT_FIELD: tf.FixedLenFeature([records.width], tf.float32),
    }
    if split != consts.UNLABELLED:
        features[consts.LABEL_ONE_HOT_FIELD] = tf.FixedLenFeature([len(records.classes)], tf.float32)
    for batch in _batches(records.shards(split), features, 512):
        ids.extend(id_.decode('utf-8', 'surrogateescape') for id_ in batch[consts.ID_FIELD])
        bottlenecks.append(batch[consts.INCEPTION_OUTPUT_FIELD])
        one_hot = batch.get(consts.LABEL_ONE_HOT_FIELD)
        labels.append(np.full(len(bottlenecks[-1]), -1) if one_hot is None else one_hot.argmax(1))
    return Examples(
        ids,
        np.concatenate([np.zeros(0), *labels]).astype(np.int32),
        np.concatenate([np.zeros((0, records.width), np.float32), *bottlenecks]),
    )


def pictures(records: Records, split: str, ids: Iterable[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """(id, encoded picture) of the examples of a split, or of those named, one at a time."""
    wanted = None if ids is None else set(ids)
    features = {
        field: tf.FixedLenFeature([], tf.string) for field in (consts.ID_FIELD, consts.IMAGE_RAW_FIELD)
    }
    for batch in _batches(records.shards(split), features, 16):
        for id_, image in zip(batch[consts.ID_FIELD], batch[consts.IMAGE_RAW_FIELD], strict=True):
            id_ = id_.decode('utf-8', 'surrogateescape')
            if wanted is None or id_ in wanted:
                yield id_, image


def _batches(shards: list[Path], features: dict, size: int) -> Iterator[dict[str, np.ndarray]]:
    """Parsed records of some shards, `size` at a time. Raises UserError for a damaged shard."""
    for shard in shards:
        with tf.Graph().as_default(), tf.Session() as session:
            dataset = tf.data.TFRecordDataset(str(shard)).batch(size)
            dataset = dataset.map(lambda serialised: tf.io.parse_example(serialised, features))
            following = tf.data.make_one_shot_iterator(dataset.prefetch(2)).get_next()
            try:
                while True:
                    yield session.run(following)
            except tf.errors.OutOfRangeError:
                continue
            except (
                tf.errors.DataLossError,
                tf.errors.NotFoundError,
                tf.errors.InvalidArgumentError,
            ) as error:
                raise UserError(
                    f'{paths.shown(shard)} is missing or damaged: delete it and run the conversion again, '
                    'which writes this file anew and keeps the others'
                ) from error


def _how_to_make(name: str) -> str:
    if name == consts.CURRENT_DATASET_NAME:
        return 'run python -m src.data_preparation.stanford_ds_to_tfrecords'
    return f'run python -m src.data_preparation.image_folder_to_tfrecords DIR --name {name}'
