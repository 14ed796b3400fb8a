"""The POST routes, answered in plain WSGI.

    POST /classify?model=NAME&top=5             one encoded picture as the body, several as the files of a
                                                multipart form, or {"url": "https://..."} as JSON
    POST /explain?model=NAME&class=LABEL        one picture, sent as for /classify: Grad-CAM over it as a PNG;
                                                with `Accept: application/json` the PNG in base64 with its
                                                class, probability and model; default: the best class
    POST /v1/models/NAME[/versions/N]:predict   as TensorFlow Serving answers; or [/labels/LABEL]

All other requests go to Flask. For a small graph, Flask's request handling would take a seventh of the time
of a request, and a sixth of the throughput with 32 clients.
"""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from src.inference.server.admission import AdmissionLimit
from src.inference.server.http.json_bodies import BadRequest, parse_json
from src.inference.server.http.middleware import REFUSALS, ROUTE, body_bytes, refusal, respond, see_routes
from src.inference.server.service import TOP, Limits, Service

CLASSIFY, EXPLAIN = '/classify', '/explain'
TOP_NUMBER = re.compile('0*[1-9][0-9]{0,999}')
PREDICT = re.compile(r'/v1/models/([^/]+?)(?:/versions/([0-9]{1,18})|/labels/([^/]+?))?:predict')
ADDRESS = '{"url": "https://..."}'
FETCH_SECONDS = 10
# Of pictures that are fetched, until they are answered; each counts as the largest that is taken. A slow
# address holds a thread.
FETCHED_BYTES = 256_000_000
JSON, URL_FORM = 'application/json', 'application/x-www-form-urlencoded'
REMOVED = b'\0\r\n'  # bytes that `curl -d @FILE` leaves out; every picture has one of them

# From a WSGI environment to the JSON object, or the PNG, of the response.
Handler = Callable[[dict], dict | bytes]


class FastRoutes:
    """A WSGI application that answers the POST routes and passes all other requests on to `app`."""

    def __init__(self, app: Callable, service: Service):
        self._app, self._service = app, service
        most = service.limits.picture_bytes
        self._fetches = AdmissionLimit(max(FETCHED_BYTES, most), per_client=max(FETCHED_BYTES // 4, most))

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        path = environ['PATH_INFO'].encode('latin-1').decode('utf-8', 'replace')  # WSGI has bytes as text
        handler = self._handler(environ, path)
        if handler is None:
            return self._app(environ, start_response)
        request_line = f'{environ["REQUEST_METHOD"]} {path[:200]}'

        def fail(status: HTTPStatus, cure: str = '', headers: Iterable[tuple[str, str]] = ()) -> list[bytes]:
            line = f'{status.phrase}: {request_line}{cure}'
            return respond(environ, start_response, {'error': line}, status, headers)

        if environ['REQUEST_METHOD'] != 'POST':
            return fail(HTTPStatus.METHOD_NOT_ALLOWED, see_routes('POST'), [('Allow', 'POST')])
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
        if path == EXPLAIN:
            environ[ROUTE] = path
            return self._explain
        if path.endswith(':predict') and (found := PREDICT.fullmatch(path)):
            name, version, label = found.groups()
            which = '/versions/<int:version>' if version else '/labels/<label>' if label else ''
            environ[ROUTE] = f'/v1/models/<name>{which}:predict'
            number = int(version) if version else None
            return lambda environ: self._service.predict(_body(environ), name, number, label)
        return None

    def _classify(self, environ: dict) -> dict:
        options = classify_options(environ.get('QUERY_STRING', ''))
        with self._pictures(environ) as pictures:
            return self._service.classify(pictures, *options)

    def _explain(self, environ: dict) -> dict | bytes:
        values = _parameters(environ.get('QUERY_STRING', ''), ('model', 'class'))
        with self._pictures(environ) as pictures:
            if len(pictures) > 1:
                raise BadRequest(f'{EXPLAIN} takes one picture, not {len(pictures)}')
            found = self._service.explain(pictures[0][1], values.get('model'), values.get('class'))
        if JSON in environ.get('HTTP_ACCEPT', ''):
            return found | {'png': base64.b64encode(found['png']).decode()}
        return found['png']

    @contextmanager
    def _pictures(self, environ: dict) -> Iterator[list[tuple[str, bytes]]]:
        """(name, encoded picture) of a request to /classify; '' where a picture has no name. Raises
        BadRequest, Busy, and UserError when an address cannot be fetched."""
        kind = environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
        if kind == JSON:
            limits = self._service.limits
            with self._fetches.enter(limits.picture_bytes):
                yield [('', _fetched(parse_json(_body(environ), ADDRESS), limits))]
            return
        if kind != 'multipart/form-data':
            body = _body(environ)
            if body and kind == URL_FORM and not any(byte in body for byte in REMOVED):
                raise BadRequest('not an image; with curl send it by --data-binary, as -d removes some bytes')
            yield [('', body)]
            return
        files = Form(environ).files.items(multi=True)
        pictures = [(file.filename or '', file.read()) for _, file in files]
        if not pictures:
            raise BadRequest('the request holds no file: send pictures as files of a multipart form')
        yield pictures


class Form(Request):
    """A multipart form. Its files stay in memory, where their body is admitted: no temporary files."""

    def _get_file_stream(self, *args: Any, **options: Any) -> io.BytesIO:
        return io.BytesIO()


def classify_options(query: str) -> tuple[str | None, int]:
    """Model and number of classes in a query such as 'model=NAME&top=5'. Raises BadRequest."""
    values = _parameters(query, ('model', 'top'))
    top = values.get('top', str(TOP))
    if not TOP_NUMBER.fullmatch(top):
        raise BadRequest(f'top={top[:40]} is not a whole number of at least 1')
    return values.get('model'), int(top)


def _parameters(query: str, names: Sequence[str]) -> dict[str, str]:
    """The parameters in a query. Raises BadRequest for those not in `names`, and for repeated ones."""
    values = parse_qs(query, keep_blank_values=True) if query else {}
    for key, given in values.items():
        if key not in names:
            raise BadRequest(f'no parameter {key[:40]!r}: the parameters are {" and ".join(names)}')
        if len(given) > 1:
            raise BadRequest(f'the parameter {key!r} is given {len(given)} times')
    return {key: given for key, (given,) in values.items()}


def _body(environ: dict) -> bytes:
    return environ['wsgi.input'].read(body_bytes(environ))


def _fetched(payload: Any, limits: Limits) -> bytes:
    if not limits.urls:
        raise BadRequest('this server does not fetch addresses: send the picture itself')
    if not isinstance(payload, dict) or not isinstance(payload.get('url'), str):
        raise BadRequest(f'the body is not {ADDRESS}')
    from src.downloads.picture import fetch_image

    return fetch_image(payload['url'], limits.picture_bytes, FETCH_SECONDS, public_only=True)
