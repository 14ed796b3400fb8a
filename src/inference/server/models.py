"""The served models: loaded, found by name and version, and replaced while requests run.

A model is a frozen graph, NAME.pb, a LiteRT model, NAME.tflite, or a folder NAME of versions, 1.pb, 2.tflite
and so on. The highest version is served, as TensorFlow Serving does with its folders. A file that is replaced
becomes the next version. A request keeps the version that it began with; an old version is closed when its
last request has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError  # another one than the built-in before Python 3.11
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.progress import say
from src.images.faults import BadImage
from src.inference.server.admission import Busy
from src.inference.server.batching import Batcher
from src.inference.versions import Found, Source
from src.inference.workers import CORES, NoneLeft, load_served

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

    Raises UserError, or TensorFlow's error, if it cannot be loaded or run.
    """

    def __init__(self, name: str, version: int, found: Found, options: Options):
        self.name, self.version, self.path = name, version, found.path
        self.predictor, self._workers = load_served(found, options.views, options.workers)
        self.labels = self.predictor.labels
        self._observe = partial(options.observe, name)
        self.one_by_one = not self.predictor.gains_by_batches
        if self.one_by_one:
            self._cores = threading.Semaphore(CORES)
            self.batcher = Batcher(lambda rows: [self.answer(*rows)], most=1, at_once=CORES)
        else:
            self.batcher = Batcher(self.predictor.from_mixed, self.predictor.batch, observe=self._observe)
        self._users, self._retired = 0, False
        self._lock = threading.Lock()

    @property
    def file(self) -> str:
        """The path of its file, as messages show it."""
        return paths.shown(self.path)

    @property
    def ready(self) -> bool:
        """Whether it can answer now."""
        return self._workers is None or self._workers.ready

    def answer(self, picture: bytes) -> np.ndarray | BadImage:
        """Probabilities [classes] float32 of a single encoded picture, or why it cannot be read; as many at
        once as there are cores. Raises Busy, and `workers.Failed`."""
        if self._workers:
            answer = self._from_worker(picture)
        else:
            with self._cores:
                (answer,) = self.predictor.from_mixed([picture])
        self._observe(1)
        return answer

    def probabilities(self, picture: bytes, pixels: np.ndarray) -> np.ndarray:
        """Those of a single picture [classes] float32, given encoded and as pixels of the reader. The network
        of a .tflite file does not run in the server itself if there are workers. Raises as `answer` does."""
        if not self._workers:
            return self.predictor.from_pixels(pixels[None])[0]
        answer = self._from_worker(picture)
        if isinstance(answer, BadImage):
            raise answer
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

    def end(self) -> None:
        """Close it, and let the requests that still use it fail."""
        self.retire()
        self.give_up()

    def give_up(self) -> None:
        """Let the pictures fail that are not answered yet: the requests that wait for them end with Busy."""
        if self._workers:
            self._workers.close()
        self.batcher.give_up()

    def _from_worker(self, picture: bytes) -> np.ndarray | BadImage:
        try:
            return self._workers.answer(picture)
        except (TimeoutError, NoneLeft) as error:
            raise Busy(f'{error}: try again later') from error

    def _close(self) -> None:
        if self._workers:  # which may hold up the threads of the batcher
            self._workers.close()
        self.batcher.close()
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
