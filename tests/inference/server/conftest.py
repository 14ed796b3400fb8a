from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from src.inference.server.admission import AdmissionLimit
from src.inference.server.app import create_app
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.service import Limits
from tests.inference.models import brightest_side


@dataclass
class Server:
    """An application without a network, and its parts."""

    client: FlaskClient
    models: Models
    admission: AdmissionLimit
    metrics: Metrics
    path: Path

    def get(self, address: str):
        return self.client.get(address)

    def post(self, address: str, *args, **options):
        return self.client.post(address, *args, **options)


@pytest.fixture
def make_server(tmp_path):
    """A function that makes servers of the model `side`, which are closed at the end."""
    made = []

    def make(limit: int = 16, **limits) -> Server:
        path = brightest_side(tmp_path / 'side.pb')
        metrics = Metrics()
        models = Models([path], metrics.ran)
        admission = AdmissionLimit(limit, metrics.queued)
        app = create_app(models, admission, metrics, Limits(**limits))
        made.append(models)
        return Server(app.test_client(), models, admission, metrics, path)

    yield make
    for models in made:
        models.close()


@pytest.fixture
def server(make_server):
    return make_server()
