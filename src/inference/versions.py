"""Which file of a model is served: its frozen graph, the .tflite file beside it, or its newest version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.names import SUFFIXES, newest_version
from src.inference.choice import Wanted, lightest


@dataclass(frozen=True)
class Found:
    """A file to serve, and its version if its name is a number; `stamp` changes when it is replaced."""

    path: Path
    version: int | None
    stamp: tuple[int, ...]


def stamp_of(path: Path) -> tuple[int, ...]:
    """Numbers that change when a file is replaced or written. Raises OSError."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def check_same(found: Found) -> None:
    """Raise UserError if a file was replaced or deleted since it was found: its labels may be others."""
    try:
        same = stamp_of(found.path) == found.stamp
    except OSError:
        same = False
    if not same:
        raise UserError(f'{paths.shown(found.path)} was replaced while it was loaded')


def for_clients(text: str, file: Path) -> str:
    """A message about a file without the path of its folder, which does not concern clients."""
    return text.replace(paths.shown(file.parent / 'x')[:-1], '')


@dataclass(frozen=True)
class Source:
    """A frozen file, or a folder of versions (1.pb, 2.tflite, ...). `beside`: the .tflite file that was made
    from a frozen graph is served in its place (choice.py)."""

    path: Path
    beside: bool = False

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.path.stem if self.path.suffix in SUFFIXES else self.path.name

    def look(self) -> Found | None:
        """The file to serve now; None if there is none."""
        try:
            newest = newest_version(self.path) if self.path.is_dir() else self.path
            if newest is None:
                return None
            path = lightest(newest) if self.beside else newest
            version = int(newest.stem) if self.path.is_dir() else None
            return Found(path, version, stamp_of(path))
        except OSError:  # deleted in this moment
            return None


def source_of(wanted: Wanted, views: int) -> Source:
    """The frozen file of a model, or its folder of versions. Only frozen graphs average several views, and a
    file that is given by its path is served as it is. Raises UserError if there is none."""
    folder = wanted.model.frozen
    if folder.is_dir():
        return Source(folder, views == 1)
    return Source(wanted.file, views == 1 and not wanted.by_path)
