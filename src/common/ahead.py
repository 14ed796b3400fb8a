"""Computing ahead of the reader, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice


def ahead(function: Callable, items: Iterable, window: int, threads: int) -> Iterator:
    """`map(function, items)` in threads that stay at most `window` items ahead of the reader."""
    items = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future] = deque()
        try:
            while True:
                waiting.extend(pool.submit(function, item) for item in islice(items, window - len(waiting)))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
