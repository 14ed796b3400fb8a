"""Lightweight HTTP clients for a server on this machine: many connections in one thread.

Requests are prepared as bytes, and only status, length and body of an answer are read, so that the clients
take little CPU time from the server.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

READ = 1 << 16
PARALLEL = 16  # connections of `ask_once` at a time


@dataclass(frozen=True)
class Answer:
    """The answer to request number `index`: seconds from when it was due to the last byte, status (0: the
    connection was closed) and body."""

    index: int
    seconds: float
    status: int
    body: bytes


@dataclass
class _Connection:
    """A connection with at most one pending request."""

    sock: socket.socket
    busy: bool = False
    index: int = -1
    due: float = 0.0
    unsent: memoryview = field(default_factory=lambda: memoryview(b''))
    received: bytearray = field(default_factory=bytearray)


def post(path: str, body: bytes, kind: str = 'application/octet-stream') -> bytes:
    """An HTTP request as bytes."""
    head = f'POST {path} HTTP/1.1', 'Host: localhost', f'Content-Type: {kind}', f'Content-Length: {len(body)}'
    return '\r\n'.join((*head, '', '')).encode() + body


def ask(
    address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float, rate: float = 0
) -> list[Answer]:
    """Send `requests` again and again for some seconds, over a number of connections.

    Without a `rate` each connection sends its next request as soon as it has its answer. With one, `rate`
    requests a second fall due, however fast the server is, and wait for a free connection.
    """
    loop = _Loop(address, requests, rate)
    return loop.run(connections, seconds)


def ask_once(address: tuple[str, int], requests: Sequence[bytes]) -> list[int]:
    """The status of each request, 0 if the server closes the connection without an answer. Each has its own
    connection, which is closed for writing after it. Requests may be malformed."""

    def one(request: bytes) -> int:
        with socket.create_connection(address, 30) as connection:
            connection.settimeout(30)
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(64)
            except OSError:
                return 0
        return int(answer[9:12]) if answer.startswith(b'HTTP/') else 0

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(one, requests))


class _Loop:
    def __init__(self, address: tuple[str, int], requests: Sequence[bytes], rate: float):
        self._address, self._requests, self._rate = address, requests, rate
        self._selector = selectors.DefaultSelector()
        self._numbers = count()
        self._answers: list[Answer] = []

    def run(self, connections: int, seconds: float) -> list[Answer]:
        begun = time.perf_counter()
        end = begun + seconds
        idle = [self._connect() for _ in range(connections)]
        sent = 0
        while (now := time.perf_counter()) < end or len(idle) < connections:
            while idle and now < end and (due := self._due(begun, sent, now)) is not None:
                self._send(idle.pop(), due)
                sent += 1
            wait = 0.001 if self._rate and now < end else 0.1
            for key, events in self._selector.select(wait):
                if not key.data.busy:  # closed by the server
                    self._renew(key.data)
                elif self._serve(key.data, events):
                    idle.append(key.data)
            if now > end + 30:  # the server does not answer any more
                break
        for connection in idle:
            connection.sock.close()
        return self._answers

    def _due(self, begun: float, sent: int, now: float) -> float | None:
        """When the next request fell due; None if it is not due yet."""
        due = begun + sent / self._rate if self._rate else now
        return due if due <= now else None

    def _connect(self) -> _Connection:
        connection = _Connection(self._opened())
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)
        return connection

    def _opened(self) -> socket.socket:
        sock = socket.create_connection(self._address, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock

    def _renew(self, connection: _Connection) -> None:
        self._selector.unregister(connection.sock)
        connection.sock.close()
        connection.sock = self._opened()
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)

    def _send(self, connection: _Connection, due: float) -> None:
        connection.index = next(self._numbers) % len(self._requests)
        connection.busy, connection.due = True, due
        connection.unsent = memoryview(self._requests[connection.index])
        connection.received.clear()
        self._write(connection)
        if connection.unsent:
            self._selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _serve(self, connection: _Connection, events: int) -> bool:
        """Continue a request. Returns whether it is finished."""
        if events & selectors.EVENT_WRITE:
            self._write(connection)
            if not connection.unsent:
                self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
        if not events & selectors.EVENT_READ:
            return False
        try:
            block = connection.sock.recv(READ)
        except BlockingIOError:
            return False
        except OSError:
            block = b''
        connection.received += block
        return self._finished(connection, closed=not block)

    def _write(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):  # a closed connection is noticed when it is read
            connection.unsent = connection.unsent[connection.sock.send(connection.unsent) :]

    def _finished(self, connection: _Connection, closed: bool) -> bool:
        head, mark, body = bytes(connection.received).partition(b'\r\n\r\n')
        complete = mark and len(body) >= _length(head)
        if not complete and not closed:
            return False
        connection.busy, status = False, int(head[9:12]) if complete else 0
        self._answers.append(Answer(connection.index, time.perf_counter() - connection.due, status, body))
        if closed or b'connection: close' in head.lower():
            self._renew(connection)
        return True


def _length(head: bytes) -> int:
    """The Content-Length of an answer, 0 if it has none."""
    for line in head.lower().split(b'\r\n'):
        if line.startswith(b'content-length:'):
            return int(line[15:])
    return 0
