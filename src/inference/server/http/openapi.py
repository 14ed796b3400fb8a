"""The description of all routes, in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), at /openapi.json."""

from __future__ import annotations

from typing import Any

import src
from src.common.consts import SERVING_INPUT, SERVING_OUTPUT
from src.inference.server.http.tokens import is_open

JSON, PNG, TEXT, ANY = 'application/json', 'image/png', 'text/plain', 'application/octet-stream'
FORM = 'multipart/form-data'
POSTED = (400, 404, 413, 415, 500, 503, 507)  # statuses of errors of the routes that take pictures
REASONS = {
    400: 'The request is wrong, or a picture cannot be read.',
    401: 'A token is needed, or the one that was sent is not valid.',
    404: 'There is no such model, version or label.',
    413: 'The request is too large, or has too many pictures.',
    415: 'The Content-Encoding is not supported: send gzip or plain bytes.',
    500: 'The model failed.',
    503: 'The server is busy or stops: try again after the seconds in Retry-After.',
    507: 'The server has no room for a request of this size.',
}

Object = dict[str, Any]


def description(tokens: bool) -> Object:
    """The description. `tokens`: whether requests need one."""
    made: Object = {
        'openapi': '3.1.0',
        'info': {
            'title': 'Rootstock',
            'version': src.__version__,
            'description': 'Classifies pictures by frozen models. The routes below /v1/models are those of '
            "TensorFlow Serving's REST interface (https://www.tensorflow.org/tfx/serving/api_rest).",
        },
        'paths': _paths(),
        'components': {'schemas': _schemas()},
    }
    if tokens:
        made['components']['securitySchemes'] = {'token': {'type': 'http', 'scheme': 'bearer'}}
        for path, methods in made['paths'].items():
            for operation in () if is_open(path) else methods.values():
                operation['security'] = [{'token': []}]
                operation['responses']['401'] = _error(401)
    return made


def _paths() -> Object:
    model, classes, top = (
        _query('model', 'name of a model (default: the first)', {'type': 'string'}),
        _query('class', 'the class to explain (default: the best one)', {'type': 'string'}),
        _query('top', 'number of classes', {'type': 'integer', 'minimum': 1, 'default': 5}),
    )
    made = {
        '/classify': {'post': _posted('Classify pictures', _picture(True), {JSON: 'Classified'}, model, top)},
        '/explain': {
            'post': _posted(
                'Draw where a model looks for a class (Grad-CAM)',
                _picture(False),
                {PNG: None, JSON: 'Explained'},
                model,
                classes,
            )
        },
        '/classes': {'get': _got('The classes of a model', {JSON: 'Classes'}, model, errors=(404,))},
        '/metrics': {'get': _got('Metrics for Prometheus', {TEXT: None})},
        '/healthz': {'get': _got('Whether the server runs', {TEXT: None})},
        '/readyz': {'get': _got('Whether the server can answer', {TEXT: None})},
        '/openapi.json': {'get': _got('This description', {JSON: 'Anything'})},
        '/': {'get': _got('A page for people', {'text/html': None})},
        '/page/{filename}': {
            'get': _got('A file of the page', {'*/*': None}, _in_path('filename'), errors=(404,))
        },
    }
    made['/readyz']['get']['responses']['503'] = _answer('It cannot.', {TEXT: None})
    for which, parameters in (
        ('', []),
        ('/versions/{version}', [_in_path('version', {'type': 'integer', 'minimum': 0})]),
        ('/labels/{label}', [_in_path('label')]),
    ):
        path, given = f'/v1/models/{{name}}{which}', [_in_path('name'), *parameters]
        made[path] = {'get': _got('Status', {JSON: 'Status'}, *given, errors=(404,))}
        made[f'{path}/metadata'] = {'get': _got('Signature', {JSON: 'Metadata'}, *given, errors=(404,))}
        predict = _posted(
            'Probabilities of pictures', {JSON: _schema('Predict')}, {JSON: 'Predictions'}, *given
        )
        made[f'{path}:predict'] = {'post': predict}
    return made


def _posted(summary: str, body: Object, answers: Object, *parameters: Object) -> Object:
    request = {'required': True, 'content': {kind: {'schema': schema} for kind, schema in body.items()}}
    return _got(summary, answers, *parameters, errors=POSTED) | {'requestBody': request}


def _got(summary: str, answers: Object, *parameters: Object, errors: tuple[int, ...] = ()) -> Object:
    responses = {'200': _answer('The answer.', answers)} | {str(status): _error(status) for status in errors}
    return {'summary': summary, 'parameters': list(parameters), 'responses': responses}


def _answer(text: str, answers: Object) -> Object:
    """A response: the name of the schema of each type, None for bytes or text."""
    content = {kind: {'schema': _schema(name)} if name else {} for kind, name in answers.items()}
    return {'description': text, 'content': content}


def _error(status: int) -> Object:
    made = _answer(REASONS[status], {JSON: 'Error'})
    if status == 503:
        made['headers'] = {'Retry-After': {'schema': {'type': 'integer'}}}
    if status == 401:
        made['headers'] = {'WWW-Authenticate': {'schema': {'type': 'string'}}}
    return made


def _query(name: str, text: str, schema: Object) -> Object:
    return {'name': name, 'in': 'query', 'description': text, 'schema': schema}


def _in_path(name: str, schema: Object | None = None) -> Object:
    return {
        'name': name,
        'in': 'path',
        'required': True,
        'schema': schema or {'type': 'string', 'minLength': 1},
    }


def _schema(name: str) -> Object:
    return {'$ref': f'#/components/schemas/{name}'}


def _picture(several: bool) -> Object:
    """What is sent to /classify and /explain."""
    file: Object = {'type': 'string', 'contentMediaType': ANY}
    form = {'type': 'object', 'minProperties': 1, 'additionalProperties': file}
    if not several:
        form['maxProperties'] = 1
    return {ANY: {}, FORM: form, JSON: _schema('Address')}


def _object(required: Object) -> Object:
    return _open_object(required) | {'additionalProperties': False}


def _open_object(required: Object, optional: Object | None = None) -> Object:
    """An object that may have other keys too."""
    return {'type': 'object', 'required': list(required), 'properties': required | (optional or {})}


def _list(of: Object, **limits: int) -> Object:
    return {'type': 'array', 'items': of, **limits}


def _schemas() -> Object:
    text, probability = {'type': 'string'}, {'type': 'number', 'minimum': 0, 'maximum': 1}
    base64 = _object({'b64': {'type': 'string', 'contentEncoding': 'base64'}})
    picture = {'oneOf': [base64, _object({SERVING_INPUT: base64})]}
    pictures = _list(picture, minItems=1)
    columns = {'oneOf': [pictures, _object({SERVING_INPUT: pictures})]}
    signature = {'signature_name': {'enum': ['', 'serving_default']}}
    rows = _list(_list(probability))
    named = {'model': text, 'version': {'type': 'string', 'pattern': '^[0-9]+$'}}
    found = _object({'label': text, 'probability': probability})
    of_picture = [_object({'name': text, 'classes': _list(found)}), _object({'name': text, 'error': text})]
    state = _object({'error_code': text, 'error_message': text})
    version = _object({'version': text, 'state': {'enum': ['AVAILABLE', 'END']}, 'status': state})
    size = _object({'size': text, 'name': text})
    shape = _object({'dim': _list(size), 'unknown_rank': {'type': 'boolean'}})
    tensor = _object({'dtype': text, 'tensor_shape': shape, 'name': text})
    definition = _object(
        {
            'inputs': _object({SERVING_INPUT: tensor}),
            'outputs': _object({SERVING_OUTPUT: tensor}),
            'method_name': text,
        }
    )
    return {
        'Anything': _open_object({'openapi': text}),
        'Error': _object({'error': text}),
        'Address': _open_object({'url': {'type': 'string', 'format': 'uri'}}),
        'Predict': {
            'oneOf': [
                _open_object({'instances': pictures}, signature) | {'not': {'required': ['inputs']}},
                _open_object({'inputs': columns}, signature) | {'not': {'required': ['instances']}},
            ]
        },
        'Predictions': {'oneOf': [_object({'predictions': rows}), _object({'outputs': rows})]},
        'Classified': _object(
            named | {'milliseconds': {'type': 'number'}, 'pictures': _list({'oneOf': of_picture}, minItems=1)}
        ),
        'Explained': _object(named | {'label': text, 'probability': probability, 'png': text}),
        'Classes': _object(named | {'classes': _list(text)}),
        'Status': _object({'model_version_status': _list(version, minItems=1)}),
        'Metadata': _object(
            {
                'model_spec': _object({'name': text, 'signature_name': text, 'version': text}),
                'metadata': _object(
                    {'signature_def': _object({'signature_def': _object({'serving_default': definition})})}
                ),
            }
        ),
    }
