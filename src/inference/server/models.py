"""The served models: loaded, found by name and version, and replaced while requests run.

A model is a frozen graph, NAME.pb, a LiteRT model, NAME.tflite, or a folder NAME of versions, 1.pb, 2.tflite
and so on. The highest version is served, as TensorFlow Serving does with its folders. A file that is replaced
becomes the next version. A request keeps the version that it began with; an old version is closed when its
last request has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.progress import say
from src.inference.server.served import Observer, Options, Served
from src.inference.versions import Found, Source


class NoSuchModel(Exception):
    """There is no model of this name, or not in this version."""


class Slot:
    """A model: what it is loaded from, and the version that is served."""

    def __init__(self, source: Source, options: Options):
        self.name, self._source, self._options = source.name, source, options
        self._found: Found | None = None
        self.served: Served | None = None
        self.failure: tuple[int, str] | None = None  # a version that could not be loaded, and why

    def refresh(self) -> bool:
        """Load a new version, and return whether there is one.

        Raises UserError, or TensorFlow's error, if it cannot be loaded or run; the old one stays served.
        """
        found = self._source.look()
        if found is None or found == self._found:
            return False
        self._found = found
        version = found.version or (self.served.version + 1 if self.served else 1)
        try:
            fresh = Served(self.name, version, found, self._options)
        except Exception as error:
            self.failure = version, first_line(error)
            raise
        old, self.served, self.failure = self.served, fresh, None
        if old:
            old.retire()
        return True


class Models:
    """All served models by name. The first is the default."""

    def __init__(
        self,
        sources: Sequence[Source | Path],
        observe: Observer = lambda name, size: None,
        views: int = 1,
        workers: int = 0,
    ):
        """Load all; a path is served as it is. The probabilities are averaged over so many views of each
        picture. `workers`: in so many processes each .tflite model runs; 0: in the threads of the requests.

        Raises UserError if one cannot be loaded, or two have the same name."""
        self._slots: dict[str, Slot] = {}
        for given in sources:
            source = Source(given) if isinstance(given, Path) else given
            if source.name in self._slots:
                raise UserError(f'two models are named {source.name}: rename one of the files')
            slot = self._slots[source.name] = Slot(source, Options(observe, views, workers))
            if not slot.refresh():
                raise UserError(
                    f'there is no model {paths.shown(source.path)}: a .pb or .tflite file, or a folder of '
                    'versions (1.pb, 2.tflite)'
                )

    @property
    def names(self) -> list[str]:
        return list(self._slots)

    def slot(self, name: str) -> Slot:
        """Raises NoSuchModel."""
        if name not in self._slots:
            raise NoSuchModel(f'no model {name[:80]!r}; the models are {", ".join(self._slots)}')
        return self._slots[name]

    @contextmanager
    def use(self, name: str | None = None, version: int | None = None) -> Iterator[Served]:
        """The model of this name (default: the first). It stays open inside the `with`.

        Raises NoSuchModel.
        """
        slot = self.slot(name if name is not None else self.names[0])
        served = slot.served
        while not served.enter():  # it was replaced in this moment
            served = slot.served
        try:
            if version is not None and version != served.version:
                raise NoSuchModel(f'{served.name} is served in version {served.version}, not {version}')
            yield served
        finally:
            served.leave()

    def watch(self, seconds: float, stop: threading.Event) -> None:
        """Look for new versions every `seconds` until `stop` is set."""
        while not stop.wait(seconds):
            for slot in self._slots.values():
                try:
                    if slot.refresh():
                        say(f'{slot.name}: now serving version {slot.served.version}, {slot.served.file}')
                except Exception as error:  # of any kind: the other models are still watched
                    say(f'{slot.name}: {first_line(error)}; still serving version {slot.served.version}')

    @property
    def unready(self) -> list[str]:
        """The names of the models that cannot answer now."""
        return [name for name, slot in self._slots.items() if not slot.served.ready]

    def give_up(self) -> None:
        """Let the requests fail that are not answered yet."""
        for slot in self._slots.values():
            slot.served.give_up()

    def close(self) -> None:
        """Close all, at the end of the server."""
        for slot in self._slots.values():
            slot.served.end()
