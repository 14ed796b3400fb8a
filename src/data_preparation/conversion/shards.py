"""Which records stand in which file, and writing those files that are missing.

A shard is written under another name and renamed when it is whole, so a conversion that was stopped
or killed goes on with the first shard that is missing.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common import consts, files
from src.common.files import count
from src.common.progress import progress, say
from src.data_preparation.conversion.bottlenecks import Extractor, checked, extract
from src.data_preparation.samples import Planned, skipped
from src.graph.backbones import Backbone
from src.images.faults import BadImage
from src.records.example import build_example, shard_name, write_shard
from src.records.manifest import Remark

ALL_SPLITS = (*consts.SPLITS, consts.UNLABELLED)


@dataclass(frozen=True)
class Shard:
    """A file's name, its split, and the photos that belong into it."""

    name: str
    split: str
    items: Sequence[Planned]


def shards_for(photos: int, size: int) -> int:
    """The number of shards of a split with so many photos, for about `size` in each: where a photo stands
    is left to its hash, so that it takes no order of all photos to know it."""
    return -(-photos // size)


def place_of(digest: str, shards: int) -> int:
    """Which of its split's `shards` a photo stands in, by digits of its hash that its split does not
    depend on."""
    return int(digest[12:24], 16) * shards >> 48


def shard_of(split: str, place: int, shards: int, items: Iterable[Planned]) -> Shard:
    """A shard with its photos in the order of their hashes, which mixes the classes; copies of one photo
    follow one another by their ids."""
    ordered = sorted(items, key=lambda item: (item.digest, item.sample.id))
    return Shard(shard_name(split, place, shards), split, ordered)


def cut(planned: Iterable[Planned]) -> list[Shard]:
    """Shards of one split each, the same in whatever order the items come. A shard that no photo falls
    into is left out, which happens only to very small ones."""
    by_split: dict[str, list[Planned]] = {split: [] for split in ALL_SPLITS}
    for item in planned:
        by_split[item.split].append(item)
    cut_up = []
    for split, items in by_split.items():
        total = shards_for(len(items), consts.SHARD_SIZE)
        parts: dict[int, list[Planned]] = defaultdict(list)
        for item in items:
            parts[place_of(item.digest, total)].append(item)
        cut_up.extend(shard_of(split, place, total, parts[place]) for place in sorted(parts))
    return cut_up


def write_missing(
    folder: Path,
    shards: Sequence[Shard],
    backbone: Backbone | None,
    classes: Sequence[str],
    crop_to_box: bool,
    precision: str = 'float32',
) -> None:
    """Write the shards that do not stand in `folder` yet, each with a note on what it holds. Without a
    backbone they hold pictures only."""
    missing = [shard for shard in shards if not (folder / shard.name).exists()]
    if not missing:
        return
    total = sum(len(shard.items) for shard in shards)
    done = total - sum(len(shard.items) for shard in missing)
    if done:
        say(f'going on after {count(done, "photo")} of {total:,}')
    with (
        Extractor(backbone, precision) if backbone else contextlib.nullcontext() as extractor,
        progress(
            total, f'{backbone.path.stem} bottlenecks' if backbone else 'pictures', 'photos', done=done
        ) as bar,
    ):
        for shard in missing:
            with files.atomic_path(folder / shard.name) as part:
                note = write_records(part, shard, extractor, classes, crop_to_box, bar.update)
                # Written before the shard gets its name: a shard that stands has its note.
                files.write_json(note_of(folder, shard.name), note)


def write_records(
    path: Path,
    shard: Shard,
    extractor: Extractor | None,
    classes: Sequence[str],
    crop_to_box: bool,
    photo_done: Callable[[], object],
) -> dict:
    """Write a shard's records to `path`. Returns the note on it: the number of records, the labels they
    bear, and a remark on each photo that could not be decoded."""
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
            yield build_example(item.sample.id, data, vector, item.sample.label, classes)

    records = write_shard(path, examples())
    return {'records': records, 'labels': sorted(labels), 'remarks': [asdict(remark) for remark in remarks]}


def note_of(folder: Path, shard: str) -> Path:
    """Where the note on a shard stands."""
    return folder / note_name(shard)


def note_name(shard: str) -> str:
    """The note on a shard, as seen from the records folder."""
    return f'notes/{shard}.json'
