"""The photos of a data set, with what is measured of each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.common import consts
from src.common.ahead import ahead
from src.common.progress import progress
from src.curation.findings import Finding
from src.curation.measures import MEASURES, THUMBNAIL, measured
from src.images.copies import COPIES
from src.images.faults import BadImage, or_fault
from src.records import dataset
from src.records.dataset import Records
from src.records.fields import encoded_image

CHUNK = 64  # encoded pictures in memory


@dataclass(frozen=True)
class Photos:
    """N photos in the order of the records; augmented copies are left out.

    ids, splits: [N]. labels: [N] int32, -1 when unknown. classes: the names.
    measures: [N, 8] float32, as in `measures.MEASURES`; NaN for a picture that cannot be decoded.
    thumbnails: [N, side, side] uint8, gray.
    unreadable: why a picture cannot be decoded, by id.
    """

    ids: list[str]
    splits: list[str]
    labels: np.ndarray
    classes: list[str]
    measures: np.ndarray
    thumbnails: np.ndarray
    unreadable: dict[str, str]

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, row: int) -> str:
        """The name of the class of a photo, '' when it is unknown."""
        return self.classes[self.labels[row]] if self.labels[row] >= 0 else ''

    def finding(self, row: int, reason: str, score: float, detail: str, **more: str) -> Finding:
        """A finding about the photo of this row."""
        return Finding(self.ids[row], self.splits[row], self.label(row), reason, score, detail, **more)


def read_photos(records: Records) -> Photos:
    """Decode and measure all photos of a data set, in threads.

    Memory: 4 kB for each photo, and CHUNK encoded pictures. Raises UserError for a damaged shard.
    """
    ids, splits, labels, measures, thumbnails = [], [], [], [], []
    unreadable: dict[str, str] = {}
    nothing = np.full(len(MEASURES), np.nan, np.float32), np.zeros((THUMBNAIL, THUMBNAIL), np.uint8)
    with progress(sum(records.counts.values()), 'measuring', 'pictures') as bar:
        rows = ahead(_with_measures, _encoded(records), CHUNK, os.cpu_count() or 1)
        for id_, split, label, result in rows:
            bar.update()
            if is_copy(id_, records):
                continue
            if isinstance(result, BadImage):
                unreadable[id_] = str(result)
                result = nothing
            ids.append(id_)
            splits.append(split)
            labels.append(label)
            measures.append(result[0])
            thumbnails.append(result[1])
    return Photos(
        ids,
        splits,
        np.array(labels, np.int32),
        records.classes,
        np.stack(measures) if ids else np.empty((0, len(MEASURES)), np.float32),
        np.stack(thumbnails) if ids else np.empty((0, THUMBNAIL, THUMBNAIL), np.uint8),
        unreadable,
    )


def is_copy(id_: str, records: Records) -> bool:
    """Whether a record is an augmented copy, which the conversion made."""
    kinds = set(records.manifest.get('copies', ())) & COPIES.keys()
    return bool(kinds) and id_.rpartition('~')[2] in kinds


def encoded_pictures(records: Records, ids: Iterable[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """(id, encoded picture) of all photos, or only of those with the given ids, in any order."""
    wanted = None if ids is None else set(ids)
    for split in records.counts:
        if wanted or wanted is None:
            for id_, data in dataset.pictures(records, split, wanted):
                yield id_, data
                if wanted is not None:
                    wanted.discard(id_)


def _encoded(records: Records) -> Iterator[tuple[str, str, int, bytes]]:
    image = {consts.IMAGE_RAW_FIELD: encoded_image()}
    for split in records.counts:
        for ids, labels, fields in dataset.labelled(records, [split], image, CHUNK):
            pictures = fields[consts.IMAGE_RAW_FIELD]
            yield from zip(ids, [split] * len(ids), labels, pictures, strict=True)


def _with_measures(item: tuple[str, str, int, bytes]) -> tuple:
    *facts, data = item
    return (*facts, or_fault(partial(measured, data)))
