"""The split of each photo, and the photos that get no record.

A hash of the bytes decides the split, unless the data set has lists of its own. Unreadable files, duplicates,
and photos with two labels get no record.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import progress
from src.data_preparation.samples import LEARN, Planned, Sample, Unused, bytes_of, skipped
from src.images.faults import BadImage
from src.records.manifest import Remark

PREFERENCE = ('test', 'validation', 'train')  # which of several duplicates is kept


def split_of(digest: str, learn_only: bool = False) -> str:
    """The split of a photo with this SHA-256, the same on every machine and in every run.

    `learn_only` chooses between training and validation only, for data sets with a test list of their own.
    TensorFlow Hub's retrain.py hashed the file name; with a hash of the bytes, renamed copies stay in one
    split (https://github.com/tensorflow/hub/blob/master/examples/image_retraining/retrain.py).
    """
    position = int(digest[:12], 16) / 16**12  # uniform in [0, 1)
    if learn_only:
        return 'validation' if position < consts.VALIDATION_SHARE else 'train'
    if position < consts.TEST_SHARE:
        return 'test'
    return 'validation' if position < consts.TEST_SHARE + consts.VALIDATION_SHARE else 'train'


def plan(samples: Sequence[Sample]) -> tuple[list[Planned], list[Remark], set[str]]:
    """Read every file once and assign its split.

    Returns the photos to convert, in an order that depends on their bytes alone; remarks on the other files;
    and the labels of all readable pictures, as a folder without any is no class. Memory: about 0.5 kB a
    sample.
    """
    items, remarks = hashed(samples)
    planned, left_out = unique(items)
    return planned, remarks + left_out, labels_of(items)


def hashed(samples: Sequence[Sample]) -> tuple[list[Planned], list[Remark]]:
    """Every photo that can be read, with its hash and the split that follows from it or from the data set;
    and remarks on the other files."""
    items: list[Planned] = []
    remarks: list[Remark] = []
    for sample, digest, fault in _digests(samples):
        if fault:
            remarks.append(skipped(sample, fault))
        else:
            items.append(planned_as(sample, digest))
    return items, remarks


def unique(items: Iterable[Planned]) -> tuple[list[Planned], list[Remark]]:
    """`deduplicated` photos of all hashes, in the order of these; and remarks on the other photos."""
    by_digest: dict[str, list[Planned]] = defaultdict(list)
    for item in items:
        by_digest[item.digest].append(item)
    planned: list[Planned] = []
    remarks: list[Remark] = []
    for digest in sorted(by_digest):
        kept, left_out = deduplicated(by_digest[digest])
        planned.extend(kept)
        remarks.extend(left_out)
    return planned, remarks


def labels_of(items: Iterable[Planned]) -> set[str]:
    """The labels of some photos."""
    return {item.sample.label for item in items} - {None}


def digest_of(sample: Sample) -> tuple[str, str]:
    """(SHA-256 of a photo's bytes, ''), or ('', the reason why it cannot be read)."""
    try:
        return hashlib.sha256(bytes_of(sample)).hexdigest(), ''
    except BadImage as fault:
        return '', str(fault)
    except FileNotFoundError:
        return '', 'no such file'
    except OSError as error:
        return '', f'cannot be read: {error.strerror}'


def planned_as(sample: Sample, digest: str) -> Planned:
    """The sample with its final split, decided by the data set or by the hash."""
    split = sample.split
    if split in (None, LEARN):
        split = split_of(digest, learn_only=split == LEARN)
    return Planned(sample, split, digest)


def deduplicated(same: list[Planned]) -> tuple[list[Planned], list[Remark]]:
    """Keep one of several photos with the same bytes, none if their labels differ.

    A photo in the test split goes before one in the training split, so that no test photo is trained on. All
    unlabeled photos are kept, as each needs a prediction. Returns the photos kept, and remarks on the others.
    """
    unlabeled = [p for p in same if p.split == consts.UNLABELLED]
    labeled = sorted(
        (p for p in same if p.split != consts.UNLABELLED),
        key=lambda p: (PREFERENCE.index(p.split), p.sample.id),
    )
    labels = sorted({p.sample.label for p in labeled})
    if len(labels) > 1:
        reason = 'the same picture has the labels ' + ' and '.join(labels)
        return unlabeled, [skipped(p.sample, reason) for p in labeled]
    reason = f'a copy of {labeled[0].sample.id}' if labeled else ''
    return labeled[:1] + unlabeled, [skipped(p.sample, reason) for p in labeled[1:]]


def with_copies(planned: Iterable[Planned], kinds: Sequence[str]) -> list[Planned]:
    """The photos, each training photo followed by its augmented copies (kinds of `images.copies.COPIES`)."""
    grown = []
    for item in planned:
        grown.append(item)
        if item.split == 'train':
            for kind in kinds:
                copy = replace(item.sample, id=f'{item.sample.id}~{kind}', copy=kind)
                grown.append(replace(item, sample=copy))
    return grown


def read_list(path: Path) -> set[str]:
    """The paths in a list of photos, one a line; './a/b.jpg', as `find` writes it, is 'a/b.jpg'. Raises
    UserError when the list cannot be read."""
    try:
        lines = files.utf8_text(path).split('\n')
    except OSError as error:
        raise UserError(f'cannot read the list {paths.shown(path)}: {error.strerror}') from error
    return {PurePosixPath(line.strip()).as_posix() for line in lines if line.strip()}


def with_test_list(samples: Sequence[Sample], path: Path, base: Path) -> list[Sample]:
    """The samples, split by a list of test photos: these and no others become the test split.

    Each line is the path of a photo, relative to `base` or to its parent folder. Raises UserError when a
    line matches no photo.
    """
    listed = read_list(path)
    found: set[str] = set()
    assigned = []
    for sample in samples:
        if isinstance(sample.path, Unused):
            assigned.append(sample)
            continue
        inside = sample.path.relative_to(base)  # not resolved: photos may be links
        names = {inside.as_posix(), (base.resolve().name / inside).as_posix()} & listed
        found |= names
        assigned.append(replace(sample, split='test' if names else LEARN))
    if missing := sorted(listed - found):
        raise UserError(
            f'{paths.shown(path)} names {count(len(missing), "photo")} missing from {paths.shown(base)}, '
            f'such as {missing[0]}'
        )
    return assigned


def _digests(samples: Sequence[Sample]) -> Iterable[tuple[Sample, str, str]]:
    """(sample, SHA-256, '') or (sample, '', reason) for each sample, as `digest_of` finds them."""
    with progress(len(samples), 'reading photos', 'photos') as bar, ThreadPoolExecutor(4) as pool:
        for sample, (digest, fault) in zip(samples, pool.map(digest_of, samples), strict=True):
            bar.update()
            yield sample, digest, fault
