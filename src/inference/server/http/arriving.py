"""Requests that arrive: what is refused before the application sees it.

A body that is too large, for which there is no room, or whose request has no token, is read to its end and
dropped, and the answer says so: to close the connection earlier would reset it, and the client would never
see the answer. Heads that a proxy could read in another way are refused (framing.py).
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser, ParsingError

from src.inference.server.admission import AdmissionLimit, Busy
from src.inference.server.http import framing
from src.inference.server.http.refusals import Refusal, in_json, no_room, too_large, unauthorized, unavailable
from src.inference.server.http.tokens import Unauthorized

PIECE_BYTES = 1 << 12  # of a head, or of a body in chunks: the time that waitress takes grows with the square
# Bytes of a body in chunks that are none of its content, beyond as many as it has: sizes of chunks, their
# extensions, and trailers, which waitress collects without a limit.
FRAME_BYTES = 1 << 16


class Body(OverflowableBuffer):
    """A body of up to `most` bytes of a client: in memory, or in a temporary file if it is large. `received`
    bytes have arrived. They are counted in `held` until `close`. `refusal` is set once it is dropped."""

    def __init__(self, overflow: int, most: int, held: AdmissionLimit, client: str):
        super().__init__(overflow)
        self.refusal: Refusal | None = None
        self.received = 0
        self._most, self._held, self._client = most, held, client
        self._counted = 0

    def append(self, s: bytes) -> None:
        self.received += len(s)
        if self.refusal:
            return
        if self.received > self._most:
            self.drop(too_large(self._most))
            return
        try:
            self._held.take(len(s), self._client)
            self._counted += len(s)
            super().append(s)
        except Busy as error:
            self.drop(unavailable(error))
        except OSError as error:
            self.drop(no_room(error))

    def drop(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.close()
        self.buf, self.strbuf = None, b''

    def close(self) -> None:
        with suppress(OSError):  # what is buffered cannot be written either
            super().close()
        counted, self._counted = self._counted, 0
        if counted:
            self._held.put(counted, self._client)


class Parser(HTTPRequestParser):
    """Reads a request of a client. The body may have up to `adj.body_bytes` bytes, and all bodies as many as
    `adj.bodies` admits; a request without a token that `adj.tokens` needs is refused."""

    def __init__(self, adj, client: str = ''):
        super().__init__(adj)
        self._client = client

    def parse_header(self, header_plus: bytes) -> None:
        if refusal := framing.too_costly(header_plus):
            self._fail(refusal)
            return
        try:
            super().parse_header(header_plus)
        except ValueError:  # of more digits than `int` takes
            raise ParsingError('Content-Length is invalid') from None
        self._fail(framing.fault(header_plus, self))
        if self.body_rcv is not None:
            self._prepare_body()

    def _prepare_body(self) -> None:
        most = self.adj.body_bytes
        body = Body(self.adj.inbuf_overflow, most, self.adj.bodies, self._client)
        self.body_rcv.buf = body
        if self.content_length > most:
            body.drop(too_large(most))
        elif self.adj.tokens:
            try:
                self.adj.tokens.check(self.path, self.headers.get('AUTHORIZATION', ''))
            except Unauthorized as error:
                body.drop(unauthorized(error))

    def received(self, data: bytes) -> int:
        if not self.headers_finished or self.chunked:
            data = data[:PIECE_BYTES]
        read = super().received(data)
        if self.body_rcv is not None and not self.error:
            self._check_body(self.body_rcv.getbuf())
        if self.error:
            self.error = in_json(self.error)
        return read

    def _check_body(self, body: Body) -> None:
        if self.chunked and self.body_bytes_received > 2 * body.received + FRAME_BYTES:
            self._fail(Refusal(HTTPStatus.BAD_REQUEST, 'the chunks of the body are too small'))
        elif body.refusal and (self.completed or self.expect_continue):
            self._fail(body.refusal)

    def _fail(self, refusal: Refusal | None) -> None:
        """Refuse the request, unless `refusal` is None."""
        if refusal:
            self.error, self.completed = refusal, True
            self.expect_continue = False  # else the body would be asked for


class Waiting(Parser):
    """What arrived behind a request that is not answered yet (pipelining). It is parsed once that one is
    answered and its client has taken the answer, so that the answers do not pile up."""

    data = b''

    def received(self, data: bytes) -> int:
        self.data += data
        return len(data)
