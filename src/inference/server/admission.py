"""How much is at work at once: the bounded queue before everything that costs something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Busy(Exception):
    """No room now; ask again soon."""


class TooMuch(Exception):
    """More than there is ever room for."""


class AdmissionLimit:
    """Lets in up to `room` of something, pictures or bytes; `observe` is told how many are inside. Closed,
    it lets none in."""

    def __init__(self, room: int, observe: Callable[[int], None] = lambda inside: None):
        self.room, self.open = room, True
        self._observe, self._inside = observe, 0
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """Raises Busy at once when there is no room now, and TooMuch when there never is."""
        with self._lock:
            if size > self.room:
                raise TooMuch(f'{size:,} at once, of which {self.room:,} are taken: send less in one request')
            if not self.open:
                raise Busy('the server is stopping')
            if self._inside + size > self.room:
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
