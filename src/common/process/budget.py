"""A budget of bytes over all threads of a process."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterator

from src.common.process import memory

SMALL_SHARE = 4  # a task is small up to this fraction of what is kept for small ones
SLOW_SECONDS = 1
GIVEN_BACK = 64 << 20  # bytes from which on the freed memory of a task is returned to the system


class Unavailable(Exception):
    """What a task waited for was not free in time."""


class Budget:
    """Bytes for tasks in many threads. The methods are thread-safe.

    total: bytes that all tasks hold at most.
    most: bytes that a single task holds at most; all large tasks together get as many. The rest is kept for
        small ones, so that they never wait for large ones.

    `patience`: the seconds that a task waits; None for as long as it takes.
    """

    patience: float | None = None

    def __init__(self, total: int, most: int):
        self._large, self._small = _Pool(most), _Pool(total - most)
        self._limit = (total - most) // SMALL_SHARE
        self._slow = _Pool(max(1, (os.cpu_count() or 1) // 2))  # other tasks always find a core
        self._held = threading.local()

    @contextlib.contextmanager
    def held(self, number: int, seconds: float = 0) -> Iterator[None]:
        """Hold so many bytes (at most `most`) inside, for a task that takes so many seconds of CPU time;
        waits for them. Large tasks get them in the order in which they came, and so do small ones. Raises
        Unavailable after `patience` seconds, and after `give_up`.

        A thread that holds bytes gets no more: what it does inside counts as part of its task.
        """
        if getattr(self._held, 'any', False):
            yield
            return
        pool = self._small if number <= self._limit else self._large
        number, slow = min(number, pool.size), int(seconds > SLOW_SECONDS)
        deadline = None if self.patience is None else time.monotonic() + self.patience
        if slow:
            self._slow.take(slow, deadline)
        try:
            pool.take(number, deadline)
            self._held.any = True
            try:
                yield
            finally:
                self._held.any = False
                pool.put(number)
        finally:
            if slow:
                self._slow.put(slow)
            if number >= GIVEN_BACK and self._large.idle:
                memory.give_back()

    def give_up(self) -> None:
        """Let the tasks fail that wait, now and later."""
        for pool in (self._large, self._small, self._slow):
            pool.give_up()

    @property
    def free(self) -> int:
        """The bytes that nobody holds."""
        return self._small.free + self._large.free


class _Pool:
    """A number that is given out in parts, in the order in which they are asked for."""

    def __init__(self, size: int):
        self.size = self.free = size
        self._waiting: deque[object] = deque()
        self._given_up = False
        self._changed = threading.Condition()

    @property
    def idle(self) -> bool:
        return self.free == self.size

    def take(self, number: int, deadline: float | None) -> None:
        """Wait for so many, at most `size`, until a time of `time.monotonic`. Raises Unavailable."""
        with self._changed:
            if self._waiting or self.free < number:
                self._wait(number, deadline)
            self.free -= number

    def put(self, number: int) -> None:
        with self._changed:
            self.free += number
            if self._waiting:
                self._changed.notify_all()

    def give_up(self) -> None:
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def _wait(self, number: int, deadline: float | None) -> None:
        place = object()

        def over() -> bool:
            return self._given_up or (self._waiting[0] is place and self.free >= number)

        self._waiting.append(place)
        try:
            in_time = self._changed.wait_for(over, None if deadline is None else deadline - time.monotonic())
        finally:
            self._waiting.remove(place)
            self._changed.notify_all()
        if self._given_up or not in_time:
            raise Unavailable('there is no memory for this picture now: try again later')
