"""TensorFlow Serving's REST interface as JSON in and out (https://www.tensorflow.org/tfx/serving/api_rest).

Requests for prediction come by rows, {"instances": [{"b64": "..."}]}, or by columns,
{"inputs": [{"b64": "..."}]}; each picture may be named by its input, {"image_raw": ...}. As TensorFlow
Serving does, this takes base64 without padding and with white space in it; beyond that also base64 with the
URL-safe alphabet (RFC 4648, section 5), and line breaks inside JSON strings, as the `base64` command writes.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from src.inference.server.models import Slot

INPUT, OUTPUT = 'image_raw', 'probs'
SIGNATURE = 'serving_default'
STANDARD_ALPHABET = str.maketrans('-_', '+/')
ROWS, COLUMNS = ('instances', 'predictions'), ('inputs', 'outputs')


class BadRequest(Exception):
    """What is wrong with a request, in one line."""


def parse_predict(body: bytes) -> tuple[list[bytes], str]:
    """The encoded pictures of a request, and the key of its answer. Raises BadRequest."""
    request = parse_json(body)
    if not isinstance(request, dict):
        raise BadRequest('the request is no JSON object')
    signature = request.get('signature_name') or SIGNATURE
    if signature != SIGNATURE:
        raise BadRequest(f'no signature {str(signature)[:80]!r}, only {SIGNATURE!r}')
    given = [pair for pair in (ROWS, COLUMNS) if pair[0] in request]
    if len(given) != 1:
        raise BadRequest('the request needs one of "instances" and "inputs"')
    ((asked, answered),) = given
    pictures = request[asked]
    if asked == 'inputs' and isinstance(pictures, dict) and 'b64' not in pictures:
        pictures = _named(pictures)
    if not isinstance(pictures, list) or not pictures:
        raise BadRequest(f'"{asked}" is no list of pictures such as {{"b64": "..."}}')
    return [_picture(picture, f'{asked}[{i}]') for i, picture in enumerate(pictures)], answered


def parse_json(body: bytes) -> Any:
    """Raises BadRequest."""
    try:
        return json.loads(body, strict=False)  # strings may hold line breaks
    except (ValueError, RecursionError):
        raise BadRequest('the body is no JSON') from None


def _named(value: dict) -> Any:
    """What stands under the name of our only input. Raises BadRequest."""
    if value.keys() != {INPUT}:
        raise BadRequest(f'the only input is {INPUT!r}')
    return value[INPUT]


def _picture(value: Any, place: str) -> bytes:
    if isinstance(value, dict) and 'b64' not in value:
        value = _named(value)
    if not isinstance(value, dict) or value.keys() != {'b64'} or not isinstance(value['b64'], str):
        raise BadRequest(f'{place} is not {{"b64": "..."}} with a picture in base64')
    try:
        return _decoded(value['b64'])
    except ValueError:  # binascii.Error is one
        cure = ': send only what follows "base64,"' if value['b64'].startswith('data:') else ''
        raise BadRequest(f'{place} is not valid base64{cure}') from None


def _decoded(text: str) -> bytes:
    """The bytes that base64 stands for, in either alphabet, with or without padding and white space. Raises
    ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        plain = ''.join(text.split()).translate(STANDARD_ALPHABET).rstrip('=')
        return base64.b64decode(plain + '=' * (-len(plain) % 4), validate=True)


def predictions(rows: list[np.ndarray], answered: str) -> dict[str, Any]:
    """The answer to a request for prediction, from probabilities [classes] for each picture."""
    return {answered: [row.tolist() for row in rows]}


def status(slot: Slot) -> dict[str, Any]:
    """The versions of a model: that which is served, and one that could not be loaded."""
    told = [_version(slot.served.version, 'AVAILABLE', 'OK', '')]
    if slot.failure:
        version, why = slot.failure
        told.insert(0, _version(version, 'END', 'INVALID_ARGUMENT', why))
    return {'model_version_status': told}


def _version(version: int, state: str, code: str, message: str) -> dict[str, Any]:
    return {
        'version': str(version),
        'state': state,
        'status': {'error_code': code, 'error_message': message},
    }


def metadata(name: str, version: int, classes: int) -> dict[str, Any]:
    """Inputs and outputs of a model, as of the SavedModel that `frozen_to_saved_model` writes."""
    signature = {
        'inputs': {INPUT: _tensor(f'{INPUT}:0', 'DT_STRING', [-1])},
        'outputs': {OUTPUT: _tensor(f'{OUTPUT}:0', 'DT_FLOAT', [-1, classes])},
        'method_name': 'tensorflow/serving/predict',
    }
    return {
        'model_spec': {'name': name, 'signature_name': '', 'version': str(version)},
        'metadata': {'signature_def': {'signature_def': {SIGNATURE: signature}}},
    }


def _tensor(name: str, dtype: str, shape: list[int]) -> dict[str, Any]:
    sizes = [{'size': str(size), 'name': ''} for size in shape]
    return {'dtype': dtype, 'tensor_shape': {'dim': sizes, 'unknown_rank': False}, 'name': name}
