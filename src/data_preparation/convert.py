"""Samples to TFRecords with the cached bottleneck.

Photos are read and decoded in threads while the graph works on the batch before; every shard is
written under another name and renamed when it is whole, so a conversion that was stopped or killed
goes on with the first shard that is missing. Beside the shards lies `manifest.json`, which says
where they came from.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from src.common import cli, consts, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import next_step, progress, say, wrote
from src.common.tf1 import tf
from src.data_preparation.samples import (
    Planned,
    Remark,
    Sample,
    class_names,
    plan,
    skipped,
    with_copies,
    with_test_list,
)
from src.data_preparation.tf_record_utils import build_example, shard_name, write_shard
from src.graph.backbones import Backbone, add_backbone, load_backbone
from src.images.augment import COPIES
from src.images.decode import BadImage, crop, decode_with_pillow, encode_jpeg
from src.images.reader import ImageReader

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


class Extractor:
    """Encoded pictures to bottlenecks: the reader and the backbone, each in a session of its own."""

    def __init__(self, backbone: Backbone):
        self.reader = ImageReader(backbone.graph_def, backbone.front)
        with tf.Graph().as_default() as graph:
            bottleneck = backbone.attach()
        self._session = tf.Session(graph=graph)
        self.vectors = self._session.make_callable(bottleneck, [backbone.front.pixels])

    def close(self) -> None:
        self.reader.close()
        self._session.close()


def convert(job: Job, backbone: Backbone, overwrite: bool = False) -> Path:
    """Write data/records/<name>/ and return the folder.

    Goes on where an earlier run of the same job stopped. Raises UserError when the folder holds the
    records of another job, unless `overwrite`.
    """
    folder = paths.records(job.name)
    classes = class_names(job.samples, job.source)
    planned, remarks = plan(job.samples)
    planned = with_copies(planned, job.copies)
    manifest = _manifest(job, backbone, classes, planned)
    _claim(folder, manifest, overwrite)
    shards = _shards(planned)
    missing = [shard for shard in shards if not (folder / shard[0]).exists()]
    if missing:
        _write_shards(folder, missing, len(planned), backbone, job, classes)
    _finish(folder, manifest, shards, [*job.remarks, *remarks], classes)
    return folder


def add_conversion_flags(made: argparse.ArgumentParser) -> None:
    """The flags that all converters share."""
    add_backbone(made)
    made.add_argument(
        '--overwrite', action='store_true', help='replace the records that an earlier, other conversion left'
    )


def add_test_list(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        '--test-list',
        type=Path,
        metavar='FILE',
        help='text file with the path of one photo a line: these and no others become the test split',
    )


def run(job: Job, args: argparse.Namespace) -> None:
    """What a converter's main does once it has its samples."""
    if getattr(args, 'test_list', None):
        samples = with_test_list(job.samples, args.test_list, job.source)
        job = replace(job, samples=samples, split_by='test list')
    backbone = load_backbone(args.backbone, args.bottleneck, args.pixel_range)
    report(convert(job, backbone, args.overwrite))


def report(folder: Path) -> None:
    """Tell what a conversion made, and what comes next."""
    manifest = files.read_json(folder / MANIFEST)
    counts = ', '.join(f'{number:,} {split}' for split, number in manifest['counts'].items() if number)
    say(
        f'{count(sum(manifest["counts"].values()), "record")} of {len(manifest["classes"])} classes: {counts}'
    )
    for name in manifest['untrained']:
        say(f'  class {name} has no training photo: it cannot be learned')
    wrote(folder, f'records and {MANIFEST}')
    if manifest['remarks']:
        outcomes = Counter(remark['outcome'] for remark in manifest['remarks'])
        wrote(
            paths.METRICS_DIR / 'skipped.csv',
            ', '.join(f'{count(n, "photo")} {outcome}' for outcome, n in outcomes.items()) + ', with reasons',
        )
    next_step('python -m src.training.train' + cli.name_flag(manifest['name']))


def encoded_as_learned(item: Planned, crop_to_box: bool) -> bytes:
    """The picture that the vector is made from: the file itself, or a JPEG of the crop or copy.

    Raises BadImage or OSError.
    """
    data = item.sample.path.read_bytes()
    box = item.sample.box if crop_to_box else None
    if box is None and not item.sample.copy:
        return data
    pixels = decode_with_pillow(data)
    if box is not None:
        pixels = crop(pixels, box)
    if item.sample.copy:
        pixels = COPIES[item.sample.copy](pixels)
    return encode_jpeg(pixels)


def extract(
    items: Iterable[Planned], extractor: Extractor, crop_to_box: bool = False
) -> Iterator[tuple[Planned, bytes, np.ndarray | BadImage]]:
    """Each item in order with its encoded picture and its bottleneck [width] float32, or the reason
    why there is none. Decoding runs in threads, a few batches ahead of the graph."""

    def load(item: Planned) -> tuple[Planned, bytes, np.ndarray | BadImage]:
        try:
            data = encoded_as_learned(item, crop_to_box)
            return item, data, extractor.reader.read(data)
        except BadImage as fault:
            return item, b'', fault
        except OSError as error:
            return item, b'', BadImage(f'cannot be read: {error.strerror}')

    for batch in _batches(_ahead(load, items), consts.EXTRACTION_BATCH_SIZE):
        good = [pixels for _, _, pixels in batch if not isinstance(pixels, BadImage)]
        vectors = iter(extractor.vectors(np.stack(good)) if good else ())
        for item, data, pixels in batch:
            yield item, data, pixels if isinstance(pixels, BadImage) else next(vectors)


def _ahead(function, items: Iterable, window: int = 3 * consts.EXTRACTION_BATCH_SIZE) -> Iterator:
    """map() in threads that stays at most `window` items ahead, so memory does not grow."""
    items = iter(items)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        waiting = [pool.submit(function, item) for item in islice(items, window)]
        waiting.reverse()
        try:
            while waiting:
                done = waiting.pop().result()
                for item in islice(items, 1):
                    waiting.insert(0, pool.submit(function, item))
                yield done
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch


def _shards(planned: Sequence[Planned]) -> list[tuple[str, list[Planned]]]:
    """File names with the items they hold. Planned items come in the order of their hashes, so
    classes are mixed and every machine cuts the same shards."""
    shards = []
    for split in (*consts.SPLITS, consts.UNLABELLED):
        items = [item for item in planned if item.split == split]
        total = -(-len(items) // consts.SHARD_SIZE)
        for index in range(total):
            part = items[index * consts.SHARD_SIZE : (index + 1) * consts.SHARD_SIZE]
            shards.append((shard_name(split, index, total), part))
    return shards


def _write_shards(
    folder: Path, missing: Sequence, total: int, backbone: Backbone, job: Job, classes: Sequence[str]
) -> None:
    """Convert shard after shard; what could not be decoded goes to a note beside the shard."""
    left = sum(len(items) for _, items in missing)
    if left < total:
        say(f'going on after {count(total - left, "photo")} of {total:,}')
    extractor = Extractor(backbone)
    with progress(total, f'{backbone.path.stem} bottlenecks', 'photos', done=total - left) as bar:
        for name, items in missing:
            remarks: list[Remark] = []

            def examples(items=items, remarks=remarks) -> Iterator[bytes]:
                for item, data, vector in extract(items, extractor, job.crop_to_box):
                    bar.update()
                    if isinstance(vector, BadImage):
                        remarks.append(skipped(item.sample, str(vector)))
                    else:
                        yield build_example(item.sample.id, data, vector, item.sample.label, classes)

            with files.atomic_path(folder / name) as part:
                records = write_shard(part, examples())
                # Written before the shard gets its name: a shard that stands has its note.
                note = {'records': records, 'remarks': [asdict(remark) for remark in remarks]}
                files.write_json(_note(folder, name), note)
    extractor.close()


def _note(folder: Path, shard: str) -> Path:
    return folder / 'notes' / f'{shard}.json'


def _manifest(job: Job, backbone: Backbone, classes: Sequence[str], planned: Sequence[Planned]) -> dict:
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


def _claim(folder: Path, manifest: dict, overwrite: bool) -> None:
    """Make the folder this job's own."""
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


def _finish(
    folder: Path, manifest: dict, shards: Sequence, remarks: Sequence[Remark], classes: Sequence[str]
) -> None:
    """Complete the manifest from what the shards hold, and list every remark in skipped.csv."""
    counts: Counter[str] = Counter()
    told = [asdict(remark) for remark in remarks]
    learned: Counter[str] = Counter()
    for name, items in shards:
        note = files.read_json(_note(folder, name))
        counts[name.split('-')[0]] += note['records']
        told.extend(note['remarks'])
        bad = {remark['file'] for remark in note['remarks']}
        learned.update(
            p.sample.label for p in items if p.split == 'train' and paths.shown(p.sample.path) not in bad
        )
    manifest = manifest | {
        'counts': {split: counts[split] for split in (*consts.SPLITS, consts.UNLABELLED) if counts[split]},
        'untrained': [name for name in classes if not learned[name]],
        'shards': [name for name, _ in shards],
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
