"""Requests and responses in TensorFlow Serving's format."""

from __future__ import annotations

import base64
import json

import pytest

from src.inference.server.http.json_bodies import SMALL_BYTES, BadRequest
from src.inference.server.tf_serving import parse_predict

ONE, TWO = b'first picture', b'second \xff picture'


def b64(data: bytes) -> dict:
    return {'b64': base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    'request_, answered',
    [
        ({'instances': [b64(ONE), b64(TWO)]}, 'predictions'),
        ({'instances': [{'image_raw': b64(ONE)}, {'image_raw': b64(TWO)}]}, 'predictions'),
        ({'inputs': [b64(ONE), b64(TWO)]}, 'outputs'),
        ({'inputs': {'image_raw': [b64(ONE), b64(TWO)]}}, 'outputs'),
        ({'instances': [b64(ONE), b64(TWO)], 'signature_name': 'serving_default'}, 'predictions'),
        ({'instances': [b64(ONE), b64(TWO)], 'signature_name': ''}, 'predictions'),
    ],
)
def test_rows_and_columns_with_and_without_the_name_of_the_input(request_, answered):
    assert parse_predict(json.dumps(request_).encode()) == ([ONE, TWO], answered)


def test_base64_as_tensorflow_servings_page_shows_it():
    body = b'{ "instances": [ { "b64": "aW1hZ2UgYnl0ZXM=" }, { "b64": "YXdlc29tZSBpbWFnZSBieXRlcw==" } ] }'
    assert parse_predict(body) == ([b'image bytes', b'awesome image bytes'], 'predictions')


ODD = bytes(range(256)) + b'\xfb\xff?'  # in base64 with + and /, and with padding
PLAIN = base64.b64encode(ODD).decode()


@pytest.mark.parametrize(
    'text',
    [
        base64.encodebytes(ODD).decode(),
        base64.encodebytes(ODD).decode().replace('\n', '\r\n'),
        f' \t{PLAIN[:7]} {PLAIN[7:]} ',
        PLAIN.rstrip('='),
        base64.urlsafe_b64encode(ODD).decode(),
        base64.urlsafe_b64encode(ODD).decode().rstrip('='),
    ],
)
def test_base64_in_the_variants_of_common_programs(text):
    assert '=' in PLAIN and '+' in PLAIN and '/' in PLAIN
    body = json.dumps({'instances': [{'b64': text}]})
    assert parse_predict(body.encode()) == ([ODD], 'predictions')
    large = json.dumps({'instances': [{'b64': text + ' ' * SMALL_BYTES}]})
    assert parse_predict(large.encode()) == ([ODD], 'predictions')
    as_it_is = '{"instances": [{"b64": "' + text + '"}]}'  # line breaks not escaped, as a shell puts them
    assert parse_predict(as_it_is.encode()) == ([ODD], 'predictions')


@pytest.mark.parametrize(
    'body, words',
    [
        (b'', 'not valid JSON'),
        (b'{', r'not valid JSON such as {"instances": \[.*goes to /classify'),
        (b'\xff\xfe', 'not valid JSON'),
        (b'[' * 100_000, 'not valid JSON'),
        (b'[]', 'not a JSON object'),
        (b'{}', 'one of "instances" and "inputs"'),
        (json.dumps({'instances': [b64(ONE)], 'inputs': [b64(ONE)]}).encode(), 'one of'),
        (b'{"instances": []}', 'not a list of pictures'),
        (b'{"instances": {}}', 'not a list of pictures'),
        (b'{"instances": [1, 2]}', r'instances\[0\] is not'),
        (b'{"instances": ["abcd"]}', r'instances\[0\] is not'),
        (b'{"instances": [{"b64": 5}]}', r'instances\[0\] is not'),
        (b'{"instances": [{"b64": "YQ==", "more": 1}]}', r'instances\[0\] is not'),
        (b'{"instances": [{"b64": "YQ=="}, {"b64": "!!"}]}', r'instances\[1\] is not valid base64'),
        (b'{"instances": [{"b64": "\xc3\xa9"}]}', 'not valid base64'),
        (b'{"instances": [{"b64": "YWJjZ"}]}', 'not valid base64'),
        (b'{"instances": [{"b64": "YQ==YQ=="}]}', 'not valid base64'),
        (b'{"instances": [{"b64": "data:image/png;base64,YQ=="}]}', 'base64: send only what follows'),
        (b'{"instances": [{"picture": {"b64": "YQ=="}}]}', "only input is 'image_raw'"),
        (b'{"inputs": {"picture": [{"b64": "YQ=="}]}}', "only input is 'image_raw'"),
        (b'{"inputs": {"b64": "YQ=="}}', 'not a list of pictures'),
        (b'{"instances": [{"b64": "YQ=="}], "signature_name": "other"}', "no signature 'other'"),
        (b'{"instances": [{"b64": "YQ=="}], "signature_name": [1]}', 'no signature'),
    ],
)
def test_refusals_are_one_line(body, words):
    with pytest.raises(BadRequest, match=words) as refused:
        parse_predict(body)
    assert '\n' not in str(refused.value) and len(str(refused.value)) < 200
