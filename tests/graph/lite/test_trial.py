"""A .tflite model of another maker that ends the process of LiteRT."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.graph.lite import interpreters, trial
from src.graph.lite.interpreters import Interpreters

pytestmark = pytest.mark.skipif(not interpreters.installed(), reason='LiteRT is not installed')


@pytest.fixture
def model():
    """The shipped model, without the facts that say it is whole."""
    data = (paths.CHECKOUT / 'frozen' / 'pocket_dogs.tflite').read_bytes()
    return data[: data.index(b'PK\x03\x04')]


def test_a_model_of_another_maker_runs(model, tmp_path):
    path = tmp_path / 'other.tflite'
    path.write_bytes(model)
    network = Interpreters(path)
    assert np.isfinite(network.run(np.zeros((1, *network.shape), np.float32))).all()
    assert subprocess.run([sys.executable, '-c', trial.RUN, str(path)]).returncode == 0


def test_a_model_that_ends_its_process_is_refused(model, tmp_path):
    draw, data = random.Random(54), bytearray(model)
    draw.random()
    for _ in range(draw.choice((1, 2, 4, 16))):
        places = draw.randrange(2000), len(data) - 1 - draw.randrange(20000), draw.randrange(len(data))
        data[draw.choice(places)] ^= 1 << draw.randrange(8)
    path = tmp_path / 'damaged.tflite'
    path.write_bytes(data)
    ended = subprocess.run([sys.executable, '-c', trial.RUN, str(path)], capture_output=True)
    if ended.returncode in (0, trial.FAILED):
        pytest.skip('this version of LiteRT does not crash on it')
    with pytest.raises(UserError, match=r'damaged\.tflite is damaged: LiteRT ends its process \(exit code'):
        Interpreters(path)


def test_a_model_that_does_not_end_is_refused(model, tmp_path, monkeypatch):
    path = tmp_path / 'slow.tflite'
    path.write_bytes(model)
    monkeypatch.setattr(trial, 'RUN', 'import time; time.sleep(600)')
    monkeypatch.setattr(trial, 'SECONDS', 1)
    with pytest.raises(UserError, match=r'slow\.tflite does not run within 1 seconds'):
        Interpreters(path)
