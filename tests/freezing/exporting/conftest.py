"""Photos, trained models of all kinds, and the model that ships, to export."""

from __future__ import annotations

import shutil

import pytest

from src.common import paths
from tests.freezing.exporting.models import frozen_model, write_photos
from tests.graph.several import several


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp('photos') / 'all')


@pytest.fixture(scope='module')
def trained(photos, tmp_path_factory):
    """A function that gives the name of a frozen model of a kind, and trains it at the first use."""
    backbones = several(tmp_path_factory.mktemp('backbones'))[:2]
    made: dict[str, str] = {}

    def model(kind: str) -> str:
        if kind not in made:
            made[kind] = frozen_model(kind, photos, backbones)
        return made[kind]

    return model


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """The model that ships, in a folder of its own: its data set is not converted here."""
    monkeypatch.setattr(paths, 'FROZEN_MODELS_DIR', tmp_path / 'frozen')
    path = paths.frozen('dogs')
    path.parent.mkdir()
    shutil.copy(paths.POCKET_DOGS, path)
    return path
