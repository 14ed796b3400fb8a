"""The event loop of the server (waitress): its connections, how many there may be, and how it stops.

When it stops, it accepts what is connected already, closes the sockets that it listens to, answers what has
arrived, and says `Connection: close` with each answer, so that clients that keep their connections leave
too. All this happens in the thread of the loop.
"""

from __future__ import annotations

import logging
import select
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from src.common.consts import RECEIVED_BYTES
from src.inference.server.admission import AdmissionLimit
from src.inference.server.http.connections import Acceptor, Connection
from src.inference.server.http.sockets import cannot_listen
from src.inference.server.http.tokens import Tokens

CONNECTIONS = 1000
# Windows has no poll, and its select takes 512 sockets.
SELECTABLE = 500
SILENT_SECONDS = 30  # a connection that sends nothing for this long is closed
CHECK_SECONDS = 5  # between looks for silent connections
# Most photos arrive in one or two turns of waitress' loop; with its default of 8 kB a dozen are needed.
RECEIVED_AT_ONCE = 1 << 17
# Head and body are sent together by waitress' loop; its default sends each separately, by threads.
SENT_AT_ONCE = 1 << 16
# An answer waits in memory: its size follows from the number of pictures and classes.
ANSWER_BYTES = 1 << 30
BODY_IN_MEMORY = 1 << 17  # bytes; a larger one waits in a temporary file
HEAD_BYTES = 1 << 15  # as in nginx: https://nginx.org/en/docs/http/ngx_http_core_module.html
LOOP_SECONDS = 1  # between checks whether to stop, if nothing wakes the loop
# Kubernetes kills a process 30 seconds after SIGTERM; the processes of the models need a few to end.
STOP_SECONDS = 25
LATE_SECONDS = 20  # after which a stopping server gives up what is not answered
STOPPING_LOOP_SECONDS = 0.05
# It would print a line for each request that waits for a thread.
logging.getLogger('waitress.queue').setLevel(logging.ERROR)


class Outcome(NamedTuple):
    """What was left when the server ended: requests without an answer, requests of which a part had arrived,
    and answers that their clients had not taken."""

    unanswered: int = 0
    arriving: int = 0
    unsent: int = 0

    def __str__(self) -> str:
        left = [
            f'{number:,} {what}'
            for number, what in (
                (self.unanswered, 'not answered'),
                (self.unsent, 'answered, but the client did not take the whole answer'),
                (self.arriving, 'cut off, as they had not arrived in whole'),
            )
            if number
        ]
        answered = 'not all' if self.unanswered else 'all'
        return '; '.join([f'{answered} requests that had arrived were answered', *left])


class Listener:
    """Runs a WSGI application on `sockets` with `threads` threads; a request body has up to `max_bytes`. A
    body without a token that `tokens` needs is refused. `refused` is called with the status of each answer
    that the application does not give.

    Raises UserError if a socket cannot be listened to."""

    def __init__(
        self,
        app: Callable,
        sockets: list,
        threads: int,
        max_bytes: int,
        tokens: Tokens | None = None,
        refused: Callable[[int], None] = lambda status: None,
    ):
        self._map: dict = {}
        self._stopped_at: float | None = None
        self._cut_off = 0  # requests
        self._threads = ThreadedTaskDispatcher()
        self._threads.set_thread_count(threads)
        settings = _settings(sockets, threads, max_bytes, tokens)
        settings.refused = refused  # for connections.Refused
        try:
            self._acceptors = [self._acceptor(app, each, settings) for each in sockets]
        except OSError as error:  # another process bound it at the same moment, and listens first
            raise cannot_listen(*sockets[0].getsockname()[:2], error) from error

    def _acceptor(self, app: Callable, sock, settings: Adjustments) -> Acceptor:
        about = sock.family, sock.type, sock.proto, sock.getsockname()
        return Acceptor(app, self._map, True, sock, self._threads, settings, about, bind_socket=False)

    def run(self, give_up: Callable[[], None] = lambda: None) -> Outcome:
        """Answer requests until `stop` is called and all are answered, or Ctrl-C.

        Ends STOP_SECONDS after `stop` in any case. `give_up` is called after LATE_SECONDS in a thread of its
        own: it should make the requests that are not answered fail."""
        try:
            while self._stopped_at is None:
                wasyncore.loop(LOOP_SECONDS, use_poll=True, map=self._map, count=1)
                for acceptor in self._acceptors:
                    acceptor.close_slow()
            self._stop_accepting()
            self._finish(give_up)
        except KeyboardInterrupt:
            self._stop_accepting()
        self._threads.set_thread_count(0)
        return self._outcome()

    def stop(self) -> None:
        """Accept no more connections, and end `run` when all requests are answered. Returns at once."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._acceptors[0].pull_trigger()

    def _stop_accepting(self) -> None:
        """Accept the connections that clients have made already, and close the sockets."""
        with selectors.DefaultSelector() as selector:
            for acceptor in self._acceptors:
                if not acceptor.accepting:
                    continue
                selector.register(acceptor.socket, selectors.EVENT_READ)
                for _ in range(acceptor.adj.connection_limit):
                    if not selector.select(0):
                        break
                    acceptor.handle_accept()
                selector.unregister(acceptor.socket)
                wasyncore.dispatcher.close(acceptor)  # not its trigger, which wakes the loop

    def _finish(self, give_up: Callable[[], None]) -> None:
        """Close each connection that has its answers, until there is none, or it is STOP_SECONDS later."""
        late = threading.Thread(target=give_up, daemon=True)
        stopped_at = time.time()
        while self._connections():
            wasyncore.loop(STOPPING_LOOP_SECONDS, use_poll=True, map=self._map, count=1)
            seconds = time.monotonic() - self._stopped_at
            if seconds > STOP_SECONDS:
                return
            if seconds > LATE_SECONDS and late.ident is None:
                late.start()
            for connection in self._connections():
                if connection.done(stopped_at):
                    self._cut_off += connection.arriving
                    connection.handle_close()

    def _connections(self) -> list[Connection]:
        return [each for each in list(self._map.values()) if isinstance(each, Connection)]

    def _outcome(self) -> Outcome:
        left = self._connections()
        return Outcome(
            sum(len(each.requests) for each in left),
            self._cut_off + sum(each.request is not None for each in left),
            sum(bool(each.total_outbufs_len) and not each.requests for each in left),
        )


def _settings(sockets: list, threads: int, max_bytes: int, tokens: Tokens | None) -> Adjustments:
    limit = most_connections()
    made = Adjustments(
        sockets=sockets,
        threads=threads,
        connection_limit=limit,
        channel_timeout=SILENT_SECONDS,
        cleanup_interval=CHECK_SECONDS,
        recv_bytes=RECEIVED_AT_ONCE,
        send_bytes=SENT_AT_ONCE,
        max_request_header_size=HEAD_BYTES,
        inbuf_overflow=BODY_IN_MEMORY,
        outbuf_overflow=ANSWER_BYTES,
        ident='',
        clear_untrusted_proxy_headers=True,
    )
    # For arriving.Parser.
    total, of_client = (max(number, max_bytes) for number in (RECEIVED_BYTES, RECEIVED_BYTES // 2))
    made.body_bytes, made.tokens = max_bytes, tokens
    made.bodies = AdmissionLimit(total, per_client=of_client)
    return made


def most_connections() -> int:
    """How many connections there may be at once. Each may need a second file for a large body, so the limit
    of open files is raised if it is low, as far as the system allows it."""
    if not hasattr(select, 'poll'):
        return SELECTABLE
    import resource

    wanted = 2 * CONNECTIONS + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < wanted:
        raised = wanted if hard < 0 else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return CONNECTIONS if soft < 0 else max(10, min(CONNECTIONS, (soft - 100) // 2))
