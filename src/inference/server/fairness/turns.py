"""Clients take turns: each gets the next place in turn, however many places the others wait for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Generic, TypeVar

from src.common.process.budget import Unavailable
from src.inference.server.fairness import clients

T = TypeVar('T')


class Turns(Generic[T]):
    """A queue from which the clients that put something in are served in turn. Not thread-safe."""

    def __init__(self):
        self._queues: dict[str, deque[T]] = {}  # of the clients that have something in it, the next first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, item: T) -> None:
        """Add something of the client whose request this thread answers."""
        client = clients.current()
        queue = self._queues.get(client)
        if queue is None:
            queue = self._queues[client] = deque()
        queue.append(item)
        self._size += 1

    def get(self) -> T:
        """The oldest item of the client whose turn it is. Raises IndexError if it is empty."""
        if not self._queues:
            raise IndexError('empty')
        client = next(iter(self._queues))
        queue = self._queues.pop(client)
        item = queue.popleft()
        self._size -= 1
        if queue:
            self._queues[client] = queue  # as the last one
        return item

    def get_all(self) -> list[T]:
        return [self.get() for _ in range(len(self))]


class _Waiter:
    """A thread that waits: `lock` is released once `thing` is there for it."""

    def __init__(self):
        self.lock, self.thing, self.left = threading.Lock(), None, False
        self.lock.acquire()


class Shared(Generic[T]):
    """Some things that many threads use one at a time each, such as processes; clients take turns.

    A thing is handed to a thread by releasing the lock on which this thread waits: a condition would halve
    the throughput of small models."""

    def __init__(self, *things: T):
        self._things = deque(things)
        self._waiting: Turns[_Waiter] = Turns()
        self._lock = threading.Lock()
        self._given_up = False

    def put(self, thing: T) -> None:
        """Give it to the next thread that waits."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.get()
                if not waiter.left:
                    waiter.thing = thing
                    waiter.lock.release()
                    return
            self._things.append(thing)

    def get(self, timeout: float = -1) -> T:
        """Take one as soon as it is this thread's turn. Raises Empty after `timeout` seconds (-1: never), and
        after `give_up`."""
        with self._lock:
            if self._things:
                return self._things.popleft()
            if self._given_up:
                raise Empty
            waiter = _Waiter()
            self._waiting.put(waiter)
        if not waiter.lock.acquire(timeout=timeout):
            with self._lock:
                if waiter.thing is None:
                    waiter.left = True
        if waiter.left:
            raise Empty
        return waiter.thing

    def give_up(self) -> None:
        """Let the threads fail that wait, now and later."""
        with self._lock:
            self._given_up = True
            for waiter in self._waiting.get_all():
                if not waiter.left:
                    waiter.left = True
                    waiter.lock.release()

    def get_all(self) -> list[T]:
        """Take all that no thread has."""
        with self._lock:
            taken = list(self._things)
            self._things.clear()
            return taken

    def qsize(self) -> int:
        return len(self._things)

    @contextmanager
    def one(self, timeout: float = -1) -> Iterator[T]:
        """Inside, one of them is this thread's. Raises Unavailable where `get` raises Empty."""
        try:
            thing = self.get(timeout)
        except Empty:
            raise Unavailable('the server has no time for this picture now: try again later') from None
        try:
            yield thing
        finally:
            self.put(thing)
