"""How many pictures are at work at once: the bounded queue before everything that costs something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Busy(Exception):
    """No room now; ask again soon."""


class Gate:
    """Lets up to `room` pictures in; `observe` is told how many are. Closed, it lets none in."""

    def __init__(self, room: int, observe: Callable[[int], None] = lambda inside: None):
        self._room, self._observe = room, observe
        self._inside, self._open = 0, True
        self._changed = threading.Condition()

    @contextmanager
    def enter(self, pictures: int) -> Iterator[None]:
        """Raises Busy at once when there is no room, for more pictures than fit at any time too."""
        with self._changed:
            if not self._open:
                raise Busy('the server is stopping')
            if self._inside + pictures > self._room:
                raise Busy(f'the server is busy with {self._inside} pictures: try again in a second')
            self._count(pictures)
        try:
            yield
        finally:
            with self._changed:
                self._count(-pictures)

    @property
    def open(self) -> bool:
        return self._open

    def close(self) -> None:
        self._open = False

    def _count(self, pictures: int) -> None:
        self._inside += pictures
        self._observe(self._inside)
