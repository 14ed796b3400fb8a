from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from src.common import paths
from src.inference.server.admission import AdmissionLimit
from src.inference.server.app import SERVICE, create_app
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.service import Limits, Service
from tests.inference.models import brightest_side
from tests.interpret.networks import color_classifier
from tests.lite import tflite_of


@dataclass
class Server:
    """An application without a network, and its parts."""

    client: FlaskClient
    models: Models
    admission: AdmissionLimit
    metrics: Metrics
    path: Path

    @property
    def service(self) -> Service:
        return self.client.application.extensions[SERVICE]

    def get(self, address: str):
        return self.client.get(address)

    def post(self, address: str, *args, **options):
        return self.client.post(address, *args, **options)


@pytest.fixture(scope='session')
def lite_side(tmp_path_factory) -> Path:
    """The model `side` as a .tflite file."""
    pytest.importorskip('ai_edge_litert')
    folder = tmp_path_factory.mktemp('lite')
    return tflite_of(brightest_side(folder / 'side.pb'), folder / 'side.tflite')


@pytest.fixture(params=['tensorflow', 'litert'])
def side(request, tmp_path) -> Path:
    """The model `side` as a file of its own, for each runtime."""
    if request.param == 'tensorflow':
        return brightest_side(tmp_path / 'side.pb')
    return Path(shutil.copy(request.getfixturevalue('lite_side'), tmp_path))


@pytest.fixture
def make_server(side):
    """A function that makes servers of the model `side`, which are closed at the end."""
    made = []

    def make(limit: int = 16, per_client: int | None = None, tokens=None, **limits) -> Server:
        path = side
        metrics = Metrics()
        models = Models([path], metrics.ran)
        admission = AdmissionLimit(limit, metrics.queued, per_client, 'pictures')
        app = create_app(models, admission, metrics, Limits(**limits), tokens)
        made.append(models)
        return Server(app.test_client(), models, admission, metrics, path)

    yield make
    for models in made:
        models.close()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def colors(tmp_path):
    """A server of `colors`, which finds colored spots, and of the shipped classifier of dogs."""
    metrics = Metrics()
    models = Models([color_classifier(tmp_path / 'colors.pb'), paths.POCKET_DOGS], metrics.ran)
    admission = AdmissionLimit(4, metrics.queued)
    app = create_app(models, admission, metrics, Limits(picture_bytes=500_000, request_bytes=1_000_000))
    yield Server(app.test_client(), models, admission, metrics, tmp_path / 'colors.pb')
    models.close()
