"""Connections of clients: one request at a time each; some are closed so that there is room for others.

A connection that sends nothing is cheap to make and holds a file. When there are too many, the server does
not stop accepting: it closes a connection without a request in progress, of the client that has most of
them, the one that has been silent for longest. So no client locks out others. Requests that arrive too slowly
are cut off, and so are answers that are taken too slowly.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from src.inference.server.fairness.clients import client_of
from src.inference.server.http.arriving import Parser, Waiting

HEAD_SECONDS = 20  # in which the head of a request must arrive
# The speed at which a body must arrive, after the first seconds. The numbers are Apache's defaults
# (https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html).
BODY_SECONDS, BODY_BYTES_A_SECOND = 20, 500
TAKING_SECONDS = 120  # in which a client must take its answer
STALLED_SECONDS = 3  # a request of which nothing arrives for so long is not waited for when the server stops
QUIET_SECONDS = 1  # a client that keeps its connection may send its next request just when the server stops
ACCEPTED_AT_ONCE = 64


class Answer(WSGITask):
    """The answer to a request; the last one of its connection while the server stops."""

    def build_response_header(self) -> bytes:
        if self.channel.stopping and not self.channel.waiting:
            self.request.headers['CONNECTION'] = 'close'  # as if the client had asked for it
        return super().build_response_header()


class Refused(ErrorTask):
    """The answer to a request that the application does not see."""

    def execute(self) -> None:
        self.channel.adj.refused(self.request.error.code)
        super().execute()


class Connection(HTTPChannel):
    """The connection of a client."""

    task_class, error_task_class = Answer, Refused
    begun = 0.0  # when the request began to arrive, or its answer to be sent

    def parser_class(self, adj: Adjustments) -> Parser:
        """For the next request, which waits if another one is not answered yet."""
        return (Waiting if self.busy else Parser)(adj, self.client)

    def readable(self) -> bool:
        if self.waiting and not self.busy and not self.will_close and not self.close_when_flushed:
            with self.requests_lock:
                waiting, self.request = self.request, None
            self.received(waiting.data)
        return self.connected and super().readable()

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.begun = time.time()
        return super().received(data)

    def service(self) -> None:
        super().service()
        self.begun = time.time()

    def handle_close(self) -> None:
        if self.request is not None:
            self.request.close()
        super().handle_close()

    @property
    def client(self) -> str:
        return client_of(self.addr[0])

    @property
    def stopping(self) -> bool:
        return not self.server.accepting

    @property
    def busy(self) -> bool:
        """Whether a request is in progress, or its answer is not sent yet."""
        return bool(self.requests or self.total_outbufs_len)

    @property
    def waiting(self) -> bool:
        """Whether something has arrived behind the request that is in progress."""
        return isinstance(self.request, Waiting)

    @property
    def arriving(self) -> bool:
        """Whether a part of a request has arrived."""
        return self.request is not None and not self.busy

    def slow(self, now: float) -> bool:
        """Whether a request takes too long to arrive, or its client to take the answer."""
        seconds, request = now - self.begun, self.request
        if self.requests:
            return False
        if self.total_outbufs_len:
            return seconds > TAKING_SECONDS
        if request is None:
            return False
        if not request.headers_finished:
            return seconds > HEAD_SECONDS
        return seconds > BODY_SECONDS + request.body_bytes_received / BODY_BYTES_A_SECOND

    def done(self, stopped_at: float) -> bool:
        """Whether it can be closed, given the time at which the server began to stop."""
        if self.busy:
            return False
        quiet = time.time() - max(self.last_activity, stopped_at)
        if quiet < (STALLED_SECONDS if self.request is not None else QUIET_SECONDS):
            return False
        return not _readable(self.socket)


class Acceptor(TcpWSGIServer):
    """Accepts the connections to a socket."""

    channel_class = Connection
    looked = 0.0  # for slow connections

    def readable(self) -> bool:
        super().readable()  # looks for silent connections
        return self.accepting

    def handle_accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before:
                return
            if len(self._map) > self.adj.connection_limit:
                self._make_room()

    def close_slow(self) -> None:
        """Close the connections that are silent or slow. Not called by the loop, which has a list of them."""
        now = time.time()
        if now < self.looked + self.adj.cleanup_interval:
            return
        self.looked = now
        for connection in list(self.active_channels.values()):
            # One that waitress marks would be closed only once its client takes some bytes.
            if connection.slow(now) or (connection.will_close and not connection.requests):
                connection.handle_close()

    def _make_room(self) -> None:
        """Close a connection without a request in progress."""
        idle = [
            each
            for each in self._map.values()
            if isinstance(each, Connection) and not each.busy and not each.will_close
        ]
        if idle:
            least_needed(idle).will_close = True  # the loop closes it


def least_needed(connections: list[Connection]) -> Connection:
    """Of the client with most of the connections, the one that has been silent for longest."""
    number = Counter(each.client for each in connections)
    most = max(number.values())
    return min((each for each in connections if number[each.client] == most), key=lambda c: c.last_activity)


def _readable(sock: socket.socket) -> bool:
    """Whether bytes of a client have arrived that were not read."""
    if make := getattr(select, 'poll', None):  # which Windows lacks
        poll = make()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])
