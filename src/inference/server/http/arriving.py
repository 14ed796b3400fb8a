"""Requests that arrive. A body that is too large, or for which there is no room in the folder of temporary
files, is read to its end and dropped, and the answer says so: to close the connection earlier would reset
it, and the client would never see the answer."""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error


class Refusal(Error):
    """The answer to a request that never reaches the application."""

    def __init__(self, status: HTTPStatus, line: str):
        super().__init__(line)
        self.code, self.reason = status.value, status.phrase

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        body = json.dumps({'error': self.body}).encode() + b'\n'
        return f'{self.code} {self.reason}', [('Content-Type', 'application/json')], body


class Body(OverflowableBuffer):
    """A body: in memory, or in a temporary file if it is large. `refusal` is set once it is dropped."""

    def __init__(self, overflow: int, most: int):
        super().__init__(overflow)
        self.most, self.refusal = most, None

    def append(self, s: bytes) -> None:
        if self.refusal:
            return
        if len(self) + len(s) > self.most:
            self.drop(too_large(self.most))
            return
        try:
            super().append(s)
        except OSError as error:
            self.drop(no_room(error))

    def drop(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.close()
        self.buf, self.strbuf = None, b''

    def close(self) -> None:
        with suppress(OSError):  # what is buffered cannot be written either
            super().close()


def too_large(most: int) -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f'the request is too large: more than {most:,} bytes')


def no_room(error: OSError) -> Refusal:
    return Refusal(
        HTTPStatus.INSUFFICIENT_STORAGE,
        f'the server has no room for a request of this size ({error.strerror or error}): send it smaller, or '
        'try again later',
    )


class Parser(HTTPRequestParser):
    """Reads a request. The body may have up to `adj.body_bytes` bytes."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is None:
            return
        most = self.adj.body_bytes
        self.body_rcv.buf = Body(self.adj.inbuf_overflow, most)
        if self.content_length > most:
            self.body_rcv.buf.drop(too_large(most))

    def received(self, data: bytes) -> int:
        read = super().received(data)
        if self.body_rcv is None or self.error:
            return read
        refusal = self.body_rcv.getbuf().refusal
        if refusal and (self.completed or self.expect_continue):
            self.error, self.completed = refusal, True
            self.expect_continue = False  # else the body would be asked for
        return read
