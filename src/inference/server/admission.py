"""Admission limit: the bound on how much is in progress at once, checked before any expensive work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Busy(Exception):
    """The limit is reached now; a later request may succeed."""


class TooMuch(Exception):
    """One request asks for more than the limit."""


class AdmissionLimit:
    """Admits up to `limit` pictures or bytes at once.

    `open`: False once the server stops; what arrives until then on open connections is still admitted.
    `observe` is called with the number inside whenever it changes.
    """

    def __init__(self, limit: int, observe: Callable[[int], None] = lambda inside: None):
        self.limit, self.open = limit, True
        self._observe, self._inside = observe, 0
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """Counts `size` as inside while the body runs. Raises Busy at once where the limit is reached, and
        TooMuch for a `size` above the limit."""
        with self._lock:
            if size > self.limit:
                raise TooMuch(f'{size:,} at once exceed the limit {self.limit:,}: send less in one request')
            if self._inside + size > self.limit:
                raise Busy('the server is busy: try again in a second')
            self._count(size)
        try:
            yield
        finally:
            with self._lock:
                self._count(-size)

    def close(self) -> None:
        self.open = False

    def _count(self, size: int) -> None:
        self._inside += size
        self._observe(self._inside)
