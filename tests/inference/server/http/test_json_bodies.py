"""JSON bodies: the same values as json.loads, in a fraction of the memory."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest

from src.inference.server.http.json_bodies import SMALL_BYTES, BadRequest, LongString, parse_json

LONG = 'ab+/' * SMALL_BYTES  # makes a body a large one


def plain(value):
    """The value with its long strings as they are."""
    if isinstance(value, LongString):
        return value.encoded().decode()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def random_value(rng: random.Random, depth: int = 4):
    kind = rng.randrange(8 if depth else 5)
    if kind < 3:
        letters = rng.choice(('abc+/=', 'é"\\\n\x00犬', '\\"'))
        return ''.join(rng.choice(letters) for _ in range(rng.choice((0, 3, 20, 99, 100, 101, 300))))
    if kind < 5:
        return rng.choice((None, True, 1, -2.5e9, 10**20))
    if kind < 6:
        return {
            random_value(rng, 0) if rng.random() < 0.1 else str(i): random_value(rng, depth - 1)
            for i in range(rng.randrange(5))
        }
    return [random_value(rng, depth - 1) for _ in range(rng.randrange(5))]


@pytest.mark.parametrize('ascii_only', [True, False])
def test_values_are_those_of_json(ascii_only):
    for seed in range(80):
        value = random_value(random.Random(seed))
        body = json.dumps([LONG, value], ensure_ascii=ascii_only).encode()
        assert plain(parse_json(body, '{}')) == json.loads(body)
    assert any(isinstance(item, LongString) for item in parse_json(body, '{}'))


def test_escaped_slashes_as_php_writes_them():
    body = json.dumps({'b64': LONG}).replace('/', '\\/').encode()
    assert plain(parse_json(body, '{}')) == {'b64': LONG}


@pytest.mark.parametrize(
    'body',
    [
        b'"' + b'x' * 2 * SMALL_BYTES,
        b'"' + b'\\' * 2 * SMALL_BYTES + b'"',
        b'"' + b'\\"' * SMALL_BYTES,
        b'{"a": "%b"' % LONG.encode(),
        b'["%b", ]' % LONG.encode(),
        b'["%b" "%b"]' % (LONG.encode(), LONG.encode()),
        ('["' + LONG + '"]').encode('utf-16'),
        b'[' * 100_000 + b'"%b"' % LONG.encode(),
        b'',
        b'nothing',
    ],
)
def test_what_is_not_json(body):
    with pytest.raises(BadRequest, match='not valid JSON'):
        parse_json(body, '{}')


@pytest.mark.parametrize('piece', [b'[],', b'{},', b'0,', b'"ab",', b'"",', b' ', b'"a":{'])
def test_large_bodies_of_anything_but_pictures_are_refused_in_little_memory(piece):
    body = b'[' + piece * (5_000_000 // len(piece))
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match='besides pictures in base64'):
            parse_json(body, '{}')
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_large_picture_is_not_copied():
    body = json.dumps({'instances': [{'b64': 'x' * 20_000_000}]}).encode()
    tracemalloc.start()
    try:
        value = parse_json(body, '{}')
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(value['instances'][0]['b64'].encoded()) == 20_000_000
