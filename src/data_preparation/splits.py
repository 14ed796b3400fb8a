"""Which split each photo belongs to, and which photos are left out.

The split follows from a hash of the bytes, unless the data set has lists of its own. Unreadable files, copies
of one photo, and photos under two labels are left out.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from src.common import consts, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import progress
from src.data_preparation.samples import Planned, Sample, Unused, bytes_of, skipped
from src.images.faults import BadImage
from src.records.manifest import Remark

SPLIT_ORDER = ('test', 'validation', 'train', consts.UNLABELLED)


def split_of(digest: str, learn_only: bool = False) -> str:
    """The split that a photo's SHA-256 puts it in, the same on every machine and in every run.

    `learn_only` leaves the test split out, for data sets with a test list of their own. Hashing the
    bytes, and not the name as TensorFlow Hub's retrain.py did, keeps renamed copies on one side.
    """
    place = int(digest[:12], 16) / 16**12
    if learn_only:
        return 'validation' if place < consts.VALIDATION_SHARE else 'train'
    if place < consts.TEST_SHARE:
        return 'test'
    return 'validation' if place < consts.TEST_SHARE + consts.VALIDATION_SHARE else 'train'


def plan(samples: Sequence[Sample]) -> tuple[list[Planned], list[Remark], set[str]]:
    """Read every file once and settle its split. Returns what to convert, in an order that depends
    on the bytes alone, remarks on what was left out, and the labels of all pictures: a folder without any
    is no class. Memory: about 0.5 kB a sample."""
    remarks: list[Remark] = []
    labels: set[str] = set()
    by_digest: dict[str, list[Planned]] = defaultdict(list)
    for sample, digest, fault in _digests(samples):
        if fault:
            remarks.append(skipped(sample, fault))
        else:
            by_digest[digest].append(planned_as(sample, digest))
            labels.update({sample.label} - {None})
    chosen = []
    for digest in sorted(by_digest):
        kept, left_out = deduplicated(by_digest[digest])
        chosen.extend(kept)
        remarks.extend(left_out)
    return chosen, remarks, labels


def digest_of(sample: Sample) -> tuple[str, str]:
    """The SHA-256 of a photo's bytes, and '', or else '' and the reason why there is none."""
    try:
        return hashlib.sha256(bytes_of(sample)).hexdigest(), ''
    except BadImage as fault:
        return '', str(fault)
    except FileNotFoundError:
        return '', 'no such file'
    except OSError as error:
        return '', f'cannot be read: {error.strerror}'


def planned_as(sample: Sample, digest: str) -> Planned:
    """The sample with its final split, which its bytes decide unless the data set did."""
    split = sample.split
    if split in (None, 'learn'):
        split = split_of(digest, learn_only=split == 'learn')
    return Planned(sample, split, digest)


def deduplicated(same: list[Planned]) -> tuple[list[Planned], list[Remark]]:
    """Of photos with the same bytes keep one; none if they are labelled differently.

    The copy that the data set's own lists put into the test split wins, so that it is never learned.
    Unlabelled photos all stay: each one wants an answer.
    """
    asked = [p for p in same if p.split == consts.UNLABELLED]
    named = sorted(
        (p for p in same if p.split != consts.UNLABELLED),
        key=lambda p: (SPLIT_ORDER.index(p.split), p.sample.id),
    )
    labels = sorted({p.sample.label for p in named})
    if len(labels) > 1:
        reason = 'the same picture stands under ' + ' and '.join(labels)
        return asked, [skipped(p.sample, reason) for p in named]
    reason = f'a copy of {named[0].sample.id}' if named else ''
    return named[:1] + asked, [skipped(p.sample, reason) for p in named[1:]]


def with_copies(planned: Iterable[Planned], kinds: Sequence[str]) -> list[Planned]:
    """Add augmented copies of the kinds `kinds`, on the training side only."""
    out = []
    for item in planned:
        out.append(item)
        if item.split == 'train':
            for kind in kinds:
                copy = replace(item.sample, id=f'{item.sample.id}~{kind}', copy=kind)
                out.append(replace(item, sample=copy))
    return out


def read_list(path: Path) -> set[str]:
    """The lines of a list of photos, such as a test list; './a/b.jpg', as `find` writes it, is 'a/b.jpg'.
    Raises UserError when it cannot be read."""
    try:
        # Names on Linux may be any bytes, and editors on Windows begin a file with a mark.
        lines = Path(path).read_text(encoding='utf-8-sig', errors='surrogateescape').split('\n')
    except OSError as error:
        raise UserError(f'cannot read the list {paths.shown(path)}: {error.strerror}') from error
    return {PurePosixPath(line.strip()).as_posix() for line in lines if line.strip()}


def with_test_list(samples: Sequence[Sample], path: Path, base: Path) -> list[Sample]:
    """The samples with the photos that the list names as their test split, and no others.

    A line names a photo by its path, relative to `base` or to the folder above it. Raises UserError
    when lines of the list match nothing.
    """
    listed = read_list(path)
    found: set[str] = set()
    out = []
    for sample in samples:
        if isinstance(sample.path, Unused):
            out.append(sample)
            continue
        inside = sample.path.relative_to(base)  # not resolved: photos may be links to elsewhere
        names = {inside.as_posix(), (base.resolve().name / inside).as_posix()} & listed
        found |= names
        out.append(replace(sample, split='test' if names else 'learn'))
    if missing := sorted(listed - found):
        raise UserError(
            f'{paths.shown(path)} names {count(len(missing), "photo")} missing from {paths.shown(base)}, '
            f'such as {missing[0]}'
        )
    return out


def _digests(samples: Sequence[Sample]) -> Iterable[tuple[Sample, str, str]]:
    """Each sample with the SHA-256 of its file, or the reason why it cannot be read."""
    with progress(len(samples), 'reading photos', 'photos') as bar, ThreadPoolExecutor(4) as pool:
        for sample, (digest, fault) in zip(samples, pool.map(digest_of, samples, chunksize=64), strict=True):
            bar.update()
            yield sample, digest, fault
