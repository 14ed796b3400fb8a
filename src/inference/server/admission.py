"""Admission limit: the bound on how much is in progress at once, checked before any expensive work."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from src.inference.server.fairness import clients

# A request waits so long for the memory that decoding takes, and for its turn to decode; then it is answered
# 503.
WAIT_SECONDS = 30


class Busy(Exception):
    """The limit is reached now; a later request may succeed."""


class TooMuch(Exception):
    """One request asks for more than the limit."""


class AdmissionLimit:
    """Admits up to `limit` pictures or bytes at once, up to `per_client` (default: `limit`) of one client.

    `unit`: what messages call them.
    `open`: False once the server stops; what arrives until then on open connections is still admitted.
    `observe` is called with the number inside whenever it changes.
    """

    def __init__(
        self,
        limit: int,
        observe: Callable[[int], None] = lambda inside: None,
        per_client: int | None = None,
        unit: str = 'bytes',
    ):
        self.limit, self.unit, self.open = limit, unit, True
        self.per_client = min(limit, per_client or limit)
        self._observe, self._inside = observe, 0
        self._of_clients: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """Counts `size` as inside while the body runs. Raises as `take` does."""
        client = clients.current()
        self.take(size, client)
        try:
            yield
        finally:
            self.put(size, client)

    def take(self, size: int, client: str) -> None:
        """Counts `size` of a client as inside, until `put`. Raises Busy at once where the limit is reached,
        and TooMuch for a `size` above the limit."""
        with self._lock:
            if size > self.per_client:
                raise TooMuch(
                    f'{size:,} {self.unit} at once are more than the limit of {self.per_client:,}: '
                    'send fewer in one request'
                )
            if self._inside + size > self.limit:
                raise Busy('the server is busy: try again in a second')
            if self._of_clients[client] + size > self.per_client:
                raise Busy('the server is busy with other requests of yours: try again in a second')
            self._count(client, size)

    def put(self, size: int, client: str) -> None:
        with self._lock:
            self._count(client, -size)
            if not self._of_clients[client]:
                del self._of_clients[client]

    @property
    def inside(self) -> int:
        return self._inside

    def close(self) -> None:
        self.open = False

    def _count(self, client: str, size: int) -> None:
        self._of_clients[client] += size
        self._inside += size
        self._observe(self._inside)
