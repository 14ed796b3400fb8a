"""The photos of a data set: as its reader yields them (`Sample`), and with their split (`Planned`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common import consts, paths
from src.common.errors import UserError
from src.common.files import count
from src.images.faults import BadImage
from src.images.files import read_picture
from src.records.manifest import NOT_USED, UNIFORM, Remark

LEARN = 'learn'  # the split of a sample where a hash decides between training and validation
Box = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax in pixels of the upright picture


@dataclass(frozen=True)
class Sample:
    """One photo of a data set.

    id: its name within the data set
    path: a Path, or any object that prints as a name and has read_bytes(), which raises BadImage or OSError
    label: the class name, None for an unlabeled photo
    split: None where a hash of the bytes decides, `LEARN` where it does not decide about the test split
    copy: the change that makes an augmented copy (`images.copies.COPIES`), '' for the photo itself
    """

    id: str
    path: Path
    label: str | None
    split: str | None = None
    box: Box | None = None
    copy: str = ''


@dataclass(frozen=True)
class Unused:
    """Takes the place of a sample's path for a file or folder that is listed with a reason and not used."""

    place: Any
    reason: str

    def read_bytes(self) -> bytes:
        raise BadImage(self.reason)

    def __str__(self) -> str:
        return shown(self.place)


@dataclass(frozen=True)
class Planned:
    """A sample with its final split and the SHA-256 of its bytes."""

    sample: Sample
    split: str
    digest: str


def skipped(sample: Sample, reason: str) -> Remark:
    """The remark on a photo that gets no record."""
    outcome = UNIFORM if sample.split == consts.UNLABELLED else 'skipped'
    if isinstance(sample.path, Unused):
        outcome = NOT_USED
    return Remark(shown(sample.path), outcome, reason)


def shown(path: Any) -> str:
    """A sample's path, or a data set's folder, as a user would type it."""
    return paths.shown(path) if isinstance(path, str | Path) else str(path)


def bytes_of(sample: Sample) -> bytes:
    """The bytes of a sample's photo. Raises BadImage for a file that is no picture, and OSError."""
    return read_picture(sample.path) if isinstance(sample.path, Path) else sample.path.read_bytes()


def class_names(labels: Iterable[str], source: Path, remarks: Sequence[Remark] = ()) -> list[str]:
    """The distinct labels, sorted, which is the order of the network's outputs.

    Raises UserError when there are fewer than two, with the most frequent reason in `remarks`, or when a
    label is not one line of UTF-8.
    """
    names, where = sorted(set(labels)), shown(source)
    reasons = Counter(remark.reason for remark in remarks).most_common(1)
    why = f'; {count(reasons[0][1], "file")} skipped: {reasons[0][0]}' if reasons else ''
    for name in names:
        if not _is_a_line(name):
            raise UserError(f'{where}: the class name {name!r} is not one line of UTF-8: rename it')
    if not names:
        raise UserError(f'{where} holds no pictures with a label{why}')
    if len(names) == 1:
        raise UserError(
            f'{where} holds pictures of one class only ({names[0]}): a classifier needs at least two, '
            f'add a folder for each further class{why}'
        )
    return names


def _is_a_line(name: str) -> bool:
    """Whether a label can be written to text files and to the frozen graph.

    On Linux folder names may be any bytes; Python reads those that are not UTF-8 as lone surrogates, which
    do not encode.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.splitlines() == [name]
