"""A conversion: its settings, the manifest that it writes, and the folder that it claims."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.paths import MANIFEST
from src.data_preparation.conversion.reviewed import Review
from src.data_preparation.per_class import Draw
from src.data_preparation.samples import Planned, Sample, shown
from src.graph.joined.facts import chained, members, without_places
from src.records.manifest import ALL_SPLITS, FORMAT, REMEDY, BegunManifest, Remark, remarks_of


@dataclass(frozen=True)
class Job:
    """What is converted, and how.

    source: the folder or archive of the data set
    samples: empty for Beam, which lists them in its pipeline
    remarks: on files that the data set's reader set aside
    split_by: what decides the splits: 'hash', 'official', 'test list', 'test batch' or 'draw'
    draw: how many photos of each class to draw for each split, if `split_by` is 'draw'
    copies: kinds of augmented copies to add for each training photo
    precision: what the backbone computes in, 'float32', 'bfloat16' or 'int8'
    mirrored: whether the bottlenecks of the mirrored pictures are computed too
    shard_size: about how many records a shard holds
    converter: module name of the converter
    class_folders: its --class-folders, if given
    review: decisions on the photos
    """

    name: str
    source: Path
    samples: Sequence[Sample] = ()
    remarks: Sequence[Remark] = ()
    split_by: str = 'hash'
    crop_to_box: bool = False
    copies: Sequence[str] = ()
    precision: str = 'float32'
    mirrored: bool = False
    shard_size: int = field(default_factory=lambda: consts.SHARD_SIZE)
    converter: str = ''
    class_folders: str | None = None
    draw: Draw | None = None
    review: Review | None = None


@dataclass(frozen=True)
class Totals:
    """What finished shards hold: their names, records in each split, the labels of training records, and
    remarks; and how many photos a review dropped, relabeled and kept."""

    shards: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trained: set[str] = field(default_factory=set)
    remarks: list[dict] = field(default_factory=list)
    reviewed: Counter[str] = field(default_factory=Counter)


def totals_of(shard: str, note: dict) -> Totals:
    """The totals of one shard, from its note (`shards.write_records`)."""
    split = shard.partition('-')[0]
    trained = set(note['labels']) if split == 'train' else set()
    return Totals([shard], Counter({split: note['records']}), trained, remarks_of(note))


def add_up(parts: Iterable[Totals]) -> Totals:
    """The sum of totals, in whatever order they come."""
    total = Totals()
    for part in parts:
        total.shards.extend(part.shards)
        total.counts.update(part.counts)
        total.trained.update(part.trained)
        total.remarks.extend(part.remarks)
        total.reviewed.update(part.reviewed)
    return total


def new_manifest(job: Job, backbone: dict | None, classes: Sequence[str], total_hash: int) -> dict:
    """The manifest of a conversion that begins.

    backbone: its facts, None for records without bottlenecks
    total_hash: the sum of `record_hash` over all planned photos
    """
    manifest = {
        'format': FORMAT,
        'name': job.name,
        'source': paths.from_root(job.source) if isinstance(job.source, Path) else str(job.source),
        'classes': list(classes),
        'backbone': backbone,
        'precision': job.precision if backbone else None,
        'split_by': job.split_by,
        'crop_to_box': job.crop_to_box,
        'copies': list(job.copies),
        'shard_size': job.shard_size,
    }
    # The fingerprint leaves out names and places: the same files may be moved. That of several backbones
    # follows from that of the first alone, as the others may be added to records that stand.
    first = next(iter(members(backbone)), None)
    identity = [
        manifest | {'source': None, 'name': None, 'backbone': first and without_places(first)},
        total_hash % 2**256,
    ]
    converter = {'converter': job.converter}
    if job.class_folders:
        converter['class_folders'] = job.class_folders
    if job.draw:
        converter['draw'] = job.draw.facts()
    if job.review:
        converter['review'] = job.review.facts(Counter())
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    made = manifest | converter | {'backbone': first, 'fingerprint': fingerprint, 'complete': False}
    return with_bottlenecks_of(made, backbone, job.mirrored)


def with_bottlenecks_of(manifest: dict, backbone: dict | None, mirrored: bool) -> dict:
    """The manifest of records with more bottlenecks: those of all in the facts `backbone`, which begin with
    the manifest's own; and, or not, of the mirrored pictures."""
    held = members(manifest['backbone'])
    chain = chained(manifest['fingerprint'], members(backbone)[len(held) :])
    earlier = [*manifest.get('earlier', ()), *chain[:-1]]
    made = {}
    for key, value in manifest.items():
        if key not in ('mirrored', 'earlier'):
            made[key] = value
        if key == 'shard_size' and mirrored and backbone:
            made['mirrored'] = True
        if key == 'fingerprint' and earlier:
            made['earlier'] = earlier
    return made | {'backbone': backbone, 'fingerprint': chain[-1]}


def record_hash(item: Planned) -> int:
    """A 256-bit hash of everything that a record depends on. The sum over all photos does not depend on their
    order, so that many machines can add it up."""
    sample = item.sample
    text = json.dumps([sample.id, sample.label, item.split, item.digest, sample.box, sample.copy])
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), 'big')


def complete(manifest: dict, totals: Totals) -> dict:
    """The manifest with what all shards hold, in an order that does not depend on theirs."""
    review = {'review': manifest['review'] | totals.reviewed} if manifest.get('review') else {}
    return (
        manifest
        | review
        | {
            'counts': {split: totals.counts[split] for split in ALL_SPLITS if totals.counts[split]},
            'untrained': [name for name in manifest['classes'] if name not in totals.trained],
            'shards': sorted(totals.shards, key=_by_split_and_number),
            'remarks': sorted(totals.remarks, key=lambda remark: (remark['file'], remark['reason'])),
            'complete': True,
        }
    )


def _by_split_and_number(shard: str) -> tuple[int, int, str]:
    return ALL_SPLITS.index(shard.partition('-')[0]), len(shard), shard


def claim(folder: Path, manifest: dict, overwrite: bool) -> None:
    """Prepare the folder for this conversion: keep the shards of an earlier run of the same one.

    Raises UserError when the folder holds the records of another conversion, unless `overwrite`.
    """
    path = folder / MANIFEST
    if path.exists() and not overwrite:
        require_same(files.read_json(path, BegunManifest, REMEDY), manifest, folder)
        for leftover in folder.rglob('.*.tmp'):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        return
    if folder.exists():
        shutil.rmtree(folder)
    files.write_json(path, manifest)


def require_same(earlier: dict, manifest: dict, folder: Path) -> None:
    """Raise UserError when the manifest found in `folder` belongs to another conversion."""
    if earlier.get('fingerprint') == manifest['fingerprint']:
        return
    if manifest['fingerprint'] in earlier.get('earlier', ()):
        raise UserError(
            f'{shown(folder)} holds these records with more backbones ({earlier["backbone"]["file"]}): name '
            'all of them, or add --overwrite to replace the records'
        )
    if earlier.get('fingerprint') in manifest.get('earlier', ()):
        further = members(manifest['backbone'])[len(members(earlier['backbone'])) :]
        raise UserError(
            f'{shown(folder)} holds these records with fewer backbones ({earlier["backbone"]["file"]}): '
            f'--add-backbone {" ".join(one["file"] for one in further)} adds the others'
        )
    raise UserError(
        f'{shown(folder)} holds records of {_difference(earlier, manifest)}: '
        'add --overwrite to replace them, or give this data set another --name'
    )


def _difference(earlier: dict, manifest: dict) -> str:
    backbone = earlier.get('backbone') or {}
    if backbone.get('sha256') != (manifest['backbone'] or {}).get('sha256'):
        return f'another backbone ({backbone.get("file", "none")})'
    if earlier.get('classes') != manifest['classes']:
        return 'other classes'
    for key in ('format', 'precision', 'split_by', 'crop_to_box', 'copies'):
        if earlier.get(key) != manifest[key]:
            return f'another {key}' + (f' ({earlier["precision"]})' if key == 'precision' else '')
    if (earlier.get('review') or {}).get('sha256') != (manifest.get('review') or {}).get('sha256'):
        return 'another review of the photos'
    return 'other photos or options'


def write_skipped(manifest: dict) -> None:
    """Write the remarks of a complete manifest to metrics/<name>_skipped.csv."""
    with files.atomic(paths.skipped(manifest['name'])) as stream:
        writer = csv.DictWriter(stream, ['file', 'outcome', 'reason'])
        writer.writeheader()
        writer.writerows(manifest['remarks'])
