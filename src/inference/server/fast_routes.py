"""The requests that programs send by the thousand, answered in plain WSGI.

    POST /classify?model=NAME&top=5             one encoded picture as the body
    POST /v1/models/NAME[/versions/N]:predict   as TensorFlow Serving answers

Whatever else comes is Flask's. Its way from a request to an answer would be a seventh of all the work that
a picture is for a small graph, and with 32 clients takes a sixth of the throughput.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import parse_qs

from src.inference.server.middleware import REFUSALS, ROUTE, answer, body_bytes, refusal
from src.inference.server.service import TOP, Answers
from src.inference.server.tf_serving import BadRequest

CLASSIFY = '/classify'
PARAMETERS = 'model', 'top'  # of /classify
TOP_NUMBER = re.compile('0*[1-9][0-9]{0,999}')
PREDICT = re.compile(r'/v1/models/([^/]+?)(?:/versions/([0-9]{1,18}))?:predict')
OTHERS = 'multipart/form-data', 'application/json'  # of /classify: several pictures, or an address


class Programs:
    """Answers them, and hands the others to the application behind."""

    def __init__(self, app, answers: Answers):
        self._app, self._answers = app, answers

    def __call__(self, environ: dict, start_response) -> Iterable[bytes]:
        path = environ['PATH_INFO'].encode('latin-1').decode('utf-8', 'replace')  # WSGI has bytes as text
        ask = self._find(environ, path)
        if ask is None:
            return self._app(environ, start_response)
        line = f'{environ["REQUEST_METHOD"]} {path[:200]}'
        if environ['REQUEST_METHOD'] != 'POST':
            status = HTTPStatus.METHOD_NOT_ALLOWED
            return answer(environ, start_response, _fault(status, line), status, [('Allow', 'POST')])
        try:
            told = ask(environ['wsgi.input'].read(body_bytes(environ)))
        except REFUSALS as error:
            return answer(environ, start_response, *refusal(error))
        except Exception:  # ours to report; the server goes on
            logging.getLogger(__name__).exception('%r', line)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return answer(environ, start_response, _fault(status, line), status)
        return answer(environ, start_response, told)

    def _find(self, environ: dict, path: str) -> Callable[[bytes], dict] | None:
        """What answers the body of a request, if it is one of ours."""
        if path == CLASSIFY:
            kind = environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
            if kind in OTHERS:
                return None
            environ[ROUTE] = path
            return lambda body: self._answers.classify([('', body)], *asked(environ.get('QUERY_STRING', '')))
        if path.endswith(':predict') and (found := PREDICT.fullmatch(path)):
            name, version = found.groups()
            environ[ROUTE] = f'/v1/models/<name>{"/versions/<int:version>" if version else ""}:predict'
            return lambda body: self._answers.predict(body, name, int(version) if version else None)
        return None


def asked(query: str) -> tuple[str | None, int]:
    """The model and the number of classes that ?model=NAME&top=5 asks for. Raises BadRequest."""
    values = parse_qs(query, keep_blank_values=True) if query else {}
    for key, given in values.items():
        if key not in PARAMETERS:
            raise BadRequest(f'no parameter {key[:40]!r}: there are {" and ".join(PARAMETERS)}')
        if len(given) > 1:
            raise BadRequest(f'the parameter {key!r} is given {len(given)} times')
    top = values.get('top', [str(TOP)])[0]
    if not TOP_NUMBER.fullmatch(top):
        raise BadRequest(f'top={top[:40]} is not a whole number of at least 1')
    return values.get('model', [None])[0], int(top)


def _fault(status: HTTPStatus, line: str) -> dict:
    return {'error': f'{status.phrase}: {line}'}
