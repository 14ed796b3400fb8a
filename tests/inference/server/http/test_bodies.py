"""Compressed request bodies."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib

import pytest

from src.inference.server.admission import AdmissionLimit
from src.inference.server.http import middleware
from src.inference.server.http.bodies import decompressed
from tests.inference.models import bright_above
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG', quality=95)
BMP = encoded(bright_above(400, 300), 'BMP')  # 360 kB that gzip makes small


def post(server, address: str, data: bytes, encoding: str = 'gzip', kind: str = 'image/jpeg'):
    return server.post(address, data=data, headers={'Content-Encoding': encoding, 'Content-Type': kind})


@pytest.mark.parametrize('encoding', ['gzip', 'x-gzip', ' GZIP '])
def test_a_compressed_body_is_answered_as_the_plain_one(server, encoding):
    form, form_kind = multipart(JPEG)
    predict = json.dumps({'instances': [{'b64': base64.b64encode(JPEG).decode()}]}).encode()
    for address, data, kind in (
        ('/classify', JPEG, 'image/jpeg'),
        ('/classify', BMP, 'image/bmp'),
        ('/classify', form, form_kind),
        ('/v1/models/side:predict', predict, 'application/json'),
    ):
        plain = server.post(address, data=data, content_type=kind).json
        answer = post(server, address, gzip.compress(data), encoding, kind)
        assert answer.status_code == 200
        of_gzip = answer.json
        for each in (plain, of_gzip):
            each.pop('milliseconds', None)
        assert of_gzip == plain


def multipart(data: bytes) -> tuple[bytes, str]:
    lines = [b'--frame', b'Content-Disposition: form-data; name="image"; filename="a.jpg"', b'', data]
    return b'\r\n'.join([*lines, b'--frame--', b'']), 'multipart/form-data; boundary=frame'


@pytest.mark.parametrize('encoding', ['br', 'deflate', 'zstd', 'gzip, gzip', 'é'])
def test_other_encodings_are_415(server, encoding):
    for address in ('/classify', '/v1/models/side:predict'):
        answer = post(server, address, gzip.compress(JPEG), encoding.encode().decode('latin-1'))
        assert answer.status_code == 415 and answer.headers['Accept-Encoding'] == 'gzip'
        assert 'send gzip or plain bytes' in answer.json['error'] and '\n' not in answer.json['error']


@pytest.mark.parametrize('encoding', ['', 'identity', 'Identity'])
def test_no_encoding_is_no_encoding(server, encoding):
    assert post(server, '/classify', JPEG, encoding).status_code == 200
    assert 'empty' in post(server, '/classify', b'', 'gzip').json['error']


@pytest.mark.parametrize(
    'data, words',
    [
        (JPEG, 'not valid gzip'),
        (zlib.compress(JPEG), 'not valid gzip'),
        (gzip.compress(JPEG)[:-9], 'cut short'),
        (gzip.compress(JPEG)[:5], 'cut short'),
        (gzip.compress(JPEG)[:-8] + bytes(8), 'not valid gzip'),  # its checksum
        (gzip.compress(JPEG) + b'more', 'more bytes than'),
        (gzip.compress(JPEG) * 2, 'more bytes than'),
        (gzip.compress(bytes(1 << 16), 0)[:-8], 'cut short'),
    ],
)
def test_damaged_bodies_are_400(server, data, words):
    answer = post(server, '/classify', data)
    assert answer.status_code == 400 and words in answer.json['error']


def test_a_body_that_would_grow_too_large_is_413_early(make_server):
    server = make_server(request_bytes=len(BMP))
    assert post(server, '/classify', gzip.compress(BMP)).status_code == 200
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < len(BMP)
    answer = post(server, '/classify', bomb)
    assert answer.status_code == 413 and f'{len(BMP):,} bytes uncompressed' in answer.json['error']


def test_of_gzipbytes_count_against_the_memory_limit(make_server, monkeypatch):
    small = gzip.compress(BMP)
    monkeypatch.setattr(middleware, 'BODIES_BYTES', 0)  # room for one request of the largest size
    server = make_server(request_bytes=len(BMP) + len(small) - 1)
    assert post(server, '/classify', small).status_code == 503
    assert server.post('/classify', data=BMP).status_code == 200


def test_the_admission_limit_is_released_after_every_outcome():
    inside = []
    room = AdmissionLimit(10_000_000, inside.append)
    for data in (gzip.compress(BMP), gzip.compress(BMP)[:-9], gzip.compress(bytes(9_000_000))):
        environ = {'HTTP_CONTENT_ENCODING': 'gzip', 'wsgi.input': io.BytesIO(data)}
        try:
            with decompressed(environ, len(data), 5_000_000, room):
                assert environ['wsgi.input'].read() == BMP and environ['CONTENT_LENGTH'] == str(len(BMP))
                assert inside[-1] == len(BMP)
        except middleware.REFUSALS:
            pass
        assert inside[-1] == 0
