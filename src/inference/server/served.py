"""One version of a model that is served: it answers pictures of many requests at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError  # another one than the built-in before Python 3.11
from functools import partial
from typing import NamedTuple

import numpy as np

from src.common import paths
from src.images.faults import BadImage
from src.inference.server.admission import Busy
from src.inference.server.batching import Batcher
from src.inference.server.fairness.turns import Shared
from src.inference.server.loading import load_served
from src.inference.versions import Found
from src.inference.workers import CORES, NoneLeft

Observer = Callable[[str, int], None]  # called with a model's name and the size of each batch


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

    `replaces`: whether another version is served already, which a crash would end (loading.py).

    Raises UserError, or TensorFlow's error, if it cannot be loaded or run.
    """

    def __init__(self, name: str, version: int, found: Found, options: Options, replaces: bool = False):
        self.name, self.version, self.path = name, version, found.path
        self.predictor, self._workers = load_served(found, options.views, options.workers, replaces)
        self.labels = self.predictor.labels
        self._observe = partial(options.observe, name)
        self.one_by_one = not self.predictor.gains_by_batches
        if self.one_by_one:
            self._cores = Shared(*range(CORES))
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
            with self._cores.one():
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
