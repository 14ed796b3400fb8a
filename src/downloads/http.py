"""Shared by all downloads: user agent, check of addresses, and texts for network errors.

Error messages never show the password or the query of an address, which may hold a key.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from src.common.errors import UserError

USER_AGENT = f'rootstock/0.1 python-requests/{requests.__version__}'
NETWORK_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError)


def web_address(url: str) -> str:
    """`url` unchanged. Raises UserError unless it starts with http:// or https:// and names a host."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ('http', 'https') and bool(parts.hostname) and parts.port != 0
    except ValueError:  # malformed brackets or port
        good = False
    if not good:
        shown = 'this' if '@' in url else shown_url(url)  # it cannot be parsed, and may hold a password
        raise UserError(f'{shown} is not a web address: it must start with http:// or https://')
    return url


def shown_url(url: str) -> str:
    """An address for messages: without user, password, query and fragment."""
    bare = url.partition('?')[0].partition('#')[0]
    scheme, mark, rest = bare.rpartition('://')
    host, slash, path = rest.partition('/')
    short = scheme + mark + host.rpartition('@')[2] + slash + path
    return short if len(short) <= 120 else short[:117] + '...'


def status_line(code: int) -> str:
    """'404 Not Found'. The text is not taken from the server, which may send anything."""
    return f'{code} {http.client.responses.get(code, "")}'.strip()


def why(error: BaseException) -> str:
    """A network error as text, without the address."""
    chain = list(_causes(error))
    for kind, words in (
        (socket.gaierror, 'no such host, or no network'),
        (ConnectionRefusedError, 'connection refused'),
        (urllib3.exceptions.NewConnectionError, 'no connection'),  # also for time-outs
        ((requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), 'no answer in time'),
        (ssl.SSLCertVerificationError, 'its certificate is not valid'),
        ((ssl.SSLError, requests.exceptions.SSLError), 'no secure connection'),
        (requests.exceptions.ProxyError, 'the proxy does not let it through'),
        (requests.TooManyRedirects, 'too many redirects'),
    ):
        if any(isinstance(cause, kind) for cause in chain):
            return words
    # requests' InvalidURL and InvalidSchema are ValueErrors.
    return 'not a valid web address' if isinstance(error, ValueError) else 'the connection dropped'


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
