"""The served models: loaded, found by name and version, and replaced while requests run.

A model is a frozen graph, NAME.pb, a LiteRT model, NAME.tflite, or a folder NAME of versions, 1.pb, 2.tflite
and so on. The highest version is served, as TensorFlow Serving does with its folders. A file that is replaced
becomes the next version. A request keeps the version that it began with; an old version is closed when its
last request has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.progress import say
from src.images.decode import encode_jpeg
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.runtimes.base import Predictor
from src.inference.server.batching import Batcher
from src.inference.versions import Found, Source
from src.inference.workers import CORES, Workers

Observer = Callable[[str, int], None]  # called with a model's name and the size of each batch


class NoSuchModel(Exception):
    """There is no model of this name, or not in this version."""


class Options(NamedTuple):
    """What `Models` says of all models."""

    observe: Observer
    views: int
    workers: int


class Served:
    """One version of a model. Requests of many threads may use it at the same time.

    A picture costs TensorFlow less in a batch, so the pictures of all requests go to `batcher`. LiteRT runs a
    picture at a time on one core: then `one_by_one` is set, a request with a single picture calls `answer` in
    its own thread, which saves handing it to another one, and `batcher` spreads several over the cores. It
    runs in `options.workers` processes (workers.py), or with 0 in the calling thread.
    """

    def __init__(self, name: str, version: int, found: Found, predictor: Predictor, options: Options):
        self.name, self.version, self.path, self.predictor = name, version, found.path, predictor
        self.labels = predictor.labels
        predictor.from_mixed([encode_jpeg(np.zeros((8, 8, 3), np.uint8))])  # the first run is slow
        self._observe = partial(options.observe, name)
        self.one_by_one, self._workers = not predictor.gains_by_batches, None
        if self.one_by_one:
            self._workers = Workers(found, options.workers) if options.workers else None
            self._cores = threading.Semaphore(CORES)
            self.batcher = Batcher(lambda rows: [self.answer(*rows)], most=1, at_once=CORES)
        else:
            self.batcher = Batcher(predictor.from_mixed, predictor.batch, observe=self._observe)
        self._users, self._retired = 0, False
        self._lock = threading.Lock()

    @property
    def file(self) -> str:
        """The path of its file, as messages show it."""
        return paths.shown(self.path)

    def answer(self, picture: bytes) -> np.ndarray | BadImage:
        """Probabilities [classes] float32 of a single encoded picture, or why it cannot be read; as many at
        once as there are cores."""
        if self._workers:
            answer = self._workers.answer(picture)
        else:
            with self._cores:
                (answer,) = self.predictor.from_mixed([picture])
        self._observe(1)
        return answer

    def enter(self) -> bool:
        """Begin to use it. Returns False if it is retired; otherwise call `leave` at the end."""
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
        """Close it as soon as no request uses it."""
        with self._lock:
            self._retired, idle = True, not self._users
        if idle:
            self._close()

    def _close(self) -> None:
        self.batcher.close()
        if self._workers:
            self._workers.close()
        self.predictor.close()


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
            predictor = load_model(found.path, weights_as_variables=False, views=self._options.views)
            fresh = Served(self.name, version, found, predictor, self._options)
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

    def close(self) -> None:
        for slot in self._slots.values():
            slot.served.retire()
