"""`manifest.json` beside the shards: what the records are and where they came from."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common import consts, files, paths
from src.common.errors import UserError
from src.data_preparation.samples import Planned, Remark, Sample
from src.data_preparation.shards import Shard, note_of
from src.graph.backbones import Backbone

MANIFEST = 'manifest.json'
FORMAT = 1


@dataclass(frozen=True)
class Job:
    """What is converted and how. `copies` names the augmented copies of each training photo."""

    name: str
    source: Path
    samples: Sequence[Sample]
    remarks: Sequence[Remark] = ()
    split_by: str = 'hash'
    crop_to_box: bool = False
    copies: Sequence[str] = ()


def describe(job: Job, backbone: Backbone, classes: Sequence[str], planned: Sequence[Planned]) -> dict:
    """All that the records depend on, with a fingerprint by which a later run knows its own job."""
    manifest = {
        'format': FORMAT,
        'name': job.name,
        'source': paths.shown(job.source),
        'classes': list(classes),
        'backbone': backbone.facts(),
        'precision': 'float32',
        'split_by': job.split_by,
        'crop_to_box': job.crop_to_box,
        'copies': list(job.copies),
        'shard_size': consts.SHARD_SIZE,
    }
    items = [(p.sample.id, p.sample.label, p.split, p.digest, p.sample.box, p.sample.copy) for p in planned]
    elsewhere = {
        'source': None,
        'name': None,
        'backbone': {k: v for k, v in manifest['backbone'].items() if k not in ('file', 'path')},
    }  # may lie anywhere
    told = json.dumps([manifest | elsewhere, items], sort_keys=True)
    return manifest | {'fingerprint': hashlib.sha256(told.encode()).hexdigest(), 'complete': False}


def claim(folder: Path, manifest: dict, overwrite: bool) -> None:
    """Make the folder this job's own. Raises UserError when it holds another job's, unless `overwrite`."""
    path = folder / MANIFEST
    if path.exists() and not overwrite:
        earlier = files.read_json(path)
        if earlier.get('fingerprint') != manifest['fingerprint']:
            raise UserError(
                f'{paths.shown(folder)} holds records of {_difference(earlier, manifest)}: '
                'add --overwrite to replace them, or give this data set another --name'
            )
        for rest in folder.glob('.*.tmp'):  # of a run that was killed
            rest.unlink()
        return
    if folder.exists():
        shutil.rmtree(folder)
    files.write_json(path, manifest)


def _difference(earlier: dict, now: dict) -> str:
    if (earlier.get('backbone') or {}).get('sha256') != now['backbone']['sha256']:
        return f'another backbone ({(earlier.get("backbone") or {}).get("file", "unknown")})'
    if earlier.get('classes') != now['classes']:
        return 'other classes'
    differing = [key for key in ('split_by', 'crop_to_box', 'copies') if earlier.get(key) != now[key]]
    return f'another {differing[0]}' if differing else 'other photos or options'


def complete(
    folder: Path, manifest: dict, shards: Sequence[Shard], remarks: Sequence[Remark], classes: Sequence[str]
) -> None:
    """Complete the manifest from what the shards hold, and list every remark in skipped.csv."""
    counts: Counter[str] = Counter()
    told = [asdict(remark) for remark in remarks]
    learned: Counter[str] = Counter()
    for shard in shards:
        note = files.read_json(note_of(folder, shard.name))
        counts[shard.split] += note['records']
        told.extend(note['remarks'])
        bad = {remark['file'] for remark in note['remarks']}
        if shard.split == 'train':
            learned.update(p.sample.label for p in shard.items if paths.shown(p.sample.path) not in bad)
    manifest = manifest | {
        'counts': {split: counts[split] for split in (*consts.SPLITS, consts.UNLABELLED) if counts[split]},
        'untrained': [name for name in classes if not learned[name]],
        'shards': [shard.name for shard in shards],
        'remarks': told,
        'complete': True,
    }
    files.write_json(folder / MANIFEST, manifest)
    _write_skipped(told)


def _write_skipped(remarks: Sequence[dict]) -> None:
    with files.atomic(paths.METRICS_DIR / 'skipped.csv') as stream:
        writer = csv.DictWriter(stream, ['file', 'outcome', 'reason'])
        writer.writeheader()
        writer.writerows(remarks)
