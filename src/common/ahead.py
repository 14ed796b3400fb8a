"""Prefetching: results are computed in threads while the caller works on earlier ones."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    window: int,
    threads: int,
    size: Callable[[Result], int] = lambda result: 0,
    most: int = 1,
) -> Iterator[Result]:
    """Like `map(function, items)`, but computed in threads, up to `window` results ahead of the caller.

    The results come in the order of the items. `items` is read in the caller's thread, as far as it is
    needed. An exception of `function` is raised in the place of its result; StopIteration ends the results,
    so `ahead(next, itertools.repeat(batches), 1, 1)` prepares the next batch of an iterator in one thread.
    When the caller stops early, calls that have not started are canceled.

    size: the bytes of a result. While `most` bytes wait for the caller, only the result that is next is
        computed, so that about `most` bytes and one result for each thread are held.
    """
    numbered = enumerate(items)
    waiting: deque[Future[Result]] = deque()
    room = _Room(function, size, most)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                # One more than `window`: the caller is about to take the first of them.
                new = islice(numbered, window + 1 - len(waiting))
                waiting.extend(pool.submit(room.computed, each) for each in new)
                if not waiting:
                    return
                try:
                    result = waiting.popleft().result()
                except StopIteration:
                    return
                yield result
                room.leave(result)
        finally:
            for future in waiting:
                future.cancel()
            room.open()


class _Room(Generic[Item, Result]):
    """The results that wait for the caller, of `most` bytes."""

    def __init__(self, function: Callable[[Item], Result], size: Callable[[Result], int], most: float):
        self._function, self._size, self._most = function, size, most
        self._held = self._next = 0  # bytes; the place of the result that the caller waits for
        self._changed = threading.Condition()

    def computed(self, numbered: tuple[int, Item]) -> Result:
        place, item = numbered
        with self._changed:
            self._changed.wait_for(lambda: self._held < self._most or place == self._next)
        result = self._function(item)
        with self._changed:
            self._held += self._size(result)
        return result

    def leave(self, result: Result) -> None:
        """The caller has done with the next result."""
        with self._changed:
            self._held -= self._size(result)
            self._next += 1
            self._changed.notify_all()

    def open(self) -> None:
        """Let all go on that wait."""
        with self._changed:
            self._most = float('inf')
            self._changed.notify_all()
