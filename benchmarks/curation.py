"""How many planted copies and changed labels `src.curation.review` finds, and how long it takes.

    python -m benchmarks.curation cats_dogs --backbone mobilenet_v2_1.0_224.pb
    python -m benchmarks.curation dogs --seeds 3

NAME is a data set with bottlenecks. Its photos are taken as they are: copies and wrong labels that it has
already count as found wrongly.

- *duplicates* (with --backbone): photos are copied mirrored, cropped to 80 % of each side at a random place,
  encoded again at quality 40, resized to 60 % and turned by 5 degrees, --copies of each kind, no photo twice.
  All photos and copies are converted to the data set `curation_planted`. A copy is found if it and its photo
  are one finding; a finding about two different photos is wrong.
- *labels*: a share of the labels is changed at random, and, in other rounds, to the class with the most
  similar mean bottleneck.
- *seconds*: of the command on the data set NAME in a process of its own, from its start to its end.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.machine import add_rounds, machine_line
from benchmarks.table import add_output, show
from src.common import cli, errors
from src.common.errors import UserError
from src.curation.duplicates import duplicates
from src.curation.label_suspects import label_suspects
from src.curation.photos import Photos, encoded_pictures, read_photos
from src.curation.review import bottlenecks_of
from src.data_preparation import image_folder_to_tfrecords
from src.images.decode import decode_with_pillow
from src.records.dataset import Records, open_records

PLANTED = 'curation_planted'
KINDS = ('mirrored', 'cropped', 'encoded again', 'resized', 'turned')
QUALITY, LOW_QUALITY = 90, 40  # of JPEG


def changed(image: Image.Image, kind: str, random: np.random.Generator) -> Image.Image:
    """A copy of a picture."""
    width, height = image.size
    if kind == 'mirrored':
        return ImageOps.mirror(image)
    if kind == 'cropped':
        left, top = random.uniform(0, 0.2, 2) * image.size
        return image.crop((round(left), round(top), round(left + 0.8 * width), round(top + 0.8 * height)))
    if kind == 'resized':
        return image.resize((round(0.6 * width), round(0.6 * height)), Image.Resampling.LANCZOS)
    if kind == 'turned':
        return image.rotate(float(random.choice([-5, 5])), Image.Resampling.BICUBIC)
    return image


def plant(records: Records, photos: Photos, copies: int, folder: Path, random: np.random.Generator) -> None:
    """Write all photos to class folders, and the copies: 12.jpg and 12_turned.jpg."""
    chosen = random.choice(len(photos), copies * len(KINDS), replace=False)
    kinds = {int(row): KINDS[i // copies] for i, row in enumerate(chosen)}
    row_of = {id_: row for row, id_ in enumerate(photos.ids)}
    for id_, data in encoded_pictures(records, photos.ids):
        row = row_of[id_]
        place = folder / f'class_{photos.labels[row]}'
        place.mkdir(exist_ok=True)
        (place / f'{row}.jpg').write_bytes(data)
        if kind := kinds.get(row):
            quality = LOW_QUALITY if kind == 'encoded again' else QUALITY
            stream = io.BytesIO()
            copy = changed(Image.fromarray(decode_with_pillow(data)), kind, random)
            copy.save(stream, 'JPEG', quality=quality)
            (place / f'{row}_{kind.replace(" ", "-")}.jpg').write_bytes(stream.getvalue())


def planted_copies(args: argparse.Namespace, records: Records, photos: Photos) -> dict[str, tuple[int, int]]:
    """(found, planted) copies of each kind, and (wrong, all) findings."""
    if args.copies * len(KINDS) > len(photos):
        raise UserError(f'{args.name} has {len(photos):,} photos, too few: ask for fewer --copies')
    with tempfile.TemporaryDirectory() as scratch:
        plant(records, photos, args.copies, Path(scratch), np.random.default_rng(args.seed))
        flags = ['--backbone', str(args.backbone), '--overwrite']
        image_folder_to_tfrecords.main([scratch, '--name', PLANTED, *flags])
    with_copies = open_records(PLANTED)
    findings = duplicates(read_photos(with_copies), bottlenecks_of(with_copies))
    found, wrong = Counter(), 0
    for one in findings:
        (number, kind), (other, other_kind) = (_parts(id_) for id_ in (one.id, one.other))
        if number == other:
            found[(kind or other_kind).replace('-', ' ')] += 1
        else:
            wrong += 1
    return {kind: (found[kind], args.copies) for kind in KINDS} | {'wrong': (wrong, len(findings))}


def _parts(id_: str) -> tuple[str, str]:
    """('12', 'turned') of 'class_0/12_turned.jpg'."""
    number, _, kind = Path(id_).stem.partition('_')
    return number, kind


def changed_labels(photos: Photos, bottlenecks: np.ndarray, args: argparse.Namespace, alike: bool) -> dict:
    """Mean recall and precision over the seeds, and the lowest of each."""
    classes, scores = len(photos.classes), []
    means = np.stack([bottlenecks[photos.labels == number].mean(0) for number in range(classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    similar = np.where(np.eye(classes, dtype=bool), -1, means @ means.T).argmax(1)
    for seed in range(args.seed, args.seed + args.seeds):
        random = np.random.default_rng(seed)
        rows = random.choice(len(photos), round(args.share * len(photos)), replace=False)
        labels = photos.labels.copy()
        other = (labels[rows] + random.integers(1, classes, len(rows))) % classes
        labels[rows] = similar[labels[rows]] if alike else other
        found = {one.id for one in label_suspects(replace(photos, labels=labels), bottlenecks)}
        hits = len(found & {photos.ids[row] for row in rows})
        scores.append((hits / len(rows), hits / max(len(found), 1)))
    recall, precision = zip(*scores, strict=True)
    return {
        'recall': statistics.mean(recall),
        'precision': statistics.mean(precision),
        'lowest_recall': min(recall),
        'lowest_precision': min(precision),
    }


def seconds_of(name: str) -> float:
    begun = time.perf_counter()
    command = [sys.executable, '-m', 'src.curation.review', name]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.curation', __doc__)
    made.add_argument('name', metavar='NAME', help='data set')
    made.add_argument('--backbone', type=Path, metavar='PB', help='for the copies (default: no duplicates)')
    made.add_argument('--copies', type=cli.whole_number(1), default=200, help='default: %(default)s')
    made.add_argument('--share', type=cli.real_number(0.001, 0.5), default=0.05, help='default: %(default)s')
    made.add_argument('--seed', type=cli.whole_number(0), default=1, help='default: %(default)s')
    made.add_argument(
        '--seeds', type=cli.whole_number(1), default=5, help='rounds of changed labels (default: %(default)s)'
    )
    add_rounds(made, 3)
    add_output(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    records = open_records(args.name)
    seconds = [seconds_of(args.name) for _ in range(args.rounds)]
    photos, bottlenecks = read_photos(records), bottlenecks_of(records)
    results: dict = {'photos': len(photos), 'seconds': seconds}
    rows = [['review, seconds (median)', f'{statistics.median(seconds):.1f}', '']]
    for alike in (False, True) if len(photos.classes) > 2 else (False,):
        name = 'labels changed to look-alikes' if alike else 'labels changed at random'
        results[name] = of = changed_labels(photos, bottlenecks, args, alike)
        rows.append([f'{name}: recall', f'{of["recall"]:.1%}', f'lowest {of["lowest_recall"]:.1%}'])
        rows.append([f'{name}: precision', f'{of["precision"]:.1%}', f'lowest {of["lowest_precision"]:.1%}'])
    if args.backbone:
        results['copies'] = planted_copies(args, records, photos)
        for kind, (number, whole) in results['copies'].items():
            what = 'findings that are wrong' if kind == 'wrong' else f'copies found: {kind}'
            rows.append([what, f'{number / max(whole, 1):.1%}', f'{number:,} of {whole:,}'])
    lines = [machine_line(), f'{len(photos):,} photos of {len(photos.classes)} classes']
    show(args, f'Curation: {args.name}', lines, ['', 'result', 'detail'], rows, results)


if __name__ == '__main__':
    errors.run(main)
