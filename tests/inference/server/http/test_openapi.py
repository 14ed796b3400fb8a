"""/openapi.json describes every route, and the server's answers are as it says."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest

from src.inference.server.app import SERVICE
from src.inference.server.fast_routes import FastRoutes
from src.inference.server.http.middleware import ROUTE
from src.inference.server.http.openapi import description
from src.inference.server.http.tokens import Tokens
from tests.inference.models import bright_above
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG')
TOKEN = 'a-token-of-a-test-0123'
DIALECT = 'https://json-schema.org/draft/2020-12/schema'
PREDICT = {'instances': [{'b64': base64.b64encode(JPEG).decode()}]}
NO_PICTURE = {'inputs': [{'b64': 'eA=='}]}
WRAPPED = {'inputs': {'image_raw': [{'image_raw': PREDICT['instances'][0]}]}}


def form(*pictures: bytes) -> dict:
    return {'data': {'image': [(io.BytesIO(data), f'{i}.jpg') for i, data in enumerate(pictures)]}}


# method, path, address, what is sent (a list: a form of these pictures), status
ASKED = [
    ('post', '/classify', '/classify', {'data': JPEG}, 200),
    ('post', '/classify', '/classify?top=2&model=side', {'data': [JPEG, b'no picture']}, 200),
    ('post', '/classify', '/classify', {'data': b'no picture'}, 400),
    ('post', '/classify', '/classify', {'json': {'url': 'http://127.0.0.1/'}}, 400),
    ('post', '/classify', '/classify?model=other', {'data': JPEG}, 404),
    ('post', '/classify', '/classify', {'data': [JPEG] * 17}, 413),
    ('post', '/classify', '/classify', {'data': JPEG, 'headers': {'Content-Encoding': 'br'}}, 415),
    ('post', '/explain', '/explain', {'data': b'no picture'}, 400),
    ('post', '/explain', '/explain?class=blue', {'data': JPEG}, 400),
    ('get', '/classes', '/classes', {}, 200),
    ('get', '/classes', '/classes?model=other', {}, 404),
    ('get', '/metrics', '/metrics', {}, 200),
    ('get', '/healthz', '/healthz', {}, 200),
    ('get', '/readyz', '/readyz', {}, 200),
    ('get', '/openapi.json', '/openapi.json', {}, 200),
    ('get', '/', '/', {}, 200),
    ('get', '/page/{filename}', '/page/page.js', {}, 200),
    ('get', '/page/{filename}', '/page/other.js', {}, 404),
    ('get', '/v1/models/{name}', '/v1/models/side', {}, 200),
    ('get', '/v1/models/{name}/versions/{version}', '/v1/models/side/versions/1', {}, 200),
    ('get', '/v1/models/{name}/versions/{version}', '/v1/models/side/versions/7', {}, 404),
    ('get', '/v1/models/{name}/labels/{label}', '/v1/models/side/labels/stable', {}, 404),
    ('get', '/v1/models/{name}/metadata', '/v1/models/side/metadata', {}, 200),
    ('get', '/v1/models/{name}/metadata', '/v1/models/other/metadata', {}, 404),
    ('post', '/v1/models/{name}:predict', '/v1/models/side:predict', {'json': PREDICT}, 200),
    ('post', '/v1/models/{name}:predict', '/v1/models/side:predict', {'json': WRAPPED}, 200),
    ('post', '/v1/models/{name}:predict', '/v1/models/side:predict', {'json': NO_PICTURE}, 400),
    (
        'post',
        '/v1/models/{name}/versions/{version}:predict',
        '/v1/models/side/versions/1:predict',
        {'json': PREDICT},
        200,
    ),
    (
        'post',
        '/v1/models/{name}/labels/{label}:predict',
        '/v1/models/side/labels/x:predict',
        {'json': PREDICT},
        404,
    ),
]


def test_every_route_is_described_and_no_other(server):
    app = server.client.application
    routes = set()
    for rule in app.url_map.iter_rules():
        path = re.sub('<(?:[a-z]+:)?([a-z]+)>', r'{\1}', rule.rule)
        routes |= {(method.lower(), path) for method in rule.methods - {'HEAD', 'OPTIONS'}}
    fast = FastRoutes(app, app.extensions[SERVICE])
    posted = []
    for of in ('classify', 'explain', *(f'v1/models/m{w}:predict' for w in ('', '/versions/1', '/labels/x'))):
        environ = {}
        assert fast._handler(environ, f'/{of}')
        posted.append(re.sub('<(?:[a-z]+:)?([a-z]+)>', r'{\1}', environ[ROUTE]))
    described = description(False)['paths']
    assert {(method, path) for path in described for method in described[path]} == routes | {
        ('post', path) for path in posted
    }


def check(answer, method: str, path: str, described: dict) -> None:
    """Raise unless the answer is one that the description has for the route."""
    response = described['paths'][path][method]['responses'][str(answer.status_code)]
    kinds = response['content']
    assert answer.mimetype in kinds or '*/*' in kinds
    for header in response.get('headers', ()):
        assert header in answer.headers
    schema = kinds.get(answer.mimetype, {}).get('schema')
    if schema:
        import jsonschema  # here, as it compiles grammars for seconds

        whole = {'$schema': DIALECT, 'components': described['components'], **schema}
        jsonschema.validate(answer.json, whole)


def test_answers_are_as_described(server):
    described = server.get('/openapi.json').json
    for method, path, address, sent, status in ASKED:
        if isinstance(sent.get('data'), list):
            sent = form(*sent['data'])
        answer = getattr(server.client, method)(address, **sent)
        assert answer.status_code == status, address
        check(answer, method, path, described)


def test_what_explains_is_as_described(colors):
    described = colors.get('/openapi.json').json
    for kind in ('image/png', 'application/json'):
        answer = colors.post('/explain', data=JPEG, headers={'Accept': kind})
        assert answer.status_code == 200 and answer.mimetype == kind
        check(answer, 'post', '/explain', described)


def test_a_busy_server_answers_as_described(make_server):
    server = make_server(limit=1)
    with server.admission.enter(1):
        answer = server.post('/classify', data=JPEG)
    assert answer.status_code == 503
    check(answer, 'post', '/classify', server.get('/openapi.json').json)
    server.admission.close()
    check(server.get('/readyz'), 'get', '/readyz', server.get('/openapi.json').json)


def test_requests_as_described_are_the_ones_that_are_taken(server):
    import jsonschema

    described = server.get('/openapi.json').json
    content = described['paths']['/v1/models/{name}:predict']['post']['requestBody']['content']
    schema = {
        '$schema': DIALECT,
        'components': described['components'],
        **content['application/json']['schema'],
    }
    for good in (PREDICT, WRAPPED, PREDICT | {'signature_name': 'serving_default', 'more': 1}):
        jsonschema.validate(good, schema)
        assert server.post('/v1/models/side:predict', json=good).status_code == 200
    for bad in (
        {},
        {'instances': []},
        {'inputs': 'x'},
        PREDICT | {'inputs': []},
        {'instances': [{'b64': 5}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
        assert server.post('/v1/models/side:predict', json=bad).status_code == 400


def test_with_tokens_the_description_says_which_routes_need_one(make_server, tmp_path):
    (tmp_path / 'tokens').write_text(TOKEN)
    server = make_server(tokens=Tokens(tmp_path / 'tokens'))
    described = server.get('/openapi.json').json
    assert described['components']['securitySchemes']['token']['scheme'] == 'bearer'
    for method, path, address, _, _ in ASKED:
        needed = 'security' in described['paths'][path][method]
        answer = getattr(server.client, method)(address)
        assert (answer.status_code == 401) == needed
        if needed:
            check(answer, method, path, described)


def test_the_description_is_valid_json_without_unknown_references():
    text = json.dumps(description(True))
    names = set(re.findall(r'#/components/schemas/(\w+)', text))
    assert names == description(True)['components']['schemas'].keys()
