"""The photos that int8 backbones are calibrated on: training photos that their hashes choose, so that every
conversion of a data set chooses the same, on one machine or on many, from the files or from the records."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from src.common import consts
from src.data_preparation.conversion.bottlenecks import training_image
from src.data_preparation.samples import Planned
from src.graph.backbones import Backbone
from src.images.faults import BadImage
from src.images.reader import ImageReader
from src.records import dataset
from src.records.dataset import Records
from src.records.example import id_and_image, read_shard
from src.records.fields import encoded_image

PHOTOS = 100
CANDIDATES = 2 * PHOTOS  # some photos cannot be decoded
TRAINING = consts.SPLITS[0]


def is_candidate(item: Planned) -> bool:
    """Whether a photo may be calibrated on: an original one of the training split."""
    return item.split == TRAINING and not item.sample.copy


def order(item: Planned) -> tuple[str, str]:
    """The order of the candidates: that of the hashes, by the digits that choose the shard too, so that those
    that come first are in the first shards."""
    return _digits(item.digest), item.sample.id


def chosen(planned: Iterable[Planned]) -> list[Planned]:
    """The first CANDIDATES of the planned photos."""
    return heapq.nsmallest(CANDIDATES, filter(is_candidate, planned), key=order)


def encoded(items: Iterable[Planned], crop_to_box: bool) -> Iterator[bytes]:
    """The pictures of some photos, as the records hold them, without those that cannot be read."""
    for item in items:
        try:
            yield training_image(item, crop_to_box)
        except (BadImage, OSError):
            continue


def recorded(records: Records) -> Iterator[bytes]:
    """The photos that a conversion is calibrated on, from the records themselves; reads as many shards as
    hold them, twice. Of cropped photos the hash is not known: that of the crop takes its place.

    Raises UserError for a damaged shard.
    """
    copies = tuple(f'~{kind}' for kind in records.manifest['copies'])
    found: list[tuple[str, str]] = []
    shards: list[Path] = []
    for shard in records.shards(TRAINING):
        shards.append(shard)
        for id_, image in _read(records, shard):
            if not (copies and id_.endswith(copies)):
                found.append((_digits(hashlib.sha256(image).hexdigest()), id_))
        if len(found) >= PHOTOS:
            break
    wanted = {id_ for _, id_ in sorted(found)[:PHOTOS]}
    for shard in shards:  # the ranges that are measured do not depend on the order
        yield from (image for id_, image in _read(records, shard) if id_ in wanted)


def pixels_of(backbone: Backbone, pictures: Iterable[bytes]) -> list[np.ndarray]:
    """The pixels [height, width, 3] float32 of the first PHOTOS pictures that can be decoded."""
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    try:
        return list(islice(_decoded(reader, pictures), PHOTOS))
    finally:
        reader.close()


def _decoded(reader: ImageReader, pictures: Iterable[bytes]) -> Iterator[np.ndarray]:
    for data in pictures:
        try:
            yield reader.read(data)
        except BadImage:
            continue


def _read(records: Records, shard: Path) -> Iterator[tuple[str, bytes]]:
    try:
        yield from map(id_and_image, read_shard(shard))
    except dataset.damages() as error:
        raise dataset.damage(records, [shard], {consts.ID_FIELD: encoded_image()}) from error


def _digits(digest: str) -> str:
    return digest[12:24]
