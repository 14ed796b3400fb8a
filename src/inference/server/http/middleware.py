"""Middleware in plain WSGI for every request: limits, decompression, metrics, security headers, errors as
JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus

from src.common.errors import UserError
from src.common.process.budget import Unavailable
from src.images.faults import BadImage
from src.inference.server.admission import AdmissionLimit, Busy, TooMuch
from src.inference.server.fairness import clients
from src.inference.server.http.bodies import ENCODING, UnknownEncoding, decompressed
from src.inference.server.http.json_bodies import BadRequest
from src.inference.server.http.refusals import RETRY_SECONDS, too_large
from src.inference.server.http.tokens import Tokens, Unauthorized
from src.inference.server.metrics import Metrics
from src.inference.server.models import NoSuchModel
from src.inference.workers import Failed

BODIES_BYTES = 256_000_000  # of all requests that are in memory
ROUTE = 'rootstock.route'  # key of a WSGI environment: the request's route in the metrics

HEADERS = [
    (
        'Content-Security-Policy',
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ('X-Content-Type-Options', 'nosniff'),
    ('X-Frame-Options', 'DENY'),
    ('Referrer-Policy', 'no-referrer'),
    ('Cross-Origin-Opener-Policy', 'same-origin'),
    ('Cross-Origin-Resource-Policy', 'same-origin'),
    ('Permissions-Policy', 'geolocation=(), microphone=(), payment=()'),
]
STATUSES = {
    BadRequest: HTTPStatus.BAD_REQUEST,
    BadImage: HTTPStatus.BAD_REQUEST,
    UserError: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    NoSuchModel: HTTPStatus.NOT_FOUND,
    UnknownEncoding: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooMuch: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Failed: HTTPStatus.INTERNAL_SERVER_ERROR,
}
REFUSALS = tuple(STATUSES)  # the errors that are answered with their text


class Middleware:
    """A WSGI application around `app`: times and counts requests, adds HEADERS, and reads a body into memory
    only while BODIES_BYTES allow it, half of them for one client. A body of more than `max_bytes` is
    refused, and with `tokens` a request without one of them."""

    def __init__(self, app: Callable, metrics: Metrics, max_bytes: int, tokens: Tokens | None = None):
        self._app, self._metrics, self._max_bytes, self._tokens = app, metrics, max_bytes, tokens
        self._bodies = AdmissionLimit(
            max(BODIES_BYTES, max_bytes), per_client=max(BODIES_BYTES // 2, max_bytes)
        )

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        begun = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], exc_info=None):
            seconds = time.perf_counter() - begun
            self._metrics.answered(environ.get(ROUTE, 'none'), int(status[:3]), seconds)
            store = [('Cache-Control', 'no-store')] if environ['REQUEST_METHOD'] == 'POST' else []
            return start_response(status, [*headers, *HEADERS, *store], exc_info)

        try:
            if self._tokens:
                self._tokens.check(environ.get('PATH_INFO', ''), environ.get('HTTP_AUTHORIZATION', ''))
            size = body_bytes(environ)
            with (
                clients.serving(environ.get('REMOTE_ADDR', '')),
                self._admitted(size),
                self._uncompressed(environ, size),
            ):
                return self._app(environ, start)
        except (Busy, TooMuch, BadRequest, UnknownEncoding, Unauthorized) as error:
            return respond(environ, start, *refusal(error))

    def _admitted(self, size: int) -> AbstractContextManager:
        if size > self._max_bytes:
            raise TooMuch(too_large(self._max_bytes).body)
        return self._bodies.enter(size) if size else nullcontext()

    def _uncompressed(self, environ: dict, size: int) -> AbstractContextManager:
        """Inside, the body is not compressed."""
        if not size or environ.get(ENCODING, '').strip().lower() in ('', 'identity'):
            return nullcontext()
        return decompressed(environ, size, self._max_bytes, self._bodies)


def body_bytes(environ: dict) -> int:
    """The size of the body; 0 where none is given."""
    size = environ.get('CONTENT_LENGTH') or '0'
    return int(size) if size.isdecimal() else 0


def see_routes(allowed: str | None = None) -> str:
    """The end of the line about a wrong address, or about a method that is none of those `allowed` there."""
    return f'{f"; allowed: {allowed}" if allowed else ""} (GET /openapi.json lists the routes)'


def refusal(error: Exception) -> tuple[dict, HTTPStatus, list[tuple[str, str]]]:
    """The response to one of REFUSALS: JSON object, status, and headers of its own."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    headers = []
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = [('Retry-After', str(RETRY_SECONDS))]
    elif isinstance(error, Unauthorized):
        headers = [error.challenge]
    elif isinstance(error, UnknownEncoding):
        headers = [('Accept-Encoding', 'gzip')]  # RFC 9110, section 12.5.3: the encodings that are accepted
    return {'error': str(error)}, status, headers


def respond(
    environ: dict,
    start_response: Callable,
    payload: dict | bytes,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """Send `payload` as JSON, or as a PNG if it is bytes."""
    picture = isinstance(payload, bytes)
    body = payload if picture else json.dumps(payload, separators=(',', ':')).encode() + b'\n'
    kind = 'image/png' if picture else 'application/json'
    about = [('Content-Type', kind), ('Content-Length', str(len(body)))]
    start_response(f'{status.value} {status.phrase}', [*about, *headers])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [body]
