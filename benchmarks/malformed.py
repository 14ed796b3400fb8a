"""Malformed requests: damaged pictures, bodies, headers and addresses."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np

PATHS = (
    '/classify', '/v1/models/MODEL:predict', '/v1/models/MODEL', '/v1/models/x:predict', '/', '/metrics',
    '/../../etc/passwd', '/page/%2e%2e/app.py', '/classify?model=%00&top=-1', '/classify?top=1e9',
    '/v1/models/MODEL/versions/99999999999999999999:predict', '/v1/models/%ff%fe:predict', '//', '/%',
)  # fmt: skip
METHODS = ('POST', 'POST', 'POST', 'GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'BREW')
KINDS = (
    'image/jpeg', 'application/json', 'multipart/form-data; boundary=b', 'multipart/form-data', 'x', '',
    'application/json; charset=utf-7', 'application/x-www-form-urlencoded', 'text/html; charset=\xff',
)  # fmt: skip


def malformed(picture: bytes, model: str, seed: int) -> Iterator[bytes]:
    """Endless random requests as bytes, most of them malformed; the same for the same seed."""
    rng = random.Random(seed)
    while True:
        path = rng.choice(PATHS).replace('MODEL', model)
        body = rng.choice(BODIES)(rng, picture)
        head = [
            f'{rng.choice(METHODS)} {path} HTTP/1.{rng.randint(0, 1)}',
            'Host: localhost',
            f'Content-Type: {rng.choice(KINDS)}',
            *rng.choice(HEADS)(rng, len(body)),
        ]
        yield '\r\n'.join(head).encode('latin-1') + b'\r\n\r\n' + body


def schemathesis(address: tuple[str, int], examples: int = 50, seed: int = 1) -> str | None:
    """What schemathesis (https://schemathesis.readthedocs.io) finds when it sends requests that follow, and
    that break, the server's /openapi.json: '' for nothing; None if the command is not installed.

    Not checked is that all requests as described are accepted: bytes that it makes up are no pictures."""
    command = shutil.which('schemathesis')
    if command is None:
        return None
    host, port = address
    with tempfile.TemporaryDirectory() as scratch:  # it writes a cache to the working folder
        done = subprocess.run(
            [command, '--no-color', 'run', f'http://{host}:{port}/openapi.json', '--checks', ','.join(CHECKS),
             '--max-examples', str(examples), '--seed', str(seed), '--phases', 'examples,coverage,fuzzing'],
            capture_output=True, text=True, cwd=scratch,
        )  # fmt: skip
    return '' if done.returncode == 0 else done.stdout + done.stderr


def _damaged(rng: random.Random, picture: bytes) -> bytes:
    """The picture, sometimes truncated, with some bytes changed."""
    data = bytearray(picture[: rng.randint(0, len(picture))] if rng.random() < 0.5 else picture)
    for _ in range(rng.randint(0, 20)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _noise(rng: random.Random, picture: bytes) -> bytes:
    return rng.randbytes(rng.randint(0, 2000))


def _predict(rng: random.Random, picture: bytes) -> bytes:
    encoded = base64.b64encode(_damaged(rng, picture)).decode()
    whole = {'b64': encoded}
    instances = rng.choice(
        ([whole], [whole] * 3, [{'b64': encoded[:-1]}], [{'image_raw': whole}], whole, encoded, [], [None],
         [[[]]], {'image_raw': None}, 5, [{'b64': 5}], float('nan'))
    )  # fmt: skip
    return json.dumps({rng.choice(('instances', 'inputs', 'x')): instances}).encode()


def _json(rng: random.Random, picture: bytes) -> bytes:
    return rng.choice(
        (b'{', b'[' * 50_000, b'{"a":' * 20_000, b'9' * 10_000, b'"\\ud800"', b'\xff\xfe{}', b'null',
         b'{"url": "x"}', b'{"url": "http://127.0.0.1/"}', b'{"instances": [{"b64": "\\u0000"}]}', b'1e999')
    )  # fmt: skip


def _multipart(rng: random.Random, picture: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="../a\x00"\r\n\r\n'
    whole = (part + _damaged(rng, picture) + b'\r\n') * rng.randint(0, 3) + b'--b--\r\n'
    return whole[: rng.randint(0, len(whole))]


def _length(rng: random.Random, size: int) -> list[str]:
    return [f'Content-Length: {size}']


def _odd_length(rng: random.Random, size: int) -> list[str]:
    wrong = rng.choice((size - 1, size + 5, -1, 10**12, 'x', '', f'{size}, {size}', '0x10'))
    return [f'Content-Length: {wrong}']


def _chunked(rng: random.Random, size: int) -> list[str]:
    return ['Transfer-Encoding: ' + rng.choice(('chunked', 'gzip', 'chunked, chunked', 'x'))]


def _odd_heads(rng: random.Random, size: int) -> list[str]:
    odd = ('Expect: 100-continue', 'Range: bytes=5-', 'X: ' + 'y' * 9000, ': empty', 'no colon', 'Host: \x01',
           'Cookie: ' + '=' * 500, 'Content-Encoding: gzip', 'X-Forwarded-For: ' + '::1,' * 50)  # fmt: skip
    return [rng.choice(odd), f'Content-Length: {size}']


CHECKS = (
    'not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'unsupported_method',
    'response_schema_conformance', 'response_headers_conformance', 'ignored_auth',
)  # fmt: skip
BODIES = (_damaged, _damaged, _noise, _predict, _predict, _json, _multipart)
HEADS = (_length, _length, _length, _odd_length, _chunked, _odd_heads)


def tiny_picture() -> bytes:
    """A small JPEG of noise."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, 'JPEG')
    return stream.getvalue()
