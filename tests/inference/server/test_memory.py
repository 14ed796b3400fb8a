"""Pictures are freed with their requests, without Python's collector of cycles, which runs seldom."""

from __future__ import annotations

import gc
import io
import sys
from contextlib import contextmanager

import pytest

from src.common.process.budget import Unavailable
from src.images import pillow_reader
from src.images.faults import BadImage, or_fault
from src.images.headers import read_header
from src.inference.server import service
from tests.inference.models import bright_above
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG', quality=95)


class Input:
    """The body of a request."""

    def __init__(self, data: bytes):
        self._data = bytes(bytearray(data))  # an object of its own
        self._references = sys.getrefcount(self._data)

    def read(self, size: int) -> bytes:
        return self._data

    @property
    def freed(self) -> bool:
        """Whether nobody else holds the picture."""
        return sys.getrefcount(self._data) == self._references


@contextmanager
def without_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ask(server, path, data) -> tuple[int, Input]:
    """The status of the answer, and the body."""
    given, statuses = Input(data), []
    environ = {
        'REQUEST_METHOD': 'POST',
        'PATH_INFO': path,
        'QUERY_STRING': '',
        'CONTENT_LENGTH': str(len(data)),
        'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80',
        'wsgi.input': given,
        'wsgi.url_scheme': 'http',
        'wsgi.errors': io.StringIO(),
    }
    application = server.client.application
    b''.join(application.wsgi_app(environ, lambda status, headers, info=None: statuses.append(status)))
    return int(statuses[0][:3]), given


@pytest.mark.parametrize(
    ('data', 'status'),
    [
        (JPEG, 200),
        (encoded(bright_above(), 'GIF'), 200),
        (JPEG[: len(JPEG) // 2], 400),
        (b'\xff\xd8' + b'\xff' * 100_000, 400),
        (b'no picture', 400),
    ],
    ids=['photo', 'other format', 'cut off', 'padding', 'no picture'],
)
@pytest.mark.parametrize('path', ['/classify', '/explain'])
def test_a_picture_is_freed_with_its_request(server, path, data, status):
    ask(server, path, data)  # what is imported and compiled at first
    with without_collector():
        answered, picture = ask(server, path, data)
        assert answered == status or path == '/explain'
        assert picture.freed


def test_a_picture_that_must_wait_too_long_is_freed(server, monkeypatch):
    def wait(*_):
        raise Unavailable('no memory')

    monkeypatch.setattr(service, 'charged', wait)
    monkeypatch.setattr(pillow_reader, 'charged', wait)
    with without_collector():
        answered, picture = ask(server, '/classify', encoded(bright_above(), 'GIF'))
        assert answered == 503 and picture.freed


def test_a_fault_that_is_kept_does_not_hold_the_picture():
    picture = Input(b'\xff\xd8' + b'\xff' * 100_000)
    with without_collector():
        fault = or_fault(lambda: read_header(picture.read(0)))
        assert isinstance(fault, BadImage) and picture.freed
