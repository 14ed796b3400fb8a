"""Where a request ends. Heads that a proxy in front of the server could read in another way are refused, as
a second request could be smuggled in the body of the first: RFC 9112 (https://www.rfc-editor.org/rfc/rfc9112),
the sections that are named below. waitress accepts some of them."""

from __future__ import annotations

import re
from http import HTTPStatus

from waitress.parser import HTTPRequestParser

from src.inference.server.http.refusals import Refusal

VERSIONS = ('1.0', '1.1')
MOST_HEADERS = 100  # as in Apache: https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestfields
# A pattern of waitress (3.0.2, HEADER_FIELD_RE) takes a time that grows with the square of the spaces.
SPACES = re.compile(rb'[ \t]{64}')
FOLDED = re.compile(rb'\r\n[ \t]')
TRANSFER_ENCODING = re.compile(rb'^transfer-encoding:[ \t]*(.*?)[ \t]*\r?$', re.IGNORECASE | re.MULTILINE)


def too_costly(head: bytes) -> Refusal | None:
    """Why a head is refused before waitress parses it; None if it is not."""
    if head.count(b'\n') > MOST_HEADERS + 1:
        return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f'more than {MOST_HEADERS} headers')
    if SPACES.search(head):
        return Refusal(HTTPStatus.BAD_REQUEST, 'too many spaces in a row')
    return None


def fault(head: bytes, request: HTTPRequestParser) -> Refusal | None:
    """Why a head, which waitress has parsed, is refused; None if it is not."""
    if request.version not in VERSIONS:
        return Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, 'the versions are HTTP/1.0 and HTTP/1.1')
    line = _fault(head, request)
    return Refusal(HTTPStatus.BAD_REQUEST, line) if line else None


def _fault(head: bytes, request: HTTPRequestParser) -> str:
    codings = TRANSFER_ENCODING.findall(head)
    if FOLDED.search(head):  # 5.2
        return 'a header is continued on a second line'
    if codings and request.version == '1.0':  # 6.1
        return 'Transfer-Encoding is of HTTP/1.1'
    if codings and 'CONTENT_LENGTH' in request.headers:  # 6.3
        return 'the request has both Content-Length and Transfer-Encoding'
    if codings and (len(codings) > 1 or codings[0].lower() != b'chunked'):  # 6.1, 7
        return 'the only Transfer-Encoding is chunked, once'
    hosts = request.headers.get('HOST')
    if (hosts is None and request.version == '1.1') or ',' in (hosts or ''):  # 3.2
        return 'the request needs one Host'
    return ''
