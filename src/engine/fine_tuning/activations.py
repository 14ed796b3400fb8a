"""Activations at a cut, computed once for each photo and stored beside the records.

data/records/<name>/activations/<fingerprint>/ holds shards named as those of the records, and
`activations.json`, which says what they are. A record of a training photo becomes one record for each of its
variants: the photo itself, then augmented copies, which are drawn from a seed. A shard is written under a
temporary name and renamed when it is complete, so that a stopped command goes on with the first missing one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts, files, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.progress import progress, say
from src.common.tf1 import tf
from src.engine.fine_tuning.variants import varied
from src.graph.joined.facts import without_places
from src.graph.precision import in_tensorflow, session_config
from src.graph.unfreezing.cut import Cut
from src.images.reader import ImageReader
from src.records import dataset
from src.records.dataset import Records
from src.records.example import bytes_feature, float_feature, write_shard
from src.records.fields import Field, encoded_image, pixels

FORMAT = 1
FIELD = 'activations'
NOTE = 'activations.json'
AT_ONCE = 32  # photos


@dataclass(frozen=True)
class Plan:
    """What is computed: the activations of `records` at `cut`, `variants` of each training photo, augmented
    as `variants.varied` does it; random numbers depend on `seed`.

    The frozen part computes in the precision of the records, as their bottlenecks were computed; of int8 in
    float32, as TensorFlow computes it.
    """

    records: Records
    cut: Cut
    variants: int
    augmentation: Mapping[str, Any]
    seed: int

    def facts(self) -> dict[str, Any]:
        """Everything that the activations depend on, as JSON."""
        backbone = self.records.manifest['backbone']
        return {
            'format': FORMAT,
            'records': self.records.manifest['fingerprint'],
            'backbone': without_places(backbone),
            'precision': in_tensorflow(self.records.manifest['precision']),
            'tensors': {tensor.name: list(tensor.shape) for tensor in self.cut.crossing},
            'variants': self.variants,
            **self.augmentation,
            'seed': self.seed,
        }

    @property
    def folder(self) -> Path:
        identity = json.dumps(self.facts(), sort_keys=True).encode()
        return self.records.folder / 'activations' / hashlib.sha256(identity).hexdigest()[:16]

    def variants_of(self, split: str) -> int:
        """Only training photos are augmented."""
        return self.variants if split == 'train' else 1

    @property
    def shards(self) -> list[tuple[str, str]]:
        """(split, file name) of each shard of labelled photos."""
        return [(split, path.name) for split in consts.SPLITS for path in self.records.shards(split)]


def activations_field(values: int) -> Field:
    """Activations as they are stored: [values] float16."""

    def decode(stored: np.ndarray) -> np.ndarray:
        return np.stack([np.frombuffer(row, np.float16) for row in stored])

    columns = {FIELD: tf.FixedLenFeature([], tf.string)}
    return Field(FIELD, (values,), np.float16, columns, 2 * values, decode)


def with_activations(plan: Plan) -> Records:
    """The records of the activations, which are computed where they are missing. Prints their size first.

    Raises UserError when the disk is full, or an activation exceeds the range of float16.
    """
    records, folder = plan.records, plan.folder
    counts = {
        split: number * plan.variants_of(split)
        for split, number in records.counts.items()
        if split in consts.SPLITS
    }
    missing = [(split, name) for split, name in plan.shards if not (folder / name).exists()]
    if missing:
        total = sum(counts.values())
        size = human_size(2 * plan.cut.values * total)
        say(f'activations of {count(total, "picture")}, {size}, go to {paths.shown(folder)}')
        files.write_json(folder / NOTE, plan.facts())
        _write(plan, missing, total)
    shards = [name for _, name in plan.shards]
    return Records(folder, records.manifest | {'counts': counts, 'shards': shards}, computed_again=True)


def _write(plan: Plan, missing: Sequence[tuple[str, str]], total: int) -> None:
    """Write the missing shards, with a progress bar over all pictures."""
    backbone, names = plan.cut.backbone, [name for _, name in plan.shards]
    written = sum(files.size_of(plan.folder / name) for name in names)
    done = min(total, written // (2 * plan.cut.values))  # about: a record is a little larger
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.float32, [None, *reader.shape])
        variant, place = tf.placeholder(tf.int64, []), tf.placeholder(tf.int64, [])
        drawn = varied(given, (plan.seed, place), plan.augmentation, variant)
        pictures = tf.cond(variant > 0, lambda: drawn, lambda: given)
        values = tf.cast(plan.cut.attach_frozen(pictures), tf.float16)
    config = session_config(plan.records.manifest['precision'])
    with (
        tf.Session(graph=graph, config=config) as session,
        progress(total, 'activations', 'pictures', done=done) as bar,
    ):
        compute = session.make_callable(values, [given, variant, place])
        for split, name in missing:
            drawn_in = names.index(name) << 32  # shards draw from places of their own
            with files.atomic_path(plan.folder / name) as part:
                write_shard(part, _examples(plan, split, name, reader, partial(_at, compute, drawn_in), bar))
    reader.close()


def _at(compute, first: int, batch: np.ndarray, variant: int, begin: int) -> np.ndarray:
    rows = compute(batch, variant, first + begin * 1000 + variant)
    if not np.isfinite(rows).all():
        raise UserError('activations at the cut exceed the range of float16: use --no-cache')
    return rows


def _examples(plan: Plan, split: str, name: str, reader: ImageReader, compute, bar) -> Iterator[bytes]:
    """The serialized records of a shard: the variants of each photo follow each other."""
    classes, begin = len(plan.records.classes), 0
    for ids, labels, batch in ahead(
        partial(_decoded, plan.records, reader), _stored(plan, split, name), 2, 1
    ):
        rows = [compute(batch, variant, begin) for variant in range(plan.variants_of(split))]
        for place, (id_, label) in enumerate(zip(ids, labels, strict=True)):
            for row in rows:
                yield _example(id_, label, row[place], classes)
        bar.update(len(ids) * len(rows))
        begin += len(ids)


def _stored(plan: Plan, split: str, name: str) -> Iterator[tuple[list[str], np.ndarray, dict]]:
    of_shard = replace(plan.records, manifest=plan.records.manifest | {'shards': [name]})
    yield from dataset.labelled(of_shard, [split], {consts.IMAGE_RAW_FIELD: encoded_image()}, AT_ONCE)


def _decoded(records: Records, reader: ImageReader, stored) -> tuple[list[str], np.ndarray, np.ndarray]:
    ids, labels, fields = stored
    field = pixels(reader, np.float32)
    return ids, labels, dataset.decoded(fields[consts.IMAGE_RAW_FIELD], field, records)


def _example(id_: str, label: int, row: np.ndarray, classes: int) -> bytes:
    feature = {
        consts.ID_FIELD: bytes_feature(id_.encode('utf-8', 'surrogateescape')),
        FIELD: bytes_feature(row.tobytes()),
        consts.LABEL_ONE_HOT_FIELD: float_feature(np.eye(classes, dtype=np.float32)[label]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)
