"""Reading TFRecords: the splits and classes of a records folder, and its examples as arrays."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import consts, files, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.common.paths import MANIFEST
from src.common.progress import progress
from src.common.tf1 import serialized_records, tf
from src.graph.joined.facts import widths_of
from src.images.faults import BadImage
from src.records.fields import Field, bottlenecks
from src.records.manifest import CompleteManifest, Manifest
from src.records.next_commands import similar_data_sets, to_convert, to_train, usual_model


@dataclass(frozen=True)
class Records:
    """A complete folder of records with what its manifest says."""

    folder: Path
    manifest: dict
    computed_again: bool = False  # whether a training computes shards that are missing

    @property
    def classes(self) -> list[str]:
        return self.manifest['classes']

    @property
    def width(self) -> int:
        """Values of one bottleneck. Raises UserError when the records were made without a backbone."""
        if not self.has_bottlenecks:
            name = self.folder.name
            raise UserError(
                f'{paths.shown(self.folder)} holds pictures without bottlenecks: train on them with '
                f'{to_train(name, usual_model(name))}, or convert with a --backbone'
            )
        return self.manifest['backbone']['width']

    @property
    def has_bottlenecks(self) -> bool:
        return self.manifest['backbone'] is not None

    @property
    def mirrored(self) -> bool:
        """Whether the records hold the bottlenecks of the mirrored pictures too."""
        return self.has_bottlenecks and self.manifest.get('mirrored', False)

    def bottlenecks(self, mirrored: bool = False) -> Field:
        """The cached bottlenecks, of all backbones side by side; with `mirrored` also those of the mirrored
        pictures. Raises UserError when the records do not hold them."""
        self.width  # noqa: B018  (raises for records without a backbone)
        if mirrored and not self.mirrored:
            raise UserError(f'{paths.shown(self.folder)} holds no bottlenecks of mirrored pictures')
        return bottlenecks(widths_of(self.manifest['backbone']), mirrored)

    @property
    def counts(self) -> dict[str, int]:
        """Records in each split that has any."""
        return self.manifest['counts']

    def shards(self, split: str) -> list[Path]:
        return [self.folder / name for name in self.manifest['shards'] if name.startswith(split + '-')]


@dataclass(frozen=True)
class Examples:
    """Some examples in memory: ids [N] str, labels [N] int32 (-1 when unknown), or probabilities [N, classes]
    float32 in their place, and the values of a field: bottlenecks [N, width] float32, or pixels
    [N, height, width, 3] uint8."""

    ids: list[str]
    labels: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, some: slice) -> Examples:
        return Examples(self.ids[some], self.labels[some], self.values[some])

    def where(self, chosen: np.ndarray) -> Examples:
        """The examples for which `chosen` [N] bool is true."""
        ids = [id_ for id_, wanted in zip(self.ids, chosen, strict=True) if wanted]
        return Examples(ids, self.labels[chosen], self.values[chosen])


def joined(parts: Sequence[Examples]) -> Examples:
    """The examples of all parts, concatenated."""
    return Examples(
        [id_ for part in parts for id_ in part.ids],
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def open_records(name: str) -> Records:
    """The records of the data set `name`. Raises UserError when there are none, or not all."""
    folder = paths.records(name)
    if not paths.manifest(name).exists():
        raise UserError(
            f'the data set {name} is not converted ({paths.shown(folder)} is missing): '
            f'run {to_convert(name)}{similar_data_sets(name)}'
        )
    remedy = f'to convert anew run {to_convert(name)} --overwrite'
    manifest = files.read_json(paths.manifest(name), Manifest, remedy)
    if not manifest.get('complete'):
        raise UserError(
            f'the conversion to {paths.shown(folder)} is not finished: to go on run {to_convert(name)}'
        )
    files.require_kind(manifest, CompleteManifest, paths.manifest(name), remedy)
    return Records(folder, manifest)


def load(
    records: Records, *splits: str, field: Field | None = None, most: int | None = None, every: int = 1
) -> Examples:
    """The examples of some splits, or the first `most` of them, in the order of the shards, with a field
    (default: the bottlenecks) as their values. With `every`, only each so-many-th one from the first.

    Memory: the values, once. Raises UserError when there are fewer than the manifest says, and for a damaged
    shard or picture.
    """
    field = field or records.bottlenecks()
    number = -(-number_of(records, splits) // every)
    number = number if most is None else min(number, most)
    bar = progress(number, f'reading {field.what}', field.what) if field.decode else contextlib.nullcontext()
    with bar:
        parts = chunks(records, *splits, field=field)
        if every > 1:
            parts = _each(parts, every)
        if field.decode:
            parts = (part for part in parts if bar.update(len(part)) or True)
        return filled(np.empty((number, *field.shape), field.dtype), records, parts)


def _each(parts: Iterable[Examples], every: int) -> Iterator[Examples]:
    """The examples number 0, `every`, 2 * `every` ... of all parts."""
    passed = 0
    for part in parts:
        yield part[-passed % every :: every]
        passed += len(part)


def number_of(records: Records, splits: Sequence[str]) -> int:
    """How many examples some splits hold."""
    return sum(records.counts.get(split, 0) for split in splits)


def filled(values: np.ndarray, records: Records, parts: Iterable[Examples]) -> Examples:
    """The first N examples of `parts`, their values written into `values` [N, ...]. Raises UserError when
    there are fewer."""
    number = len(values)
    ids: list[str] = []
    labels = np.empty(number, np.int32)
    for part in parts:
        begin, end = len(ids), min(len(ids) + len(part), number)
        labels[begin:end] = part.labels[: end - begin]
        values[begin:end] = part.values[: end - begin]
        ids.extend(part.ids[: end - begin])
        if end == number:
            break
    if len(ids) < number:
        raise UserError(
            f'{paths.shown(records.folder)} holds {len(ids):,} of the {number:,} records that its '
            f'{MANIFEST} lists: {_remedy(records)}'
        )
    return Examples(ids, labels, values)


def chunks(records: Records, *splits: str, field: Field | None = None, size: int = 256) -> Iterator[Examples]:
    """The same as `load`, up to `size` examples at a time."""
    field = field or records.bottlenecks()
    for ids, labels, batch in labelled(records, splits, field.columns, size):
        yield Examples(ids, labels, decoded(field.parsed(batch, np.concatenate), field, records))


def decoded(parsed: np.ndarray, field: Field, records: Records) -> np.ndarray:
    """The values [N, *field.shape] of N parsed fields. Raises UserError for one that cannot be decoded, which
    only damaged records hold."""
    if field.decode is None:
        return parsed
    try:
        return field.decode(parsed)
    except BadImage as fault:
        raise UserError(
            f'a picture in {paths.shown(records.folder)} cannot be decoded ({fault}): {_remedy(records)}'
        ) from fault


def labelled(
    records: Records, splits: Sequence[str], fields: Mapping[str, tf.FixedLenFeature], size: int
) -> Iterator[tuple[list[str], np.ndarray, dict[str, np.ndarray]]]:
    """Ids, labels [N] int32 and the given fields of the examples of some splits, up to `size` at a time.
    Raises UserError for a damaged shard."""
    for split in splits:
        features = {consts.ID_FIELD: tf.FixedLenFeature([], tf.string)} | dict(fields)
        if split != consts.UNLABELLED:
            features |= label_feature(records)
        for batch in _batches(records, split, features, size):
            one_hot = batch.get(consts.LABEL_ONE_HOT_FIELD)
            labels = np.full(len(batch[consts.ID_FIELD]), -1) if one_hot is None else one_hot.argmax(1)
            ids = [id_.decode('utf-8', 'surrogateescape') for id_ in batch[consts.ID_FIELD]]
            yield ids, labels.astype(np.int32), batch


def label_feature(records: Records) -> dict:
    """The field of the label, for tf.io.parse_example."""
    return {consts.LABEL_ONE_HOT_FIELD: tf.FixedLenFeature([len(records.classes)], tf.float32)}


def pictures(records: Records, split: str, ids: Iterable[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """(id, encoded picture) of the examples of a split, or only of those with the given `ids`, one at a
    time."""
    wanted = None if ids is None else set(ids)
    features = {
        field: tf.FixedLenFeature([], tf.string) for field in (consts.ID_FIELD, consts.IMAGE_RAW_FIELD)
    }
    for batch in _batches(records, split, features, 16):
        for id_, image in zip(batch[consts.ID_FIELD], batch[consts.IMAGE_RAW_FIELD], strict=True):
            id_ = id_.decode('utf-8', 'surrogateescape')
            if wanted is None or id_ in wanted:
                yield id_, image


def damages() -> tuple[type[Exception], ...]:
    """What TensorFlow raises while it reads a shard that is missing or damaged."""
    return tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError


def _remedy(records: Records) -> str:
    if records.computed_again:
        return 'delete this folder, and the same command computes it again'
    return 'run the conversion again with --overwrite'


def damage(records: Records, shards: Sequence[Path], features: dict) -> UserError:
    """The error that names the damaged one of some shards of `records`, found by reading them one by one."""
    for shard in shards:
        try:
            for _ in _parsed([shard], features, 512):
                pass
        except damages():
            remedy = 'run the conversion again, which writes this file anew and keeps the others'
            if records.computed_again:
                remedy = 'repeat the same command, which computes it again'
            return UserError(f'{paths.shown(shard)} is missing or damaged: delete it and {remedy}')
    return UserError(f'a file in {paths.shown(shards[0].parent)} could not be read, now it can: try again')


def _batches(records: Records, split: str, features: dict, size: int) -> Iterator[dict[str, np.ndarray]]:
    """Parsed records of a split, `size` at a time. Raises UserError for a damaged shard."""
    shards = records.shards(split)
    try:
        yield from _parsed(shards, features, size)
    except damages() as error:
        raise damage(records, shards, features) from error


def _parsed(shards: Sequence[Path], features: dict, size: int) -> Iterator[dict[str, np.ndarray]]:
    """Parsed records, `size` at a time. A thread parses the next ones meanwhile."""
    with tf.Graph().as_default() as graph:
        # Not a pipeline of tf.data: starting one takes longer than reading a shard.
        serialized = tf.placeholder(tf.string, [None])
        parsed = tf.io.parse_example(serialized, features)
    records = itertools.chain.from_iterable(map(serialized_records, shards))
    # Not the default session: the caller may have one of its own.
    with contextlib.closing(tf.Session(graph=graph)) as session:
        batches = iter(lambda: list(itertools.islice(records, size)), [])
        parse = session.make_callable(parsed, [serialized])
        yield from ahead(parse, batches, 2, 1)
