"""Classify each new picture in a folder as it arrives: a starting point for cameras.

The folder is listed twice a second. A file is read when its size and time have not changed since the last
look, so that one is not read half-written. One that cannot be read even so, as its writer pauses, is reported
only after PATIENCE seconds without a change.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.progress import remark
from src.images.faults import BadImage, NotAPicture
from src.images.files import named_like_picture, walk
from src.inference.printers import Table
from src.inference.runtimes.base import Predictor
from src.inference.sources import answers

SECONDS = 0.5  # between two looks
PATIENCE = 5.0

Stamp = tuple[int, int]  # size and time of change


@dataclass
class _Arrival:
    """A file that is not finished: since when it has not changed, and why it could not be read."""

    stamp: Stamp
    since: float
    fault: Exception | None = None


class Arrivals:
    """The new and changed files below a folder, hidden ones left out. Those that are there at the start are
    not new; `already` is their number. Raises UserError when the folder cannot be read."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._done = self._listed()
        self._waiting: dict[str, _Arrival] = {}
        self.already = len(self._done)

    def look(self, now: float) -> list[str]:
        """List the folder at the time `now`, in seconds. Returns the files to read, sorted: those that have
        not changed since the last look."""
        listed = self._listed()
        self._done = {path: stamp for path, stamp in self._done.items() if path in listed}
        self._waiting = {path: one for path, one in self._waiting.items() if path in listed}
        ready = []
        for path, stamp in listed.items():
            if self._done.get(path) == stamp:
                continue
            arrival = self._waiting.get(path)
            if arrival is None or arrival.stamp != stamp:
                self._waiting[path] = _Arrival(stamp, now)
            elif arrival.fault is None:
                ready.append(path)
        return sorted(ready)

    def finished(self, path: str) -> None:
        """A file was read: it is new again only when it changes."""
        self._done[path] = self._waiting.pop(path).stamp

    def failed(self, path: str, fault: Exception) -> None:
        """A file could not be read: it is read again when it changes."""
        self._waiting[path].fault = fault

    def given_up(self, now: float) -> list[tuple[str, Exception]]:
        """The files that could not be read and have not changed for PATIENCE seconds, with the reasons."""
        old = {
            path: one.fault for path, one in self._waiting.items() if one.fault and now - one.since > PATIENCE
        }
        for path in old:
            self.finished(path)
        return sorted(old.items())

    def _listed(self) -> dict[str, Stamp]:
        """Size and time of all files below the folder."""
        listed = {}
        try:
            for path, fault in walk(self._folder, strict=False):
                if not fault:
                    try:
                        found = Path(path).stat()
                    except OSError:  # removed in this moment
                        continue
                    listed[path] = found.st_size, found.st_mtime_ns
        except OSError as error:
            raise UserError(f'cannot watch {paths.shown(self._folder)}: {error.strerror}') from error
        return listed


def watch(arrivals: Arrivals, predictor: Predictor, printer: Table) -> None:
    """Print the classes of each new picture until Ctrl-C. Raises UserError when the folder cannot be read."""
    while True:
        begun = time.monotonic()
        for path, answer in answers(predictor, 'file', arrivals.look(begun), bar=False):
            if isinstance(answer, Exception):
                arrivals.failed(path, answer)
            else:
                arrivals.finished(path)
                printer.show(path, answer)
                sys.stdout.flush()
        for path, fault in arrivals.given_up(time.monotonic()):
            if named_like_picture(path) or not isinstance(fault, NotAPicture):
                remark(f'skipped {path}: {fault}' if isinstance(fault, BadImage) else f'skipped {fault}')
        took = time.monotonic() - begun
        time.sleep(max(SECONDS, took))  # a large folder does not keep a core busy
