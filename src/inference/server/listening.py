"""The server's sockets, bound before a model is loaded, and its event loop (waitress)."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from waitress import create_server, wasyncore
from waitress.server import TcpWSGIServer

from src.common.errors import UserError

# Windows has no poll, and its select takes 512 sockets.
CONNECTIONS = 1000 if hasattr(select, 'poll') else 500
SILENT_SECONDS = 30  # a connection that sends nothing for this long is closed
# Most photos arrive in one or two turns of waitress' loop; with its default of 8 kB a dozen are needed.
RECEIVED_AT_ONCE = 1 << 17
# Head and body are sent together by waitress' loop; its default sends each separately, by threads.
SENT_AT_ONCE = 1 << 16
LOOP_SECONDS = 1  # between checks whether to stop, if nothing wakes the loop
STOP_SECONDS = 30
# It would print a line for each request that waits for a thread.
logging.getLogger('waitress.queue').setLevel(logging.ERROR)
LOCAL = {'0.0.0.0': '127.0.0.1', '::': '::1'}  # the address to open for "all networks"


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`, all bound to one port, and not listening yet.

    An IPv6 address may be in brackets. With port 0 the system chooses the port. Raises UserError if the host
    is unknown or not an address of this machine, or the port is taken.
    """
    host = _without_brackets(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(
            f'unknown --host {host!r}: give a name or an address of this machine, or 0.0.0.0 for all networks'
        ) from error
    bound, missing = [], None
    for family, *_, address in dict.fromkeys(found):
        try:
            bound.append(_bound(family, (address[0], port, *address[2:])))
        except OSError as error:
            # A name such as localhost may have an IPv6 address where IPv6 is disabled.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise _cannot_listen(host, port, error) from error
            missing = error
        else:
            port = bound[0].getsockname()[1]
    if not bound:
        raise _cannot_listen(host, port, missing) from missing
    return bound


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """The address to open in a browser on this machine."""
    host = _without_brackets(host)
    host = LOCAL.get(host, host)
    return f'http://{f"[{host}]" if ":" in host else host}:{sockets[0].getsockname()[1]}/'


class Listener:
    """Runs a WSGI application on `sockets` with `threads` threads; a request body has up to `max_bytes`."""

    def __init__(self, app: Callable, sockets: list[socket.socket], threads: int, max_bytes: int):
        self._map: dict = {}
        self._ended = threading.Event()
        try:
            self._server = create_server(
                app,
                map=self._map,
                sockets=sockets,
                threads=threads,
                connection_limit=CONNECTIONS,
                channel_timeout=SILENT_SECONDS,
                max_request_body_size=max_bytes,
                recv_bytes=RECEIVED_AT_ONCE,
                send_bytes=SENT_AT_ONCE,
                ident='',
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:  # another process bound it at the same moment, and listens first
            raise _cannot_listen(*sockets[0].getsockname()[:2], error) from error
        self._servers = [each for each in self._map.values() if isinstance(each, TcpWSGIServer)]

    def run(self) -> bool:
        """Answer requests until `stop` is called or Ctrl-C. Returns whether all requests were answered."""
        try:
            while not self._ended.is_set():
                wasyncore.loop(LOOP_SECONDS, use_poll=True, map=self._map, count=1)
        except KeyboardInterrupt:
            pass
        self._server.task_dispatcher.shutdown()
        return self._ended.is_set() and not self._busy()

    def stop(self) -> None:
        """Accept no more connections, and end `run` when all requests are answered. Returns at once."""
        for server in self._servers:
            wasyncore.dispatcher.close(server)  # not its trigger, which wakes the loop
        threading.Thread(target=self._end_when_idle, daemon=True).start()

    def _end_when_idle(self) -> None:
        """Wait until no request is in progress, for at most STOP_SECONDS, then end the loop."""
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and self._busy():
            time.sleep(0.05)
        self._ended.set()
        self._servers[0].pull_trigger()

    def _busy(self) -> bool:
        """Whether a request is in progress or a response is not sent yet."""
        return any(
            channel.requests or channel.total_outbufs_len
            for server in self._servers
            for channel in list(server.active_channels.values())
        )


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith('[') and host.endswith(']') else host


def _bound(family: int, address: tuple) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == 'posix':  # on Windows this would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _cannot_listen(host: str, port: int, error: OSError) -> UserError:
    """The error to raise: it names --host or --port, whichever is the cause."""
    where = f'[{host}]' if ':' in host else host
    cure = '--host' if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) else '--port'
    return UserError(f'cannot listen to {where}:{port} ({error.strerror}): choose another {cure}')
