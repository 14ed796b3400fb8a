"""Processes that run a .tflite model for a server."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import UserError
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.versions import Source
from src.inference.workers import Workers
from tests.inference.models import bright_above, brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded, photo

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('workers')
    return tflite_of(brightest_side(folder / 'side.pb'), folder / 'side.tflite')


@pytest.fixture(scope='module')
def workers(model):
    made = Workers(Source(model).look(), 2)
    yield made
    made.close()


def test_the_answers_are_those_of_the_model_for_many_threads(workers, model):
    pictures = [encoded(photo(60, 50, seed=n), ('PNG', 'JPEG')[n % 2]) for n in range(6)]
    wanted = list(load_model(model).from_pictures(pictures))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(workers.answer, pictures * 10))
    for answer, row in zip(answers, wanted * 10, strict=True):
        np.testing.assert_array_equal(answer, row)


def test_what_is_no_picture_is_an_answer_and_the_process_goes_on(workers):
    whole = encoded(bright_above(), 'JPEG')
    for data, words in ((b'no picture', 'not an image'), (whole[:300], 'truncated'), (b'', 'empty file')):
        answer = workers.answer(data)
        assert isinstance(answer, BadImage) and str(answer) == words
    assert workers.answer(whole).argmax() == 0


@pytest.mark.posix
def test_a_process_that_ends_is_replaced(model):
    workers = Workers(Source(model).look(), 1)
    picture = encoded(bright_above(), 'JPEG')
    wanted = workers.answer(picture)
    killed = workers._free.get()
    workers._free.put(killed)
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.join(10)
    with pytest.raises(RuntimeError, match=r'a process of .*side\.tflite ended'):
        workers.answer(picture)
    np.testing.assert_array_equal(workers.answer(picture), wanted)
    workers.close()


@pytest.mark.posix
def test_signals_to_all_processes_leave_the_end_to_the_server(model):
    workers = Workers(Source(model).look(), 1)
    worker = workers._free.get()
    workers._free.put(worker)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.process.pid, number)
    assert workers.answer(encoded(bright_above(), 'JPEG')).argmax() == 0
    workers.close()
    assert worker.process.exitcode == 0


def test_a_file_that_was_replaced_meanwhile_is_refused(model, tmp_path):
    """Its labels may be others."""
    path = Path(shutil.copy(model, tmp_path))
    found = Source(path).look()
    shutil.copy(model, tmp_path / 'new')
    (tmp_path / 'new').replace(path)
    with pytest.raises(UserError, match=r'side\.tflite was replaced while it was loaded'):
        Workers(found, 2)
    path.unlink()
    with pytest.raises(UserError, match='cannot read'):
        Workers(found, 1)


def test_waiting_for_a_free_process_ends(workers, monkeypatch):
    monkeypatch.setattr('src.inference.workers.ANSWER_SECONDS', 0.05)
    taken = [workers._free.get() for _ in range(2)]
    try:
        with pytest.raises(TimeoutError, match='no process was free'):
            workers.answer(encoded(bright_above(), 'JPEG'))
    finally:
        for worker in taken:
            workers._free.put(worker)
    assert workers.answer(encoded(bright_above(), 'JPEG')).argmax() == 0
