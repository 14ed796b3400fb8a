"""Versions by label: served beside the newest, moved without losing a request, and refused in one line."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest

from src.common.errors import UserError
from src.inference.server.admission import AdmissionLimit
from src.inference.server.app import create_app
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models, NoSuchModel
from src.inference.server.service import Limits
from tests.inference.models import SIDES, bright_above, brightest_side
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG')
BODY = json.dumps({'instances': [{'b64': base64.b64encode(JPEG).decode()}]})
LETTERS, NUMBERS = list('abcd'), list('1234')


@pytest.fixture
def folder(tmp_path):
    """A folder with the versions 1 and 2, which differ in their labels."""
    made = tmp_path / 'side'
    made.mkdir()
    brightest_side(made / '1.pb', SIDES)
    brightest_side(made / '2.pb', LETTERS)
    return made


@pytest.fixture
def models_of():
    made = []

    def models(folder) -> Models:
        made.append(Models([folder]))
        return made[-1]

    yield models
    for each in made:
        each.close()


def assign(folder, **labels) -> None:
    (folder / 'new.tmp').write_text(json.dumps(labels))
    (folder / 'new.tmp').replace(folder / 'version_labels.json')


def test_all_routes_answer_by_label(folder, models_of):
    assign(folder, stable=1, canary=2)
    models = models_of(folder)
    client = create_app(models, AdmissionLimit(16), Metrics(), Limits()).test_client()
    for which, version in (('labels/stable', '1'), ('labels/canary', '2'), ('versions/1', '1')):
        path = f'/v1/models/side/{which}'
        assert client.post(f'{path}:predict', data=BODY).status_code == 200
        assert client.get(f'{path}/metadata').json['model_spec']['version'] == version
        (status,) = client.get(path).json['model_version_status']
        assert (status['version'], status['state']) == (version, 'AVAILABLE')
    both = client.get('/v1/models/side').json['model_version_status']
    assert [status['version'] for status in both] == ['2', '1']
    for which, words in (
        ('labels/new', "no label 'new'; its labels: stable, canary"),
        ('versions/3', 'no version 3; its versions: 2, 1'),
    ):
        answer = client.post(f'/v1/models/side/{which}:predict', data=BODY)
        assert answer.status_code == 404 and words in answer.json['error']
    assert client.post('/classify', data=JPEG).json['version'] == '2'
    assert 'route="/v1/models/<name>/labels/<label>:predict",status="200"} 2.0' in client.get('/metrics').text


def test_a_label_that_moves_loads_and_closes_versions(folder, models_of):
    models = models_of(folder)
    slot = models.slot('side')
    with pytest.raises(NoSuchModel, match='its labels: none'), models.use('side', label='stable'):
        pass
    assign(folder, stable=1)
    assert slot.refresh() and not slot.refresh()
    with models.use('side', label='stable') as old:
        assert old.labels == SIDES
        assign(folder, stable=2)
        assert slot.refresh()
        assert old.batcher.submit(JPEG).result(30).argmax() == 0  # still open, for this request
        with models.use('side', label='stable') as new:
            assert new.labels == LETTERS and new is slot.served
    assert not old.enter() and slot.all == [slot.served]
    (folder / 'version_labels.json').unlink()
    assert slot.refresh() and slot.labels == {}


def test_the_version_of_a_label_stays_open_when_a_newer_one_comes(folder, models_of):
    assign(folder, stable=2)
    models = models_of(folder)
    slot, old = models.slot('side'), models.slot('side').served
    over, faults, seen = threading.Event(), [], []

    def ask() -> None:
        while not over.is_set():
            try:
                with models.use('side', label='stable') as served:
                    seen.append(served.batcher.submit(JPEG).result(30).argmax())
                    faults.extend([] if served is old else [served])
            except Exception as error:
                faults.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    brightest_side(folder / '3.tmp', NUMBERS).rename(folder / '3.pb')
    assert slot.refresh()
    before = len(seen)
    while len(seen) < before + 5 and not faults:
        time.sleep(0.01)
    over.set()
    thread.join(30)
    assert not faults and [each.version for each in slot.all] == [3, 2]
    assert slot.served.labels == NUMBERS


@pytest.mark.parametrize(
    'text, words',
    [
        ('[]', 'is not of the form {"stable": 1'),
        ('{"stable": "1"}', 'is not of the form'),
        ('{"stable": true}', 'is not of the form'),
        ('{"stable": -1}', 'is not of the form'),
        ('{"a/b": 1}', 'is not of the form'),
        ('{"stable"', 'is not valid JSON'),
        ('{"stable": 7}', 'names version 7, which is not there'),
    ],
)
def test_files_that_are_wrong_are_refused_and_the_old_labels_stay(folder, models_of, text, words):
    assign(folder, stable=1)
    models = models_of(folder)
    slot = models.slot('side')
    (folder / 'version_labels.json').write_text(text)
    with pytest.raises(UserError, match=r'version_labels\.json ') as refused:
        slot.refresh()
    assert words in str(refused.value)
    assert not slot.refresh()  # said once
    with models.use('side', label='stable') as served:
        assert served.version == 1
    with pytest.raises(UserError, match=r'version_labels\.json'):
        Models([folder])


def test_a_version_that_comes_after_its_label_is_served_then(folder, models_of):
    models = models_of(folder)
    slot = models.slot('side')
    assign(folder, old=0)
    with pytest.raises(UserError, match='version 0, which is not there'):
        slot.refresh()
    brightest_side(folder / '0.tmp', NUMBERS).rename(folder / '0.pb')
    assert slot.refresh()
    with models.use('side', label='old') as served:
        assert served.version == 0 and served.labels == NUMBERS
