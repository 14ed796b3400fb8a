"""Dynamic batching: pictures of many requests run through the graph together.

A picture costs less in a batch than alone. While a batch is computed, new pictures queue and form the next
one; an idle batcher runs a single picture at once, without waiting for more. Two batches run concurrently:
while one is in a single-threaded step or waits for Python's lock, the other keeps the cores busy.

With `most` 1 it is a pool of threads, for the runtimes that run a picture at a time (models.py).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

BATCH = 32
RUNS_AT_ONCE = 2


class Batcher:
    """Collects rows from many threads and passes them in batches of up to `most` to `run`, which returns one
    answer per row. `at_once` batches run concurrently. `observe` is called with the size of each batch."""

    def __init__(
        self,
        run: Callable[[list], Sequence],
        most: int = BATCH,
        at_once: int = RUNS_AT_ONCE,
        observe: Callable[[int], None] = lambda size: None,
    ):
        self._run, self._most, self._observe = run, most, observe
        self._waiting: deque[tuple[Any, Future]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name='batches', daemon=True) for _ in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, row: Any) -> Future:
        """A future with the answer to `row`. Raises RuntimeError after `close`."""
        future: Future = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError('closed')
            self._waiting.append((row, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what is queued, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            rows, futures = zip(*batch, strict=True)
            try:
                answers = self._run(list(rows))
                self._observe(len(rows))
            except Exception as error:  # raised again where the futures are read; the thread goes on
                for future in futures:
                    future.set_exception(error)
            else:
                for future, answer in zip(futures, answers, strict=True):
                    future.set_result(answer)

    def _next(self) -> list[tuple[Any, Future]]:
        """Up to `most` queued rows, as soon as there is one; empty when closed and all is answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
