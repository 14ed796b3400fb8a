"""Shards: which records belong to which TFRecord file, and writing the files that are missing.

A shard is written under a temporary name and renamed when it is complete, so a conversion that was stopped
or killed goes on with the first missing shard.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common import files
from src.common.files import count
from src.common.progress import progress, say
from src.data_preparation.conversion.bottlenecks import BOTH, PLAIN, Extractor, checked, extract
from src.data_preparation.conversion.job import Job
from src.data_preparation.samples import Planned, skipped
from src.graph.backbones import Backbone
from src.images.faults import BadImage
from src.records.example import build_example, shard_name, write_shard
from src.records.manifest import ALL_SPLITS, Remark


@dataclass(frozen=True)
class Shard:
    """A file's name, its split, and the photos whose records it holds."""

    name: str
    split: str
    items: Sequence[Planned]


def shard_count(photos: int, size: int) -> int:
    """The number of shards for the photos of a split, with about `size` records in each.

    The exact number in a shard is left to the hashes of the photos (`shard_index`), so that no machine needs
    a list of all photos.
    """
    return -(-photos // size)


def shard_index(digest: str, shards: int) -> int:
    """The index (from 0) of a photo's shard among the `shards` of its split, from digits of its hash that
    do not decide its split."""
    return int(digest[12:24], 16) * shards >> 48


def shard_of(split: str, index: int, shards: int, items: Iterable[Planned]) -> Shard:
    """A shard with its photos in the order of their hashes, which mixes the classes. Copies of a photo
    follow it, sorted by id."""
    ordered = sorted(items, key=lambda item: (item.digest, item.sample.id))
    return Shard(shard_name(split, index, shards), split, ordered)


def into_shards(planned: Iterable[Planned], size: int) -> list[Shard]:
    """All photos in shards of about `size` records and one split each; the result does not depend on the
    order of `planned`. Shards that no photo falls into, which happens to very small ones, are left out."""
    by_split: dict[str, list[Planned]] = {split: [] for split in ALL_SPLITS}
    for item in planned:
        by_split[item.split].append(item)
    shards = []
    for split, items in by_split.items():
        total = shard_count(len(items), size)
        parts: dict[int, list[Planned]] = defaultdict(list)
        for item in items:
            parts[shard_index(item.digest, total)].append(item)
        shards.extend(shard_of(split, index, total, parts[index]) for index in sorted(parts))
    return shards


def write_missing(
    folder: Path,
    shards: Sequence[Shard],
    job: Job,
    backbone: Backbone | None,
    classes: Sequence[str],
    models: Sequence[Path] = (),
) -> None:
    """Write the shards that are not in `folder` yet, and a note on each. Without a backbone they hold
    pictures only. `models` are the int8 models of the backbone."""
    missing = [shard for shard in shards if not (folder / shard.name).exists()]
    if not missing:
        return
    total = sum(len(shard.items) for shard in shards)
    done = total - sum(len(shard.items) for shard in missing)
    if done:
        say(f'going on after {count(done, "photo")} of {total:,}')
    label = f'{backbone.name} bottlenecks' if backbone else 'pictures'
    with (
        Extractor(backbone, job.precision, BOTH if job.mirrored else PLAIN, models=models)
        if backbone
        else contextlib.nullcontext() as extractor,
        progress(total, label, 'photos', done=done) as bar,
    ):
        for shard in missing:
            with files.atomic_path(folder / shard.name) as part:
                note = write_records(part, shard, extractor, classes, job.crop_to_box, bar.update)
                # Before the shard gets its name: every finished shard has its note.
                files.write_json(folder / note_name(shard.name), note)


def write_records(
    path: Path,
    shard: Shard,
    extractor: Extractor | None,
    classes: Sequence[str],
    crop_to_box: bool,
    photo_done: Callable[[], object],
) -> dict:
    """Write a shard's records to `path`, calling `photo_done` after each photo.

    Returns the note on the shard: the number of records, their labels, and a remark on each photo that could
    not be decoded.
    """
    remarks: list[Remark] = []
    labels: set[str] = set()
    loaded = extract(shard.items, extractor, crop_to_box) if extractor else checked(shard.items, crop_to_box)

    def examples() -> Iterator[bytes]:
        for item, data, vector in loaded:
            photo_done()
            if isinstance(vector, BadImage):
                remarks.append(skipped(item.sample, str(vector)))
                continue
            if item.sample.label is not None:
                labels.add(item.sample.label)
            columns = extractor and extractor.by_field(vector)
            yield build_example(item.sample.id, data, columns, item.sample.label, classes)

    records = write_shard(path, examples())
    return {'records': records, 'labels': sorted(labels), 'remarks': [asdict(remark) for remark in remarks]}


def note_name(shard: str) -> str:
    """The path of the note on a shard, relative to the records folder."""
    return f'notes/{shard}.json'
