"""The models that are served: loaded, found by name and version, and replaced while requests run.

A model is a frozen graph, NAME.pb, or a folder NAME of versions, 1.pb, 2.pb and so on, of which the
highest is served, as TensorFlow Serving does with its folders. A file that is replaced becomes the
next version. Whoever uses a model keeps it until done; only then is an old version closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.names import newest_version
from src.common.progress import say
from src.images.decode import encode_jpeg
from src.inference.predictor import Predictor, load_model
from src.inference.server.batching import Batcher

Observer = Callable[[str, int], None]  # is told a model's name and the size of a batch it ran


class NoSuchModel(Exception):
    """No model of this name, or not in this version."""


@dataclass(frozen=True)
class Found:
    """A file to serve, and its version if its name says so; `stamp` changes when it is replaced."""

    path: Path
    version: int | None
    stamp: tuple[int, ...]


class Served:
    """One version of a model, ready for requests of many threads."""

    def __init__(self, name: str, version: int, predictor: Predictor, observe: Observer):
        self.name, self.version, self.predictor = name, version, predictor
        self.labels = predictor.labels
        predictor.from_mixed([encode_jpeg(np.zeros((8, 8, 3), np.uint8))])  # the first run is slow
        self.batcher = Batcher(predictor.from_mixed, observe=lambda size: observe(name, size))
        self._users, self._retired = 0, False
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Whether it may be used; then `leave` must follow."""
        with self._lock:
            self._users += not self._retired
            return not self._retired

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._retired and not self._users
        if last:
            self._close()

    def retire(self) -> None:
        """Close it as soon as nobody uses it."""
        with self._lock:
            self._retired, idle = True, not self._users
        if idle:
            self._close()

    def _close(self) -> None:
        self.batcher.close()
        self.predictor.close()


class Slot:
    """A name under which a model is served, and the file or folder that it comes from."""

    def __init__(self, name: str, source: Path, observe: Observer):
        self.name, self._source, self._observe = name, source, observe
        self._found: Found | None = None
        self.served: Served | None = None
        self.failure: tuple[int, str] | None = None  # the version that could not be loaded, and why

    def refresh(self) -> bool:
        """Load what is new. Returns whether anything was. Raises UserError, or what TensorFlow raises, when
        it cannot be loaded or run; what was served before is served on."""
        found = self._look()
        if found is None or found == self._found:
            return False
        self._found = found
        version = found.version or (self.served.version + 1 if self.served else 1)
        try:
            predictor = load_model(found.path, weights_as_variables=False)
            fresh = Served(self.name, version, predictor, self._observe)
        except Exception as error:
            self.failure = version, first_line(error)
            raise
        old, self.served, self.failure = self.served, fresh, None
        if old:
            old.retire()
        return True

    def _look(self) -> Found | None:
        """The file to serve; None when there is none."""
        try:
            if not self._source.is_dir():
                return _found(self._source, None)
            newest = newest_version(self._source)
            return newest and _found(newest, int(newest.stem))
        except OSError:  # it goes away while we look
            return None


def _found(path: Path, version: int | None) -> Found:
    facts = path.stat()
    return Found(path, version, (facts.st_mtime_ns, facts.st_size, facts.st_ino))


class Models:
    """All models, by name; the first is the default."""

    def __init__(self, sources: list[Path], observe: Observer = lambda name, size: None):
        """Load all. Raises UserError when one cannot be loaded, or two have one name."""
        self._slots: dict[str, Slot] = {}
        for source in sources:
            name = source.name.removesuffix('.pb')
            if name in self._slots:
                raise UserError(f'two models are named {name}: rename one of the files')
            slot = self._slots[name] = Slot(name, source, observe)
            if not slot.refresh():
                raise UserError(
                    f'there is no model {paths.shown(source)}: a .pb file, or a folder of 1.pb, 2.pb'
                )

    @property
    def names(self) -> list[str]:
        return list(self._slots)

    def slot(self, name: str) -> Slot:
        """Raises NoSuchModel."""
        if name not in self._slots:
            raise NoSuchModel(f'no model {name[:80]!r}; there is {", ".join(self._slots)}')
        return self._slots[name]

    @contextmanager
    def use(self, name: str | None = None, version: int | None = None) -> Iterator[Served]:
        """The model of this name (default: the first), which stays open inside the `with`.

        Raises NoSuchModel."""
        slot = self.slot(name if name is not None else self.names[0])
        served = slot.served
        while not served.enter():  # replaced this very moment
            served = slot.served
        try:
            if version is not None and version != served.version:
                raise NoSuchModel(f'{served.name} is served in version {served.version}, not {version}')
            yield served
        finally:
            served.leave()

    def watch(self, seconds: float, stop: threading.Event) -> None:
        """Look for new versions now and then, until `stop` is set."""
        while not stop.wait(seconds):
            for slot in self._slots.values():
                try:
                    if slot.refresh():
                        say(f'{slot.name}: version {slot.served.version} is served now')
                except Exception as error:  # whatever a file does, the others are still to be watched
                    say(f'{slot.name}: {first_line(error)}; version {slot.served.version} is served on')

    def close(self) -> None:
        for slot in self._slots.values():
            slot.served.retire()
