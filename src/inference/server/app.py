"""The web application: a page for people, TensorFlow Serving's REST interface for programs.

    GET  /                                    the page
    GET  /classes?model=NAME                  the class names of a model, in the order of its output
    GET  /v1/models/NAME[/versions/N]         status, as TensorFlow Serving answers; or [/labels/LABEL]
    GET  /v1/models/NAME[/versions/N]/metadata
    GET  /healthz, /readyz, /metrics
    GET  /openapi.json                        the description of all routes
    POST /classify, /explain, /v1/models/NAME:predict   see fast_routes

Nothing that a client sends is trusted or opened as a path. The format of a picture is read from its bytes.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from src.inference.server import examples, tf_serving
from src.inference.server.admission import AdmissionLimit
from src.inference.server.fast_routes import FastRoutes
from src.inference.server.http import middleware, openapi
from src.inference.server.http.tokens import Tokens
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.service import Limits, Service

PAGE = Path(__file__).with_name('page')
SERVICE = 'rootstock'
TEXT = 'text/plain; charset=utf-8'


def create_app(
    models: Models,
    admission: AdmissionLimit,
    metrics: Metrics,
    limits: Limits,
    tokens: Tokens | None = None,
) -> Flask:
    """The whole application; call its `wsgi_app`, which includes fast routes and middleware. Its `Service` is
    `extensions[SERVICE]`."""
    app = Flask(__name__, static_folder=str(PAGE), static_url_path='/page', template_folder=str(PAGE))
    app.json.sort_keys = False
    _name_routes(app)
    _handle_errors(app)
    _add_page(app, models, limits, tokens is not None)
    _add_classes(app, models)
    _add_models(app, models)
    _add_health(app, models, admission, metrics)
    _add_description(app, tokens is not None)
    service = app.extensions[SERVICE] = Service(models, admission, limits)
    routes = FastRoutes(app.wsgi_app, service)
    app.wsgi_app = middleware.Middleware(routes, metrics, limits.request_bytes, tokens)
    return app


def _name_routes(app: Flask) -> None:
    @app.before_request
    def note_route() -> None:
        if request.url_rule:
            request.environ[middleware.ROUTE] = request.url_rule.rule


def _handle_errors(app: Flask) -> None:
    """Every error is answered as {"error": one line}."""
    for kind in middleware.REFUSALS:
        app.register_error_handler(kind, middleware.refusal)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        response = error.get_response()
        line = f'{error.name}: {request.method} {request.path[:200]}'
        if error.code in (404, 405):
            line += middleware.see_routes(response.headers.get('Allow'))
        response.data, response.content_type = jsonify(error=line).data, 'application/json'
        return response


def _add_page(app: Flask, models: Models, limits: Limits, needs_token: bool) -> None:
    drawn_dogs = examples.names()

    def entry(name: str) -> dict:
        served = models.slot(name).served
        return {
            'name': name,
            'classes': len(served.labels),
            'dogs': examples.knows_dogs(served.labels),
            'explains': served.predictor.has_gradients,
        }

    @app.get('/')
    def page() -> str:
        return render_template(
            'index.html',
            models=[entry(name) for name in models.names],
            urls_allowed=limits.urls,
            needs_token=needs_token,
            max_bytes=min(limits.picture_bytes, limits.request_bytes),
            examples=drawn_dogs,
        )


def _add_classes(app: Flask, models: Models) -> None:
    @app.get('/classes')
    def classes() -> Response:
        with models.use(request.args.get('model')) as served:
            return jsonify(model=served.name, version=str(served.version), classes=served.labels)


def _add_models(app: Flask, models: Models) -> None:
    """Status and metadata of models, as TensorFlow Serving answers."""

    def status(name: str, version: int | None = None, label: str | None = None) -> Response:
        one = version is not None or label is not None
        with models.use(name, version, label) as served:
            return jsonify(tf_serving.status(models.slot(name), served if one else None))

    def metadata(name: str, version: int | None = None, label: str | None = None) -> Response:
        with models.use(name, version, label) as served:
            return jsonify(tf_serving.metadata(name, served.version, len(served.labels)))

    for view, ending in ((status, ''), (metadata, '/metadata')):
        for which in ('', '/versions/<int:version>', '/labels/<label>'):
            app.add_url_rule(f'/v1/models/<name>{which}{ending}', view.__name__, view)


def _add_health(app: Flask, models: Models, admission: AdmissionLimit, metrics: Metrics) -> None:
    @app.get('/healthz')
    def healthz() -> Response:
        return Response('alive\n', content_type=TEXT)

    @app.get('/readyz')
    def readyz() -> Response:
        if not admission.open:
            return Response('stopping\n', 503, content_type=TEXT)
        unready = models.unready
        if unready:
            return Response(f'not ready: {", ".join(unready)}\n', 503, content_type=TEXT)
        return Response('ready\n', content_type=TEXT)

    @app.get('/metrics')
    def prometheus() -> Response:
        return Response(metrics.text(), content_type=metrics.content_type)


def _add_description(app: Flask, tokens: bool) -> None:
    described = openapi.description(tokens)

    @app.get('/openapi.json')
    def openapi_json() -> Response:
        return jsonify(described)
