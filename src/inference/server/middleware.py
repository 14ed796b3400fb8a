"""What every request goes through, in plain WSGI: limits, decompression, timing, security headers, and
errors as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus

from src.common.errors import UserError
from src.images.faults import BadImage
from src.inference.server.admission import AdmissionLimit, Busy, TooMuch
from src.inference.server.bodies import ENCODING, UnknownEncoding, decompressed
from src.inference.server.metrics import Metrics
from src.inference.server.models import NoSuchModel
from src.inference.server.tf_serving import BadRequest

BODIES_BYTES = 256_000_000  # of all requests that are in memory
RETRY_SECONDS = 1
ROUTE = 'rootstock.route'  # of a WSGI environment: what the metrics call the request

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
    NoSuchModel: HTTPStatus.NOT_FOUND,
    UnknownEncoding: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooMuch: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
}
REFUSALS = tuple(STATUSES)


class Watched:
    """A WSGI application, timed and counted; its answers get their headers, and bodies are let into memory
    only while there is room for them. A body of more than `most` bytes is refused."""

    def __init__(self, app, metrics: Metrics, most: int):
        self._app, self._metrics, self._most = app, metrics, most
        self._bodies = AdmissionLimit(max(BODIES_BYTES, most))

    def __call__(self, environ: dict, start_response) -> Iterable[bytes]:
        begun = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], exc_info=None):
            seconds = time.perf_counter() - begun
            self._metrics.answered(environ.get(ROUTE, 'none'), int(status[:3]), seconds)
            store = [('Cache-Control', 'no-store')] if environ['REQUEST_METHOD'] == 'POST' else []
            return start_response(status, [*headers, *HEADERS, *store], exc_info)

        try:
            size = body_bytes(environ)
            with self._room(size), self._plain(environ, size):
                return self._app(environ, start)
        except (Busy, TooMuch, BadRequest, UnknownEncoding) as error:
            return answer(environ, start, *refusal(error))

    def _room(self, size: int) -> AbstractContextManager:
        if size > self._most:
            raise TooMuch('the request is too large')
        return self._bodies.enter(size) if size else nullcontext()

    def _plain(self, environ: dict, size: int) -> AbstractContextManager:
        """Inside, the body is not compressed."""
        if not size or environ.get(ENCODING, '').strip().lower() in ('', 'identity'):
            return nullcontext()
        return decompressed(environ, size, self._most, self._bodies)


def body_bytes(environ: dict) -> int:
    """The size that the server found the body to have."""
    size = environ.get('CONTENT_LENGTH') or '0'
    return int(size) if size.isdecimal() else 0


def refusal(error: Exception) -> tuple[dict, HTTPStatus, list[tuple[str, str]]]:
    """What one of REFUSALS is answered: the object, the status, and headers of its own."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    headers = []
    if isinstance(error, Busy):
        headers = [('Retry-After', str(RETRY_SECONDS))]
    elif isinstance(error, UnknownEncoding):
        headers = [('Accept-Encoding', 'gzip')]  # RFC 9110, section 12.5.3: what would be read
    return {'error': str(error)}, status, headers


def answer(
    environ: dict,
    start_response,
    told: dict,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """An answer in JSON."""
    body = json.dumps(told, separators=(',', ':')).encode() + b'\n'
    about = [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))]
    start_response(f'{status.value} {status.phrase}', [*about, *headers])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [body]
