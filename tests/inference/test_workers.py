"""Processes that run a .tflite model for a server."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

import numpy as np
import pytest

from src.common import consts
from src.common.errors import UserError
from src.images.decode import DECODING
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.versions import Source
from src.inference.workers import Failed, NoneLeft, Workers
from tests.inference.models import bright_above, brightest_side
from tests.lite import endless, tflite_of
from tests.pictures import encoded, photo

pytest.importorskip('ai_edge_litert')


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


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


def test_large_pictures_wait_for_the_memory_of_the_server_and_small_ones_do_not(workers):
    small, large = encoded(photo(60, 50), 'PNG'), encoded(photo(2_000, 1_500), 'PNG')
    with ThreadPoolExecutor(2) as pool:
        with DECODING.held(consts.PICTURE_BYTES):
            waiting = pool.submit(workers.answer, large)
            for _ in range(200):  # longer than the large one takes
                assert workers.answer(small).shape == (4,)
            assert not waiting.done()
        assert waiting.result(30).shape == (4,)
    assert DECODING.free == consts.DECODING_BYTES


def test_what_is_no_picture_is_an_answer_and_the_process_goes_on(workers):
    whole = encoded(bright_above(), 'JPEG')
    for data, words in ((b'no picture', 'not an image'), (whole[:300], 'truncated'), (b'', 'empty file')):
        answer = workers.answer(data)
        assert isinstance(answer, BadImage) and str(answer) == words
    assert workers.answer(whole).argmax() == 0


def all_killed(workers: Workers, number: int = signal.SIGKILL) -> None:
    for worker in list(workers._all):
        os.kill(worker.process.pid, number)


@pytest.mark.posix
def test_processes_that_end_are_replaced_also_when_the_file_is_another_one(model, tmp_path):
    path = Path(shutil.copy(model, tmp_path))
    workers = Workers(Source(path).look(), 2)
    picture = encoded(bright_above(), 'JPEG')
    wanted = workers.answer(picture)
    path.write_bytes(b'another file')
    first = list(workers._all)
    all_killed(workers)
    for worker in first:
        worker.process.join(10)
    for _ in range(4):
        np.testing.assert_array_equal(workers.answer(picture), wanted)
    path.unlink()
    wait_until(lambda: workers._free.qsize() == 2)
    killed = workers._all[0]
    os.kill(killed.process.pid, signal.SIGKILL)
    wait_until(lambda: killed not in workers._all and workers._free.qsize() == 2)  # though it was idle
    np.testing.assert_array_equal(workers.answer(picture), wanted)
    workers.close()


@pytest.mark.posix
def test_a_process_that_answered_as_it_was_killed_for_being_late_gets_no_other_picture(model):
    workers = Workers(Source(model).look(), 1)
    (worker,) = workers._all
    pipe = worker.pipe

    class Late:
        """A pipe whose answer arrives in the moment in which the process is killed."""

        def __getattr__(self, name):
            return getattr(pipe, name)

        def recv_bytes(self):
            answer = pipe.recv_bytes()
            worker.late = True
            worker.process.kill()
            worker.process.join(10)
            return answer

    worker.pipe = Late()
    picture = encoded(bright_above(), 'JPEG')
    assert workers.answer(picture).argmax() == 0
    assert workers.answer(picture).argmax() == 0  # of another process
    assert worker not in workers._all
    workers.close()


@pytest.mark.posix
def test_a_process_that_ends_at_a_picture_fails_this_one_only(model):
    workers = Workers(Source(model).look(), 1)
    picture = encoded(bright_above(), 'JPEG')
    (worker,) = workers._all
    os.kill(worker.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(workers.answer, picture)
        wait_until(lambda: worker.begun)
        time.sleep(0.1)  # until the picture is sent; an idle worker that ended would be replaced instead
        os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(Failed, match=r'a process of .*side\.tflite ended'):
            answer.result(30)
    assert workers.answer(picture).argmax() == 0
    workers.close()


@pytest.mark.posix
def test_a_process_that_does_not_answer_in_time_is_killed_and_replaced(model, monkeypatch):
    monkeypatch.setattr('src.inference.workers.ANSWER_SECONDS', 5)
    workers = Workers(Source(model).look(), 1)
    all_killed(workers, signal.SIGSTOP)
    with pytest.raises(TimeoutError, match='no answer in 5 seconds'):
        workers.answer(encoded(bright_above(), 'JPEG'))
    assert workers.answer(encoded(bright_above(), 'JPEG')).argmax() == 0
    workers.close()


@pytest.mark.posix
def test_without_a_process_that_can_be_started_there_is_no_waiting(model, monkeypatch, capsys):
    monkeypatch.setattr('src.inference.workers.RETRY_SECONDS', 0.2)
    workers = Workers(Source(model).look(), 2)
    contents = dict(workers._contents)
    workers._contents[model.name] = b'damaged'
    all_killed(workers)
    wait_until(lambda: workers._failed and not workers.ready)
    for _ in range(3):
        with pytest.raises(NoneLeft, match=r'no process of .*side\.tflite runs'):
            workers.answer(encoded(bright_above(), 'JPEG'))
    workers._contents.update(contents)
    wait_until(lambda: workers.ready)
    assert workers.answer(encoded(bright_above(), 'JPEG')).argmax() == 0
    workers.close()
    assert capsys.readouterr().out.count('no process can be started') == 1


def test_a_model_that_never_ends_is_refused_and_its_processes_are_killed(model, tmp_path, monkeypatch):
    monkeypatch.setattr('src.inference.workers.START_SECONDS', 3)
    before = set(multiprocessing.active_children())
    path = endless(model, tmp_path / 'endless.tflite')
    with pytest.raises(UserError, match=r'endless\.tflite did not answer a first picture in 3 seconds'):
        Workers(Source(path).look(), 2)
    assert set(multiprocessing.active_children()) == before


@pytest.mark.posix
def test_a_process_that_is_stopped_is_killed_at_the_end(model, monkeypatch):
    monkeypatch.setattr('src.inference.workers.END_SECONDS', 0.5)
    workers = Workers(Source(model).look(), 2)
    idle, stopped = workers._all
    os.kill(stopped.process.pid, signal.SIGSTOP)
    workers.close()
    assert stopped.process.exitcode == -signal.SIGKILL
    assert not idle.process.is_alive()


@pytest.mark.posix
def test_signals_to_all_processes_leave_the_end_to_the_server(model):
    workers = Workers(Source(model).look(), 1)
    (worker,) = workers._all
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
        monkeypatch.undo()
        for worker in taken:
            workers._free.put(worker)
    assert workers.answer(encoded(bright_above(), 'JPEG')).argmax() == 0
