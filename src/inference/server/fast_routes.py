"""The POST routes, answered in plain WSGI.

    POST /classify?model=NAME&top=5             one encoded picture as the body, several as the files of a
                                                multipart form, or {"url": "https://..."} as JSON
    POST /v1/models/NAME[/versions/N]:predict   as TensorFlow Serving answers

All other requests go to Flask. For a small graph, Flask's request handling would take a seventh of the time
of a request, and a sixth of the throughput with 32 clients.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from src.inference.server.middleware import REFUSALS, ROUTE, body_bytes, refusal, respond
from src.inference.server.service import TOP, Limits, Service
from src.inference.server.tf_serving import BadRequest, parse_json

CLASSIFY = '/classify'
PARAMETERS = 'model', 'top'  # of /classify
TOP_NUMBER = re.compile('0*[1-9][0-9]{0,999}')
PREDICT = re.compile(r'/v1/models/([^/]+?)(?:/versions/([0-9]{1,18}))?:predict')
FETCH_SECONDS = 10

Handler = Callable[[dict], dict]  # from a WSGI environment to the JSON object of the response


class FastRoutes:
    """A WSGI application that answers the POST routes and passes all other requests on to `app`."""

    def __init__(self, app: Callable, service: Service):
        self._app, self._service = app, service

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        path = environ['PATH_INFO'].encode('latin-1').decode('utf-8', 'replace')  # WSGI has bytes as text
        handler = self._handler(environ, path)
        if handler is None:
            return self._app(environ, start_response)
        request_line = f'{environ["REQUEST_METHOD"]} {path[:200]}'

        def fail(status: HTTPStatus, *headers: tuple[str, str]) -> list[bytes]:
            return respond(
                environ, start_response, {'error': f'{status.phrase}: {request_line}'}, status, headers
            )

        if environ['REQUEST_METHOD'] != 'POST':
            return fail(HTTPStatus.METHOD_NOT_ALLOWED, ('Allow', 'POST'))
        try:
            return respond(environ, start_response, handler(environ))
        except REFUSALS as error:
            return respond(environ, start_response, *refusal(error))
        except HTTPException as error:  # of the parser of forms
            return fail(HTTPStatus(error.code))
        except Exception:  # a bug: it is logged, and the server goes on
            logging.getLogger(__name__).exception('%r', request_line)
            return fail(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _handler(self, environ: dict, path: str) -> Handler | None:
        """The function that answers the request, None if its path is none of the POST routes. Notes the
        route for the metrics."""
        if path == CLASSIFY:
            environ[ROUTE] = path
            return self._classify
        if path.endswith(':predict') and (found := PREDICT.fullmatch(path)):
            name, version = found.groups()
            environ[ROUTE] = f'/v1/models/<name>{"/versions/<int:version>" if version else ""}:predict'
            return lambda environ: self._service.predict(
                _body(environ), name, int(version) if version else None
            )
        return None

    def _classify(self, environ: dict) -> dict:
        options = classify_options(environ.get('QUERY_STRING', ''))
        return self._service.classify(_pictures(environ, self._service.limits), *options)


def classify_options(query: str) -> tuple[str | None, int]:
    """Model and number of classes in a query such as 'model=NAME&top=5'. Raises BadRequest."""
    values = parse_qs(query, keep_blank_values=True) if query else {}
    for key, given in values.items():
        if key not in PARAMETERS:
            raise BadRequest(f'no parameter {key[:40]!r}: the parameters are {" and ".join(PARAMETERS)}')
        if len(given) > 1:
            raise BadRequest(f'the parameter {key!r} is given {len(given)} times')
    top = values.get('top', [str(TOP)])[0]
    if not TOP_NUMBER.fullmatch(top):
        raise BadRequest(f'top={top[:40]} is not a whole number of at least 1')
    return values.get('model', [None])[0], int(top)


def _body(environ: dict) -> bytes:
    return environ['wsgi.input'].read(body_bytes(environ))


def _pictures(environ: dict, limits: Limits) -> list[tuple[str, bytes]]:
    """(name, encoded picture) of a request to /classify; '' where a picture has no name. Raises BadRequest,
    and UserError when an address cannot be fetched."""
    kind = environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
    if kind == 'application/json':
        return [('', _fetched(parse_json(_body(environ)), limits))]
    if kind != 'multipart/form-data':
        return [('', _body(environ))]
    files = Request(environ).files.items(multi=True)
    pictures = [(file.filename or '', file.read()) for _, file in files]
    if not pictures:
        raise BadRequest('the request holds no file: send pictures as files of a multipart form')
    return pictures


def _fetched(payload: Any, limits: Limits) -> bytes:
    if not limits.urls:
        raise BadRequest('this server does not fetch addresses: send the picture itself')
    if not isinstance(payload, dict) or not isinstance(payload.get('url'), str):
        raise BadRequest('the body is not {"url": "https://..."}')
    from src.downloads.picture import fetch_image

    return fetch_image(payload['url'], limits.picture_bytes, FETCH_SECONDS, public_only=True)
