"""Dynamic batching: pictures of many requests run through the graph together.

A picture costs less in a batch than alone. While a batch is computed, new pictures queue and form the next
one; an idle batcher runs a single picture at once, without waiting for more. Two batches run concurrently:
while one is in a single-threaded step or waits for Python's lock, the other keeps the cores busy. Clients
take turns (fairness/turns.py).

With `most` 1 it is a pool of threads, for the runtimes that run a picture at a time (models.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from src.inference.server.fairness import clients
from src.inference.server.fairness.turns import Turns

BATCH = 32
RUNS_AT_ONCE = 2
END_SECONDS = 2  # for its threads to end


class GivenUp(RuntimeError):
    """The batcher ends without an answer."""


class Batcher:
    """Collects rows from many threads and passes them in batches of up to `most` to `run`, which returns one
    answer per row, and is called for the client of the first row. `at_once` batches run concurrently.
    `observe` is called with the size of each batch."""

    def __init__(
        self,
        run: Callable[[list], Sequence],
        most: int = BATCH,
        at_once: int = RUNS_AT_ONCE,
        observe: Callable[[int], None] = lambda size: None,
    ):
        self._run, self._most, self._observe = run, most, observe
        self._waiting: Turns[tuple[Any, Future, str]] = Turns()
        self._running: set[Future] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name='batches', daemon=True) for _ in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, row: Any) -> Future:
        """A future with the answer to `row`, of the client whose request this thread answers. Raises GivenUp
        after `close`."""
        future: Future = Future()
        with self._changed:
            if self._closed:
                raise GivenUp('the batcher is closed')
            self._waiting.put((row, future, clients.current()))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what is queued, then end the threads. One that does not end in END_SECONDS is left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def give_up(self) -> None:
        """Take no more rows; those that are not answered yet fail with GivenUp."""
        with self._changed:
            self._closed = True
            futures = [*self._running, *(future for _, future, _ in self._waiting.get_all())]
            self._changed.notify_all()
        _fail(futures, GivenUp('the server is stopping'))

    def _work(self) -> None:
        while self._answer(self._next()):
            pass  # `_answer` has returned when the thread waits, so that it refers to no rows

    def _answer(self, batch: list[tuple[Any, Future, str]]) -> bool:
        """Answer some rows. Returns whether there were any."""
        if not batch:
            return False
        rows, futures, of_clients = zip(*batch, strict=True)
        try:
            with clients.serving(of_clients[0]):
                answers = self._run(list(rows))
            self._observe(len(rows))
        except Exception as error:  # raised again where the futures are read; the thread goes on
            _fail(futures, error)
        else:
            for future, answer in zip(futures, answers, strict=True):
                with suppress(InvalidStateError):  # it was given up
                    future.set_result(answer)
        with self._changed:
            self._running.difference_update(futures)
        return True

    def _next(self) -> list[tuple[Any, Future, str]]:
        """Up to `most` queued rows, as soon as there is one; empty when closed and all is answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = [self._waiting.get() for _ in range(min(self._most, len(self._waiting)))]
            self._running.update(future for _, future, _ in batch)
            return batch


def _fail(futures: Iterable[Future], error: Exception) -> None:
    for future in futures:
        with suppress(InvalidStateError):  # it is answered
            future.set_exception(error)
