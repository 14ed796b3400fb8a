"""What every request goes through: timing, security headers, limits, and errors as JSON."""

from __future__ import annotations

import time
from contextlib import ExitStack

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from src.common.errors import UserError
from src.images.faults import BadImage
from src.inference.server.gate import Busy, Gate, TooMuch
from src.inference.server.metrics import Metrics
from src.inference.server.models import NoSuchModel
from src.inference.server.wire import BadRequest

RETRY_SECONDS = 1

HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'geolocation=(), microphone=(), payment=()',
}


def watch_requests(app: Flask, metrics: Metrics) -> None:
    """Time and count every request, and give every answer its headers."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        if request.method == 'POST':
            answer.headers['Cache-Control'] = 'no-store'
        route = request.url_rule.rule if request.url_rule else 'none'
        metrics.answered(route, answer.status_code, time.perf_counter() - g.get('begun', time.perf_counter()))
        return answer


def limit_bodies(app: Flask, bodies: Gate) -> None:
    """Let bodies into memory only while there is room for them."""

    @app.before_request
    def enter() -> None:
        if request.method == 'POST' and (request.content_length or 0) <= app.config['MAX_CONTENT_LENGTH']:
            g.inside = ExitStack()
            g.inside.enter_context(bodies.enter(request.content_length or 0))

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        if 'inside' in g:
            g.pop('inside').close()


def answer_errors(app: Flask) -> None:
    """Every error as {"error": one line}."""

    def refusal(status: int):
        return lambda error: (jsonify(error=str(error)), status)

    for kind, status in (
        (BadRequest, 400),
        (BadImage, 400),
        (UserError, 400),
        (NoSuchModel, 404),
        (TooMuch, 413),
    ):
        app.register_error_handler(kind, refusal(status))

    @app.errorhandler(Busy)
    def busy(error: Busy):
        return jsonify(error=str(error)), 503, {'Retry-After': str(RETRY_SECONDS)}

    @app.errorhandler(HTTPException)
    def other(error: HTTPException):
        line = (
            'the request is too large'
            if error.code == 413
            else f'{error.name}: {request.method} {request.path[:200]}'
        )
        answer = error.get_response()
        answer.data, answer.content_type = jsonify(error=line).data, 'application/json'
        return answer
