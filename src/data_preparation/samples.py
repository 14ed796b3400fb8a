"""What a data set yields, and which split each photo belongs to.

A reader for a data set yields Samples; `plan` reads every file once, finds its split from a hash of
its bytes (unless the data set has lists of its own), and sorts out what must not be learned from:
unreadable files, copies of one photo, and photos that stand under two labels.
"""

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

Box = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax in pixels of the upright picture


@dataclass(frozen=True)
class Sample:
    """One photo of a data set. `id` names it within the set; `path` may be anything that prints as a name
    and has read_bytes(), which raises BadImage or OSError; `label` is None when nobody has named it; `split`
    is None where the bytes decide, 'learn' where they decide between training and validation only; `copy`
    names the change that makes an augmented copy."""

    id: str
    path: Path
    label: str | None
    split: str | None = None
    box: Box | None = None
    copy: str = ''


@dataclass(frozen=True)
class Unused:
    """In place of a sample's path: a file or folder that is not used, to be listed with the reason."""

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


def shown(path: Path) -> str:
    """`path` as a person would type it; what is no path of this machine shows itself."""
    return paths.shown(path) if isinstance(path, str | Path) else str(path)


def bytes_of(sample: Sample) -> bytes:
    """The bytes of a sample's photo. Raises BadImage for what is no picture, and OSError."""
    return read_picture(sample.path) if isinstance(sample.path, Path) else sample.path.read_bytes()


def class_names(labels: Iterable[str], source: Path, remarks: Sequence[Remark] = ()) -> list[str]:
    """The distinct labels, sorted: their places are the network's outputs. Raises UserError when there are
    fewer than two, with what most of the `remarks` say, or one that cannot be written down."""
    names, where = sorted(set(labels)), shown(source)
    reasons = Counter(remark.reason for remark in remarks).most_common(1)
    why = f'; {count(reasons[0][1], "file")} skipped: {reasons[0][0]}' if reasons else ''
    for name in names:
        if not _is_a_line(name):
            raise UserError(f'{where}: the class name {name!r} is no line of UTF-8: rename it')
    if not names:
        raise UserError(f'{where} holds no pictures with a label{why}')
    if len(names) == 1:
        raise UserError(
            f'{where} holds pictures of one class only ({names[0]}): there is nothing to tell apart, '
            f'add a folder for each further class{why}'
        )
    return names


def _is_a_line(name: str) -> bool:
    """Whether a label can stand in lists and in the frozen graph. Folders on Linux may be called
    anything; bytes that are no UTF-8 come as lone surrogates, which do not encode."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.splitlines() == [name]
