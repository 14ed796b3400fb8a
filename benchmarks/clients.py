"""Clients for a web server on this machine: many connections from one thread, as light as Python can.

Requests are bytes made beforehand, and of an answer only its status, length and body are looked at, so
that the clients take little of what the server could use.
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
LINES = 16  # connections of `ask_once` at a time


@dataclass(frozen=True)
class Answer:
    """One request: which it was, seconds from when it was due to its last byte, status (0: the connection
    broke) and body."""

    which: int
    seconds: float
    status: int
    body: bytes


@dataclass
class _Line:
    """A connection with at most one request under way."""

    sock: socket.socket
    busy: bool = False
    which: int = -1
    due: float = 0.0
    unsent: memoryview = field(default_factory=lambda: memoryview(b''))
    received: bytearray = field(default_factory=bytearray)


def post(path: str, body: bytes, kind: str = 'application/octet-stream') -> bytes:
    """A request as it goes over the line."""
    head = f'POST {path} HTTP/1.1', 'Host: localhost', f'Content-Type: {kind}', f'Content-Length: {len(body)}'
    return '\r\n'.join((*head, '', '')).encode() + body


def ask(
    address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float, rate: float = 0
) -> list[Answer]:
    """Send `requests` over and over for some seconds, over so many connections.

    Without a `rate` each connection sends its next request when it has its answer. With one, requests
    fall due `rate` times a second whatever the server does, and wait for a free connection.
    """
    loop = _Loop(address, requests, rate)
    return loop.run(connections, seconds)


def ask_once(address: tuple[str, int], requests: Sequence[bytes]) -> list[int]:
    """The status of each request, on a connection of its own that is closed for writing behind it; 0 when
    the server closes it without a word. They need not be proper requests."""

    def one(request: bytes) -> int:
        with socket.create_connection(address, 30) as line:
            line.settimeout(30)
            try:
                line.sendall(request)
                line.shutdown(socket.SHUT_WR)
                answer = line.recv(64)
            except OSError:
                return 0
        return int(answer[9:12]) if answer.startswith(b'HTTP/') else 0

    with ThreadPoolExecutor(LINES) as pool:
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
                if not key.data.busy:  # closed by the server meanwhile
                    self._renew(key.data)
                elif self._serve(key.data, events):
                    idle.append(key.data)
            if now > end + 30:  # a server that answers no more
                break
        for line in idle:
            line.sock.close()
        return self._answers

    def _due(self, begun: float, sent: int, now: float) -> float | None:
        """When the next request fell due; None when it has not yet."""
        due = begun + sent / self._rate if self._rate else now
        return due if due <= now else None

    def _connect(self) -> _Line:
        line = _Line(self._opened())
        self._selector.register(line.sock, selectors.EVENT_READ, line)
        return line

    def _opened(self) -> socket.socket:
        sock = socket.create_connection(self._address, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock

    def _renew(self, line: _Line) -> None:
        self._selector.unregister(line.sock)
        line.sock.close()
        line.sock = self._opened()
        self._selector.register(line.sock, selectors.EVENT_READ, line)

    def _send(self, line: _Line, due: float) -> None:
        line.which = next(self._numbers) % len(self._requests)
        line.busy, line.due, line.unsent = True, due, memoryview(self._requests[line.which])
        line.received.clear()
        self._write(line)
        if line.unsent:
            self._selector.modify(line.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, line)

    def _serve(self, line: _Line, events: int) -> bool:
        """Go on with one request. Returns whether it is over."""
        if events & selectors.EVENT_WRITE:
            self._write(line)
            if not line.unsent:
                self._selector.modify(line.sock, selectors.EVENT_READ, line)
        if not events & selectors.EVENT_READ:
            return False
        try:
            block = line.sock.recv(READ)
        except BlockingIOError:
            return False
        except OSError:
            block = b''
        line.received += block
        return self._over(line, broken=not block)

    def _write(self, line: _Line) -> None:
        with contextlib.suppress(OSError):  # a broken connection is seen when it is read
            line.unsent = line.unsent[line.sock.send(line.unsent) :]

    def _over(self, line: _Line, broken: bool) -> bool:
        head, mark, body = bytes(line.received).partition(b'\r\n\r\n')
        whole = mark and len(body) >= _length(head)
        if not whole and not broken:
            return False
        line.busy, status = False, int(head[9:12]) if whole else 0
        self._answers.append(Answer(line.which, time.perf_counter() - line.due, status, body))
        if broken or b'connection: close' in head.lower():
            self._renew(line)
        return True


def _length(head: bytes) -> int:
    for line in head.lower().split(b'\r\n'):
        if line.startswith(b'content-length:'):
            return int(line[15:])
    return 0
