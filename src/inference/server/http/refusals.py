"""Answers to requests that never reach the application."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from waitress.utilities import Error

from src.inference.server.admission import Busy
from src.inference.server.http.tokens import Unauthorized

RETRY_SECONDS = 1
SHOWN = 200  # characters of a reason, which may quote the request


class Refusal(Error):
    """An error in JSON: {"error": line}."""

    def __init__(self, status: HTTPStatus, line: str, headers: Sequence[tuple[str, str]] = ()):
        super().__init__(line)
        self.code, self.reason, self.headers = status.value, status.phrase, headers

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        body = json.dumps({'error': self.body}).encode() + b'\n'
        headers = [('Content-Type', 'application/json'), *self.headers]
        return f'{self.code} {self.reason}', headers, body


def in_json(error: Error) -> Refusal:
    """An error of waitress as a Refusal."""
    if isinstance(error, Refusal):
        return error
    return Refusal(HTTPStatus(error.code), f'{error.reason}: {error.body[:SHOWN]}')


def too_large(most: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f'the request is too large: more than {most:,} bytes; send smaller pictures, or fewer',
    )


def no_room(error: OSError) -> Refusal:
    return Refusal(
        HTTPStatus.INSUFFICIENT_STORAGE,
        f'the server has no room for a request of this size ({error.strerror or error}): send it smaller, or '
        'try again later',
    )


def unavailable(error: Busy) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), [('Retry-After', str(RETRY_SECONDS))])


def unauthorized(error: Unauthorized) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, str(error), [error.challenge])
