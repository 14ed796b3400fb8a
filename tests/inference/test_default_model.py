"""The frozen model that is used without --model."""

from __future__ import annotations

import shutil

import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.inference.default_model import default_model
from tests.inference.models import brightest_side


def test_the_default_model():
    current = paths.frozen(consts.CURRENT_MODEL_NAME)
    assert default_model() == paths.POCKET_DOGS
    with pytest.raises(UserError, match=r'stanford_5_64_0001\.pb: run python -m src\.training\.train$'):
        default_model(consts.CURRENT_DATASET_NAME)
    try:
        brightest_side(current)
        assert default_model() == paths.POCKET_DOGS  # the shipped model is never replaced
        assert default_model(consts.CURRENT_DATASET_NAME) == current != default_model_of_flowers()
    finally:
        current.unlink()


def default_model_of_flowers():
    path = paths.frozen('flowers')
    try:
        return default_model(brightest_side(path).stem)
    finally:
        path.unlink()


def test_a_model_of_another_name_is_found_by_its_data_set():
    frozen, folder = paths.frozen('weeds_cnn_simple'), paths.checkpoints('weeds_cnn_simple')
    try:
        files.write_json(folder / 'model.json', {'data_set': 'weeds', 'backbone': None})
        freeze = r'run python -m src\.freezing\.freeze --name weeds --model weeds_cnn_simple$'
        with pytest.raises(UserError, match=freeze):
            default_model('weeds')
        brightest_side(frozen)
        assert default_model('weeds') == frozen
    finally:
        shutil.rmtree(folder)
        frozen.unlink(missing_ok=True)
