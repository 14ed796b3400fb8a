"""The web application: a page for people, TensorFlow Serving's REST interface for programs.

    GET  /                                    the page
    GET  /classes?model=NAME                  the names of a model's classes, in the order of its output
    POST /classify?model=NAME&top=5           one picture as the body, some as multipart, or {"url": ...}
    GET  /v1/models/NAME[/versions/N]         as TensorFlow Serving answers; so the next two
    GET  /v1/models/NAME[/versions/N]/metadata
    POST /v1/models/NAME[/versions/N]:predict
    GET  /healthz, /readyz, /metrics

Nothing that a client sends is believed or opened as a path: what a picture is, its bytes say.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from src.downloads.picture import fetch_image
from src.inference.server import examples, middleware, tf_serving
from src.inference.server.admission import AdmissionLimit
from src.inference.server.fast_routes import CLASSIFY, Programs, asked
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.service import Answers, Limits
from src.inference.server.tf_serving import BadRequest

PAGE = Path(__file__).with_name('page')
FETCH_SECONDS = 10


def create_app(models: Models, admission: AdmissionLimit, metrics: Metrics, limits: Limits) -> Flask:
    app = Flask(__name__, static_folder=str(PAGE), static_url_path='/page', template_folder=str(PAGE))
    app.json.sort_keys = False
    answers = Answers(models, admission, limits)
    _name_routes(app)
    _answer_errors(app)
    _add_page(app, models, limits)
    _add_classes(app, models)
    _add_classify(app, answers)
    _add_models(app, models)
    _add_health(app, admission, metrics)
    app.wsgi_app = middleware.Watched(Programs(app.wsgi_app, answers), metrics, limits.request_bytes)
    return app


def _name_routes(app: Flask) -> None:
    @app.before_request
    def name() -> None:
        if request.url_rule:
            request.environ[middleware.ROUTE] = request.url_rule.rule


def _answer_errors(app: Flask) -> None:
    """Every error as {"error": one line}."""
    for kind in middleware.REFUSALS:
        app.register_error_handler(kind, middleware.refusal)

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> Response:
        answer = error.get_response()
        line = f'{error.name}: {request.method} {request.path[:200]}'
        answer.data, answer.content_type = jsonify(error=line).data, 'application/json'
        return answer


def _add_page(app: Flask, models: Models, limits: Limits) -> None:
    drawn_dogs = examples.names()

    def shown(name: str) -> dict:
        labels = models.slot(name).served.labels
        return {'name': name, 'classes': len(labels), 'dogs': examples.knows_dogs(labels)}

    @app.get('/')
    def page() -> str:
        return render_template(
            'index.html',
            models=[shown(name) for name in models.names],
            urls_allowed=limits.urls,
            max_bytes=limits.picture_bytes,
            examples=drawn_dogs,
        )


def _add_classes(app: Flask, models: Models) -> None:
    @app.get('/classes')
    def classes() -> Response:
        with models.use(request.args.get('model')) as served:
            return jsonify(model=served.name, version=str(served.version), classes=served.labels)


def _add_classify(app: Flask, answers: Answers) -> None:
    @app.post(CLASSIFY)
    def classify() -> Response:
        """Several pictures, or an address; a single picture is answered by `Programs`."""
        if request.mimetype == 'application/json':
            pictures = [('', _fetched(tf_serving.parse_json(request.get_data()), answers.limits))]
        else:
            pictures = [(file.filename or '', file.read()) for _, file in request.files.items(multi=True)]
        if not pictures:
            raise BadRequest('the request holds no file: send pictures as files of a multipart form')
        return jsonify(answers.classify(pictures, *asked(request.environ.get('QUERY_STRING', ''))))


def _fetched(told, limits: Limits) -> bytes:
    if not limits.urls:
        raise BadRequest('this server does not fetch addresses: send the picture itself')
    if not isinstance(told, dict) or not isinstance(told.get('url'), str):
        raise BadRequest('the body is not {"url": "https://..."}')
    return fetch_image(told['url'], limits.picture_bytes, FETCH_SECONDS, public_only=True)


def _add_models(app: Flask, models: Models) -> None:
    """What TensorFlow Serving tells of its models; predictions are answered by `Programs`."""

    def status(name: str, version: int | None = None) -> Response:
        with models.use(name, version):
            return jsonify(tf_serving.status(models.slot(name)))

    def metadata(name: str, version: int | None = None) -> Response:
        with models.use(name, version) as served:
            return jsonify(tf_serving.metadata(name, served.version, len(served.labels)))

    for view, ending in ((status, ''), (metadata, '/metadata')):
        for rule in (f'/v1/models/<name>{ending}', f'/v1/models/<name>/versions/<int:version>{ending}'):
            app.add_url_rule(rule, view.__name__, view)


def _add_health(app: Flask, admission: AdmissionLimit, metrics: Metrics) -> None:
    @app.get('/healthz')
    def healthz() -> str:
        return 'alive\n'

    @app.get('/readyz')
    def readyz() -> tuple[str, int]:
        return ('ready\n', 200) if admission.open else ('stopping\n', 503)

    @app.get('/metrics')
    def told() -> Response:
        return Response(metrics.text(), content_type=metrics.content_type)
