"""Requests that nobody should send: broken pictures, bodies, heads and addresses."""

from __future__ import annotations

import base64
import json
import random
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
    """Endless requests as bytes, each broken somewhere; the same for the same seed."""
    chance = random.Random(seed)
    while True:
        path = chance.choice(PATHS).replace('MODEL', model)
        body = chance.choice(BODIES)(chance, picture)
        head = [
            f'{chance.choice(METHODS)} {path} HTTP/1.{chance.randint(0, 1)}',
            'Host: localhost',
            f'Content-Type: {chance.choice(KINDS)}',
            *chance.choice(HEADS)(chance, len(body)),
        ]
        yield '\r\n'.join(head).encode('latin-1') + b'\r\n\r\n' + body


def _damaged(chance: random.Random, picture: bytes) -> bytes:
    """The picture with some bytes changed, cut short, or with something else in its place."""
    data = bytearray(picture[: chance.randint(0, len(picture))] if chance.random() < 0.5 else picture)
    for _ in range(chance.randint(0, 20)):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _noise(chance: random.Random, picture: bytes) -> bytes:
    return chance.randbytes(chance.randint(0, 2000))


def _predict(chance: random.Random, picture: bytes) -> bytes:
    encoded = base64.b64encode(_damaged(chance, picture)).decode()
    whole = {'b64': encoded}
    instances = chance.choice(
        ([whole], [whole] * 3, [{'b64': encoded[:-1]}], [{'image_raw': whole}], whole, encoded, [], [None],
         [[[]]], {'image_raw': None}, 5, [{'b64': 5}], float('nan'))
    )  # fmt: skip
    return json.dumps({chance.choice(('instances', 'inputs', 'x')): instances}).encode()


def _json(chance: random.Random, picture: bytes) -> bytes:
    return chance.choice(
        (b'{', b'[' * 50_000, b'{"a":' * 20_000, b'9' * 10_000, b'"\\ud800"', b'\xff\xfe{}', b'null',
         b'{"url": "x"}', b'{"url": "http://127.0.0.1/"}', b'{"instances": [{"b64": "\\u0000"}]}', b'1e999')
    )  # fmt: skip


def _multipart(chance: random.Random, picture: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="../a\x00"\r\n\r\n'
    whole = (part + _damaged(chance, picture) + b'\r\n') * chance.randint(0, 3) + b'--b--\r\n'
    return whole[: chance.randint(0, len(whole))]


def _length(chance: random.Random, size: int) -> list[str]:
    return [f'Content-Length: {size}']


def _odd_length(chance: random.Random, size: int) -> list[str]:
    wrong = chance.choice((size - 1, size + 5, -1, 10**12, 'x', '', f'{size}, {size}', '0x10'))
    return [f'Content-Length: {wrong}']


def _chunked(chance: random.Random, size: int) -> list[str]:
    return ['Transfer-Encoding: ' + chance.choice(('chunked', 'gzip', 'chunked, chunked', 'x'))]


def _odd_heads(chance: random.Random, size: int) -> list[str]:
    odd = ('Expect: 100-continue', 'Range: bytes=5-', 'X: ' + 'y' * 9000, ': empty', 'no colon', 'Host: \x01',
           'Cookie: ' + '=' * 500, 'Content-Encoding: gzip', 'X-Forwarded-For: ' + '::1,' * 50)  # fmt: skip
    return [chance.choice(odd), f'Content-Length: {size}']


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
