"""Which records stand in which file, and writing those files that are missing.

A shard is written under another name and renamed when it is whole, so a conversion that was stopped
or killed goes on with the first shard that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common import consts, files
from src.common.files import count
from src.common.progress import progress, say
from src.data_preparation.bottlenecks import Extractor, extract
from src.data_preparation.samples import Planned, Remark, skipped
from src.data_preparation.tf_record_utils import build_example, shard_name, write_shard
from src.graph.backbones import Backbone
from src.images.decode import BadImage


@dataclass(frozen=True)
class Shard:
    """A file's name, its split, and the photos that belong into it."""

    name: str
    split: str
    items: Sequence[Planned]


def cut(planned: Sequence[Planned]) -> list[Shard]:
    """Shards of one split each. Planned items come in the order of their hashes, so classes are mixed
    and every machine cuts the same shards."""
    shards = []
    for split in (*consts.SPLITS, consts.UNLABELLED):
        items = [item for item in planned if item.split == split]
        total = -(-len(items) // consts.SHARD_SIZE)
        for index in range(total):
            part = items[index * consts.SHARD_SIZE : (index + 1) * consts.SHARD_SIZE]
            shards.append(Shard(shard_name(split, index, total), split, part))
    return shards


def write_missing(
    folder: Path, shards: Sequence[Shard], backbone: Backbone, classes: Sequence[str], crop_to_box: bool
) -> None:
    """Write the shards that do not stand in `folder` yet, each with a note on what it holds."""
    missing = [shard for shard in shards if not (folder / shard.name).exists()]
    if not missing:
        return
    total = sum(len(shard.items) for shard in shards)
    done = total - sum(len(shard.items) for shard in missing)
    if done:
        say(f'going on after {count(done, "photo")} of {total:,}')
    with (
        Extractor(backbone) as extractor,
        progress(total, f'{backbone.path.stem} bottlenecks', 'photos', done=done) as bar,
    ):
        for shard in missing:
            remarks: list[Remark] = []
            with files.atomic_path(folder / shard.name) as part:
                made = _examples(shard, extractor, classes, crop_to_box, remarks, bar)
                records = write_shard(part, made)
                # Written before the shard gets its name: a shard that stands has its note.
                note = {'records': records, 'remarks': [asdict(remark) for remark in remarks]}
                files.write_json(note_of(folder, shard.name), note)


def note_of(folder: Path, shard: str) -> Path:
    """The number of records in a shard, and what of its photos could not be read."""
    return folder / 'notes' / f'{shard}.json'


def _examples(
    shard: Shard, extractor: Extractor, classes: Sequence[str], crop_to_box: bool, remarks: list[Remark], bar
) -> Iterator[bytes]:
    """The records of a shard; a photo that cannot be decoded becomes a remark instead."""
    for item, data, vector in extract(shard.items, extractor, crop_to_box):
        bar.update()
        if isinstance(vector, BadImage):
            remarks.append(skipped(item.sample, str(vector)))
        else:
            yield build_example(item.sample.id, data, vector, item.sample.label, classes)
