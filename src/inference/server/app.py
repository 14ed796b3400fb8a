"""The web application: a page for people, TensorFlow Serving's REST interface for programs.

    GET  /                                    the page
    POST /classify?model=NAME&top=5           one picture as the body, some as multipart, or {"url": ...}
    GET  /v1/models/NAME[/versions/N]         as TensorFlow Serving answers; so the next two
    GET  /v1/models/NAME[/versions/N]/metadata
    POST /v1/models/NAME[/versions/N]:predict
    GET  /healthz, /readyz, /metrics

Nothing that a client sends is believed or opened as a path: what a picture is, its bytes say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flask import Flask, Response, jsonify, render_template, request

from src.common.fetch import fetch_image
from src.images.faults import BadImage
from src.inference.classify import best
from src.inference.server import hooks, wire
from src.inference.server.classifier import Classifier
from src.inference.server.gate import Gate
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.wire import BadRequest

PAGE = Path(__file__).with_name('page')
BODIES_BYTES = 256_000_000  # of all requests that are in memory
FETCH_SECONDS = 10


@dataclass(frozen=True)
class Limits:
    """What one request may bring: bytes of a picture and in all, and addresses to fetch pictures from."""

    picture_bytes: int = 20_000_000
    request_bytes: int = 60_000_000
    urls: bool = False


def create_app(models: Models, gate: Gate, metrics: Metrics, limits: Limits) -> Flask:
    app = Flask(__name__, static_folder=str(PAGE), static_url_path='/page', template_folder=str(PAGE))
    app.config['MAX_CONTENT_LENGTH'] = limits.request_bytes
    app.json.sort_keys = False
    classifier, bodies = Classifier(gate), Gate(max(BODIES_BYTES, limits.request_bytes))
    hooks.watch_requests(app, metrics)
    hooks.limit_bodies(app, bodies)
    hooks.answer_errors(app)
    _add_page(app, models, limits)
    _add_classify(app, models, classifier, limits)
    _add_tensorflow_serving(app, models, classifier, limits)
    _add_health(app, gate, metrics)
    return app


def _add_page(app: Flask, models: Models, limits: Limits) -> None:
    examples = sorted(file.name for file in (PAGE / 'examples').glob('*.jpg'))

    @app.get('/')
    def page() -> str:
        return render_template(
            'index.html',
            models=[{'name': name, 'classes': len(models.slot(name).served.labels)} for name in models.names],
            urls_allowed=limits.urls,
            max_bytes=limits.picture_bytes,
            examples=examples,
        )


def _add_classify(app: Flask, models: Models, classifier: Classifier, limits: Limits) -> None:
    @app.post('/classify')
    def classify() -> Response:
        top = request.args.get('top', 5, type=int)
        pictures = _pictures_sent(limits)
        begun = time.perf_counter()
        with models.use(request.args.get('model')) as served:
            answers = classifier.classify(served, [data for _, data in pictures])
        if len(answers) == 1 and isinstance(answers[0], BadImage):
            raise answers[0]
        return jsonify(
            model=served.name,
            version=str(served.version),
            milliseconds=round(1000 * (time.perf_counter() - begun), 1),
            pictures=[
                {'name': name, **_told(answer, served.labels, top)}
                for (name, _), answer in zip(pictures, answers, strict=True)
            ],
        )


def _told(answer: np.ndarray | BadImage, labels: Sequence[str], top: int) -> dict:
    if isinstance(answer, BadImage):
        return {'error': str(answer)}
    return {
        'classes': [
            {'label': labels[i], 'probability': round(float(answer[i]), 6)} for i in best(answer, max(1, top))
        ]
    }


def _pictures_sent(limits: Limits) -> list[tuple[str, bytes]]:
    """(name, encoded picture) of each that the request brings. Raises BadRequest, or UserError for an
    address that cannot be fetched."""
    if request.mimetype == 'multipart/form-data':
        pictures = [(file.filename or '', file.read()) for _, file in request.files.items(multi=True)]
    elif request.mimetype == 'application/json':
        pictures = [('', _fetched(wire.parse_json(request.get_data()), limits))]
    else:
        pictures = [('', request.get_data())]
    if not pictures:
        raise BadRequest('the request holds no picture')
    for _, data in pictures:
        _check_bytes(data, limits)
    return pictures


def _fetched(told, limits: Limits) -> bytes:
    if not limits.urls:
        raise BadRequest('this server does not fetch addresses: send the picture itself')
    if not isinstance(told, dict) or not isinstance(told.get('url'), str):
        raise BadRequest('the body is not {"url": "https://..."}')
    return fetch_image(told['url'], limits.picture_bytes, FETCH_SECONDS, public_only=True)


def _check_bytes(data: bytes, limits: Limits) -> None:
    if len(data) > limits.picture_bytes:
        raise BadRequest(f'a picture of more than {limits.picture_bytes:,} bytes: send it smaller')


def _add_tensorflow_serving(app: Flask, models: Models, classifier: Classifier, limits: Limits) -> None:
    def status(name: str, version: int | None = None) -> Response:
        with models.use(name, version):
            return jsonify(wire.status(models.slot(name)))

    def metadata(name: str, version: int | None = None) -> Response:
        with models.use(name, version) as served:
            return jsonify(wire.metadata(name, served.version, len(served.labels)))

    def predict(name: str, version: int | None = None) -> Response:
        pictures, answered = wire.parse_predict(request.get_data())
        for data in pictures:
            _check_bytes(data, limits)
        with models.use(name, version) as served:
            answers = classifier.classify(served, pictures)
        for i, answer in enumerate(answers):
            if isinstance(answer, BadImage):
                raise BadRequest(f'picture {i}: {answer}')
        return jsonify(wire.predictions(answers, answered))

    for view, ending, method in (
        (status, '', 'GET'),
        (metadata, '/metadata', 'GET'),
        (predict, ':predict', 'POST'),
    ):
        for rule in (f'/v1/models/<name>{ending}', f'/v1/models/<name>/versions/<int:version>{ending}'):
            app.add_url_rule(rule, view.__name__, view, methods=[method])


def _add_health(app: Flask, gate: Gate, metrics: Metrics) -> None:
    @app.get('/healthz')
    def healthz() -> str:
        return 'alive\n'

    @app.get('/readyz')
    def readyz() -> tuple[str, int]:
        return ('ready\n', 200) if gate.open else ('stopping\n', 503)

    @app.get('/metrics')
    def told() -> Response:
        return Response(metrics.text(), content_type=metrics.content_type)
