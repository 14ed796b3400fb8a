"""POST /explain: Grad-CAM over an uploaded picture."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from PIL import Image

from tests.interpret.networks import spot
from tests.pictures import encoded, photo, with_orientation

GREEN = encoded(spot((0, 255, 0), (0, 1), side=96), 'PNG')


def pixels_of(answer) -> np.ndarray:
    assert answer.status_code == 200 and answer.content_type == 'image/png', answer.data[:200]
    with Image.open(io.BytesIO(answer.data)) as image:
        return np.array(image.convert('RGB')).astype(int)


def quarters(change: np.ndarray) -> list[float]:
    half = change.shape[0] // 2
    return [
        part.mean() for rows in (change[:half], change[half:]) for part in (rows[:, :half], rows[:, half:])
    ]


def test_the_heat_is_where_the_class_is(colors):
    found = pixels_of(colors.post('/explain?model=colors', data=GREEN))
    assert found.shape == (96, 96, 3)
    change = np.abs(found - spot((0, 255, 0), (0, 1), side=96)).sum(-1)
    assert np.argmax(quarters(change)) == 1 and quarters(change)[2] < 1


def test_a_class_may_be_named(colors):
    two = np.maximum(spot((0, 255, 0), (0, 1)), spot((0, 0, 255), (1, 0)))
    for label, quarter in (('green', 1), ('blue', 2)):
        found = pixels_of(colors.post(f'/explain?class={label}', data=encoded(two, 'PNG')))
        assert np.argmax(quarters(np.abs(found - two).sum(-1))) == quarter


def test_json_names_the_class_and_its_probability(colors):
    answer = colors.post('/explain?model=colors', data=GREEN, headers={'Accept': 'application/json'})
    assert answer.content_type == 'application/json' and answer.headers['Cache-Control'] == 'no-store'
    best = colors.post('/classify?model=colors&top=1', data=GREEN).json['pictures'][0]['classes'][0]
    assert {key: answer.json[key] for key in ('model', 'version', 'label')} == {
        'model': 'colors',
        'version': '1',
        'label': 'green',
    }
    assert answer.json['probability'] == pytest.approx(best['probability'], abs=1e-5)
    assert base64.b64decode(answer.json['png']) == colors.post('/explain', data=GREEN).data


def test_the_shipped_model_explains_large_turned_and_multipart_photos(colors):
    large = with_orientation(encoded(photo(1500, 1000, seed=1), 'JPEG', quality=80), 6)
    assert pixels_of(colors.post('/explain?model=pocket_dogs', data=large)).shape == (640, 427, 3)
    parts = {'image': (io.BytesIO(GREEN), 'a.png')}
    assert pixels_of(colors.post('/explain?model=pocket_dogs&class=pug', data=parts)).shape == (96, 96, 3)


@pytest.mark.parametrize(
    'query, data, status, words',
    [
        ('class=purple', GREEN, 400, "no class 'purple'"),
        ('top=3', GREEN, 400, "no parameter 'top': the parameters are model and class"),
        ('class=red&class=blue', GREEN, 400, "'class' is given 2 times"),
        ('model=none', GREEN, 404, "no model 'none'"),
        ('', b'', 400, 'the request is empty'),
        ('', b'no picture', 400, 'not an image'),
        ('', GREEN + bytes(500_000), 400, 'more than 500,000 bytes'),
        ('', bytes(1_000_001), 413, 'too large'),
    ],
)
def test_bad_requests_are_one_line(colors, query, data, status, words):
    answer = colors.post(f'/explain?{query}', data=data)
    assert answer.status_code == status and words in answer.json['error']


def test_two_pictures_an_address_and_get_are_refused(colors):
    parts = {'image': [(io.BytesIO(GREEN), 'a.png'), (io.BytesIO(GREEN), 'b.png')]}
    assert 'one picture, not 2' in colors.post('/explain', data=parts).json['error']
    body = json.dumps({'url': 'http://127.0.0.1/a.png'})
    answer = colors.post('/explain', data=body, content_type='application/json')
    assert answer.status_code == 400 and 'does not fetch' in answer.json['error']
    assert colors.get('/explain').status_code == 405


def test_a_full_server_is_busy(colors):
    with colors.admission.enter(colors.admission.limit):
        answer = colors.post('/explain', data=GREEN)
    assert answer.status_code == 503 and answer.headers['Retry-After']


def test_a_network_without_feature_maps_or_gradients_is_a_line(server):
    answer = server.post('/explain', data=GREEN)
    missing = 'Grad-CAM needs one' if server.path.suffix == '.pb' else 'no gradients, which Grad-CAM needs'
    assert answer.status_code == 400 and missing in answer.json['error']
    assert str(server.path.parent) not in answer.json['error']


def test_classifying_goes_on_while_the_gradients_are_built(colors):
    photos = [encoded(photo(seed=seed), 'JPEG') for seed in range(12)]
    addresses = [f'/{route}?model=pocket_dogs' for route in ('explain', 'classify')]
    with ThreadPoolExecutor(colors.admission.limit) as threads:
        statuses = threads.map(lambda sent: _status(colors, *sent), product(addresses, photos))
        assert list(statuses) == [200] * 2 * len(photos)


def _status(server, address: str, data: bytes) -> int:
    return server.client.application.test_client().post(address, data=data).status_code
