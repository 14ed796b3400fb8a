"""Prefetching: results are computed in threads while the caller works on earlier ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], window: int, threads: int
) -> Iterator[Result]:
    """Like `map(function, items)`, but computed in threads, up to `window` results ahead of the caller.

    The results come in the order of the items. `items` is read in the caller's thread, as far as it is
    needed. An exception of `function` is raised in the place of its result; StopIteration ends the results,
    so `ahead(next, itertools.repeat(batches), 1, 1)` prepares the next batch of an iterator in one thread.
    When the caller stops early, calls that have not started are canceled.
    """
    items = iter(items)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                # One more than `window`: the caller is about to take the first of them.
                new = islice(items, window + 1 - len(waiting))
                waiting.extend(pool.submit(function, item) for item in new)
                if not waiting:
                    return
                try:
                    result = waiting.popleft().result()
                except StopIteration:
                    return
                yield result
        finally:
            for future in waiting:
                future.cancel()
