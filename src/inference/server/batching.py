"""Pictures of many requests, run through one graph together.

A graph run costs little more for 32 pictures than for a few, so while one batch is computed the
pictures that arrive wait for the next, and go together. A batch also waits a moment for pictures that
are being decoded; where there are none, nobody waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

BATCH = 32
PATIENCE = 0.005  # seconds that a batch waits for what is on its way


class Batcher:
    """Gathers rows from many threads and hands them to `run` [N, ...] -> [N, ...] in batches of up to
    `most`. `observe` is told the size of each batch."""

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        most: int = BATCH,
        observe: Callable[[int], None] = lambda size: None,
    ):
        self._run, self._most, self._observe = run, most, observe
        self._coming = 0
        self._waiting: deque[tuple[np.ndarray, Future]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name='batches', daemon=True)
        self._thread.start()

    def expect(self, rows: int) -> None:
        """So many more rows will be submitted; if negative, so many will not be after all."""
        with self._changed:
            self._coming += rows
            self._changed.notify()

    def submit(self, row: np.ndarray) -> Future:
        """The future answer to one row that was expected. Raises RuntimeError after `close`."""
        future: Future = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError('closed')
            self._coming -= 1
            self._waiting.append((row, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            rows, futures = zip(*batch, strict=True)
            try:
                answers = self._run(np.stack(rows))
                self._observe(len(rows))
            except Exception as error:  # theirs to report; the thread goes on
                for future in futures:
                    future.set_exception(error)
            else:
                for future, answer in zip(futures, answers, strict=True):
                    future.set_result(answer)

    def _next(self) -> list[tuple[np.ndarray, Future]]:
        """Up to `most` of what waits, once anything does; nothing when closed and all is answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._complete, PATIENCE)
            return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]

    def _complete(self) -> bool:
        """Whether waiting longer would add nothing to the next batch."""
        return self._coming <= 0 or len(self._waiting) >= self._most or self._closed
