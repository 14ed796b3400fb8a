"""`manifest.json` beside the shards: what the records are and where they came from."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.paths import MANIFEST
from src.data_preparation.conversion.shards import ALL_SPLITS, Shard, note_of
from src.data_preparation.samples import Planned, Sample, shown
from src.graph.backbones import Backbone
from src.records.manifest import Remark

FORMAT = 2  # 1 filled the shards in the order of all hashes


@dataclass(frozen=True)
class Job:
    """What is converted and how. `copies` names the augmented copies of each training photo;
    `precision` is what the backbone computes in, 'float32' or 'bfloat16'; a shard holds about
    `shard_size` records; `converter` is the name of the module that converts, and
    `class_folders` its flag, if given."""

    name: str
    source: Path
    samples: Sequence[Sample]
    remarks: Sequence[Remark] = ()
    split_by: str = 'hash'
    crop_to_box: bool = False
    copies: Sequence[str] = ()
    precision: str = 'float32'
    shard_size: int = field(default_factory=lambda: consts.SHARD_SIZE)
    converter: str = ''
    class_folders: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What finished shards hold, which adds up: shards, records in each split, the labels that are
    learned, and remarks."""

    shards: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    learned: set[str] = field(default_factory=set)
    remarks: list[dict] = field(default_factory=list)


def outcome_of(shard: str, note: dict) -> Outcome:
    """What a shard's note tells."""
    split = shard.partition('-')[0]
    learned = set(note['labels']) if split == 'train' else set()
    return Outcome([shard], Counter({split: note['records']}), learned, note['remarks'])


def added(outcomes: Iterable[Outcome]) -> Outcome:
    total = Outcome()
    for outcome in outcomes:
        total.shards.extend(outcome.shards)
        total.counts.update(outcome.counts)
        total.learned.update(outcome.learned)
        total.remarks.extend(outcome.remarks)
    return total


def describe(job: Job, backbone: Backbone | None, classes: Sequence[str], planned: Iterable[Planned]) -> dict:
    """All that the records depend on, with a fingerprint by which a later run knows its own job."""
    return described(job, backbone and backbone.facts(), classes, sum(map(number_of, planned)))


def described(job: Job, backbone: dict | None, classes: Sequence[str], numbers: int) -> dict:
    """`describe` from a backbone's facts, if there is one, and the sum of the photos' numbers."""
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
    elsewhere = {
        'source': None,
        'name': None,
        'backbone': backbone and {k: v for k, v in backbone.items() if k not in ('file', 'path')},
    }  # may lie anywhere
    told = json.dumps([manifest | elsewhere, numbers % 2**256], sort_keys=True)
    fingerprint = hashlib.sha256(told.encode()).hexdigest()
    by = {'converter': job.converter} | ({'class_folders': job.class_folders} if job.class_folders else {})
    return manifest | by | {'fingerprint': fingerprint, 'complete': False}


def number_of(item: Planned) -> int:
    """A number for all that a record depends on. Their sum stands for all photos in any order, so many
    machines can add it up."""
    sample = item.sample
    told = json.dumps([sample.id, sample.label, item.split, item.digest, sample.box, sample.copy])
    return int.from_bytes(hashlib.sha256(told.encode()).digest(), 'big')


def claim(folder: Path, manifest: dict, overwrite: bool) -> None:
    """Make the folder this job's own. Raises UserError when it holds another job's, unless `overwrite`."""
    path = folder / MANIFEST
    if path.exists() and not overwrite:
        refuse_another(files.read_json(path), manifest, folder)
        for rest in folder.rglob('.*.tmp'):  # of a run that was killed
            rest.unlink(missing_ok=True)
        return
    if folder.exists():
        shutil.rmtree(folder)
    files.write_json(path, manifest)


def refuse_another(earlier: dict, manifest: dict, folder: Path) -> None:
    """Raise UserError when the manifest that stands in `folder` is that of another job."""
    if earlier.get('fingerprint') != manifest['fingerprint']:
        raise UserError(
            f'{shown(folder)} holds records of {_difference(earlier, manifest)}: '
            'add --overwrite to replace them, or give this data set another --name'
        )


def _difference(earlier: dict, now: dict) -> str:
    before = earlier.get('backbone') or {}
    if before.get('sha256') != (now['backbone'] or {}).get('sha256'):
        return f'another backbone ({before.get("file", "none")})'
    if earlier.get('classes') != now['classes']:
        return 'other classes'
    differing = [
        key
        for key in ('format', 'precision', 'split_by', 'crop_to_box', 'copies')
        if earlier.get(key) != now[key]
    ]
    return f'another {differing[0]}' if differing else 'other photos or options'


def complete(folder: Path, manifest: dict, shards: Sequence[Shard], remarks: Sequence[Remark]) -> None:
    """Complete the manifest from what the shards hold, and list every remark."""
    outcomes = (outcome_of(shard.name, files.read_json(note_of(folder, shard.name))) for shard in shards)
    told = Outcome(remarks=[asdict(remark) for remark in remarks])
    manifest = completed(manifest, added([told, *outcomes]))
    files.write_json(folder / MANIFEST, manifest)
    list_skipped(manifest['name'], manifest['remarks'])


def completed(manifest: dict, outcome: Outcome) -> dict:
    """The manifest with what all shards hold, in an order that does not depend on theirs."""
    return manifest | {
        'counts': {split: outcome.counts[split] for split in ALL_SPLITS if outcome.counts[split]},
        'untrained': [name for name in manifest['classes'] if name not in outcome.learned],
        'shards': sorted(outcome.shards, key=_by_split_and_place),
        'remarks': sorted(outcome.remarks, key=lambda remark: (remark['file'], remark['reason'])),
        'complete': True,
    }


def _by_split_and_place(shard: str) -> tuple[int, int, str]:
    return ALL_SPLITS.index(shard.partition('-')[0]), len(shard), shard


def list_skipped(name: str, remarks: Sequence[dict]) -> None:
    """Write the list of a data set's remarks, metrics/<name>_skipped.csv."""
    with files.atomic(paths.skipped(name)) as stream:
        writer = csv.DictWriter(stream, ['file', 'outcome', 'reason'])
        writer.writeheader()
        writer.writerows(remarks)
