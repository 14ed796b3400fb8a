"""Fetch one picture from the web, within limits of size and time."""

from __future__ import annotations

import functools
import socket
import threading
import time

import requests

from src.common.errors import UserError
from src.common.files import human_size
from src.downloads.addresses import is_public
from src.downloads.connections import Connections, follow, session
from src.downloads.http import NETWORK_FAULTS, shown_url, status_line, why

READ_SECONDS = 10  # without data; `seconds` of `fetch_image` limits the whole
CHUNK = 1 << 14


def fetch_image(
    url: str, max_bytes: int = 20_000_000, seconds: float = 20, *, public_only: bool = False
) -> bytes:
    """The bytes at an http or https address, after at most `connections.MAX_REDIRECTS` redirects.

    `seconds` limits the whole transfer. `public_only` is for addresses from untrusted clients: it connects to
    public IP addresses only (`addresses.is_public`), and without proxies. Raises UserError if the response is
    an error, empty, larger than `max_bytes`, or too slow.
    """
    dial = functools.partial(_dial, watch := _Watch(seconds), public_only)
    with watch, session(dial, trust_env=not public_only, Accept='image/*') as opened:
        try:
            with follow(opened, url, (READ_SECONDS, READ_SECONDS)) as answer:
                body = _body(answer, max_bytes)
        except (*NETWORK_FAULTS, ValueError) as error:  # ValueError: a redirect to a malformed address
            fault = None if watch.over() else why(error)
        else:
            fault = None
        # A connection that was shut down by the watch can also look like the end of the picture.
        if watch.over():
            raise UserError(f'{shown_url(url)} took longer than {seconds:g} s: save it, then give the file')
        if fault:
            raise UserError(f'cannot fetch {shown_url(url)} ({fault}): check the address and the network')
    return body


def _body(answer: requests.Response, max_bytes: int) -> bytes:
    name = shown_url(answer.url)
    if answer.status_code != 200:
        raise UserError(f'{name} answers {status_line(answer.status_code)}: check the address')
    if answer.headers.get('Content-Encoding', 'identity') != 'identity':
        raise UserError(f'{name} is sent compressed, which was not requested: save it, then give the file')
    announced = answer.headers.get('Content-Length', '')
    announced = int(announced) if announced.isdecimal() and len(announced) < 20 else None
    body = bytearray()
    # Not decoded: a compressed kilobyte could grow to gigabytes.
    blocks = answer.raw.stream(CHUNK, decode_content=False)
    while (announced or 0) <= max_bytes and len(body) <= max_bytes and (block := next(blocks, b'')):
        body += block
    if max(announced or 0, len(body)) > max_bytes:
        raise UserError(f'{name} is larger than {human_size(max_bytes)}: save it, then give the file')
    if announced is not None and len(body) < announced:
        raise requests.ConnectionError('short body')
    if not body:
        raise UserError(f'{name} is empty: check the address')
    return bytes(body)


class _Watch:
    """Cuts the connections of a fetch after `seconds`."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds
        self._connections = Connections()
        self._timer = threading.Timer(seconds, self._connections.cut)
        self._timer.daemon = True

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(self, *_) -> None:
        self._timer.cancel()
        self._timer.join()
        self._connections.close()

    def left(self) -> float:
        return max(0.001, self._end - time.monotonic())

    def over(self) -> bool:
        return time.monotonic() >= self._end

    def add(self, sock: socket.socket) -> None:
        self._connections.add(sock)
        if self.over():
            self._connections.cut()


def _dial(watch: _Watch, public_only: bool, host: str, port: int, seconds: float) -> socket.socket:
    """A socket to the host, at the address that was checked: a second look-up might return another one."""
    addresses = _look_up(host.strip('[]'), port, watch.left())
    if public_only and not all(map(is_public, addresses)):
        raise UserError(f'{host} is not on the public internet: only public addresses are fetched')
    for tried, address in enumerate(addresses, 1):
        try:
            sock = socket.create_connection((address, port), min(seconds, watch.left()))
        except OSError:
            if tried == len(addresses) or watch.over():
                raise
        else:
            watch.add(sock)
            return sock
    raise socket.gaierror(f'no address for {host}')


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """IP addresses of a host. Runs in a thread, as a look-up has no time limit and cannot be stopped."""
    found: list[str] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)
