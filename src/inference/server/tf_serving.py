"""TensorFlow Serving's REST interface as JSON (https://www.tensorflow.org/tfx/serving/api_rest).

Predict requests have a row format, {"instances": [{"b64": "..."}]}, and a column format,
{"inputs": [{"b64": "..."}]}; a picture may be wrapped in the name of the input, {"image_raw": ...}. Like
TensorFlow Serving, this accepts base64 without padding and with white space. It also accepts the URL-safe
alphabet (RFC 4648, section 5), and line breaks inside JSON strings, which the `base64` command inserts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from src.common.consts import SERVING_INPUT, SERVING_OUTPUT
from src.inference.server.http.base64_text import decoded
from src.inference.server.http.json_bodies import BadRequest, LongString, parse_json
from src.inference.server.models import Slot
from src.inference.server.served import Served

SIGNATURE = 'serving_default'
FORM = '{"instances": [{"b64": "..."}]} (a picture that is not in base64 goes to /classify)'
ROWS, COLUMNS = ('instances', 'predictions'), ('inputs', 'outputs')  # keys of requests and their responses


def parse_predict(body: bytes) -> tuple[list[bytes], str]:
    """The encoded pictures of a predict request, and the key of its response. Raises BadRequest."""
    request = parse_json(body, FORM)
    if not isinstance(request, dict):
        raise BadRequest('the request is not a JSON object')
    signature = request.get('signature_name') or SIGNATURE
    if signature != SIGNATURE:
        raise BadRequest(f'no signature {str(signature)[:80]!r}, only {SIGNATURE!r}')
    formats = [pair for pair in (ROWS, COLUMNS) if pair[0] in request]
    if len(formats) != 1:
        raise BadRequest('the request needs one of "instances" and "inputs"')
    ((request_key, response_key),) = formats
    pictures = request[request_key]
    if request_key == 'inputs' and isinstance(pictures, dict) and 'b64' not in pictures:
        pictures = _unwrapped(pictures)
    if not isinstance(pictures, list) or not pictures:
        raise BadRequest(f'"{request_key}" is not a list of pictures such as {{"b64": "..."}}')
    return [_picture(picture, f'{request_key}[{i}]') for i, picture in enumerate(pictures)], response_key


def _unwrapped(value: dict) -> Any:
    """The value under the name of the only input. Raises BadRequest."""
    if value.keys() != {SERVING_INPUT}:
        raise BadRequest(f'the only input is {SERVING_INPUT!r}')
    return value[SERVING_INPUT]


def _picture(value: Any, place: str) -> bytes:
    if isinstance(value, dict) and 'b64' not in value:
        value = _unwrapped(value)
    text = value.get('b64') if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str | LongString):
        raise BadRequest(f'{place} is not {{"b64": "..."}} with a picture in base64')
    try:
        return decoded(text.encode('ascii')) if isinstance(text, str) else text.from_base64()
    except ValueError:  # binascii.Error is one
        with_type = text.startswith('data:') if isinstance(text, str) else text.starts_with(b'data:')
        cure = ': send only what follows "base64,"' if with_type else ''
        raise BadRequest(f'{place} is not valid base64{cure}') from None


def predictions(rows: list[np.ndarray], key: str) -> dict[str, Any]:
    """The response to a predict request: `rows` are probabilities [classes], one array per picture."""
    return {key: [row.tolist() for row in rows]}


def status(slot: Slot, served: Served | None = None) -> dict[str, Any]:
    """The versions of a model that are served, or one of them; and before them a newer one that could not be
    loaded."""
    versions = [_version(each.version, 'AVAILABLE', 'OK', '') for each in ([served] if served else slot.all)]
    if slot.failure:
        version, reason = slot.failure
        versions.insert(0, _version(version, 'END', 'INVALID_ARGUMENT', reason))
    return {'model_version_status': versions}


def _version(version: int, state: str, code: str, message: str) -> dict[str, Any]:
    return {
        'version': str(version),
        'state': state,
        'status': {'error_code': code, 'error_message': message},
    }


def metadata(name: str, version: int, classes: int) -> dict[str, Any]:
    """Inputs and outputs of a model, equal to those of the SavedModel that `frozen_to_saved_model` writes."""
    signature = {
        'inputs': {SERVING_INPUT: _tensor(f'{SERVING_INPUT}:0', 'DT_STRING', [-1])},
        'outputs': {SERVING_OUTPUT: _tensor(f'{SERVING_OUTPUT}:0', 'DT_FLOAT', [-1, classes])},
        'method_name': 'tensorflow/serving/predict',
    }
    return {
        'model_spec': {'name': name, 'signature_name': '', 'version': str(version)},
        'metadata': {'signature_def': {'signature_def': {SIGNATURE: signature}}},
    }


def _tensor(name: str, dtype: str, shape: list[int]) -> dict[str, Any]:
    sizes = [{'size': str(size), 'name': ''} for size in shape]
    return {'dtype': dtype, 'tensor_shape': {'dim': sizes, 'unknown_rank': False}, 'name': name}
