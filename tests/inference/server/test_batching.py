"""Rows of many threads, run together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, TimeoutError

import numpy as np
import pytest

from src.inference.server import batching
from src.inference.server.batching import Batcher


def row(value: int) -> np.ndarray:
    return np.full(3, value, np.float32)


def submit(batcher: Batcher, value: int):
    batcher.expect(1)
    return batcher.submit(row(value))


def test_every_row_gets_its_own_answer():
    batcher = Batcher(lambda rows: rows * 2, most=4)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: submit(batcher, i).result(10), range(500)))
    np.testing.assert_array_equal(np.stack(answers), np.stack([row(2 * i) for i in range(500)]))
    batcher.close()


def test_what_arrives_during_a_run_goes_together_up_to_the_limit():
    go, sizes = threading.Event(), []

    def run(rows: np.ndarray) -> np.ndarray:
        go.wait(10)
        return rows

    batcher = Batcher(run, most=4, observe=sizes.append)
    first = submit(batcher, 0)
    while batcher._waiting:  # until the first is being run
        pass
    others = [submit(batcher, i) for i in range(6)]
    assert not first.done()
    go.set()
    for future in (first, *others):
        future.result(10)
    batcher.close()
    assert sizes == [1, 4, 2]


def test_a_failing_run_fails_its_rows_and_no_others():
    def run(rows: np.ndarray) -> np.ndarray:
        if rows[0, 0] < 0:
            raise ValueError('below zero')
        return rows

    batcher = Batcher(run, most=1)
    bad, good = submit(batcher, -1), submit(batcher, 1)
    with pytest.raises(ValueError, match='below zero'):
        bad.result(10)
    np.testing.assert_array_equal(good.result(10), row(1))
    batcher.close()


def test_closing_answers_what_waits_and_takes_no_more():
    batcher = Batcher(lambda rows: rows, most=2)
    futures = [submit(batcher, i) for i in range(9)]
    batcher.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError):
        batcher.submit(row(0))


def test_a_batch_waits_a_moment_for_what_is_on_its_way(monkeypatch):
    monkeypatch.setattr(batching, 'PATIENCE', 30)
    sizes = []
    batcher = Batcher(lambda rows: rows, most=8, observe=sizes.append)
    batcher.expect(3)
    first = batcher.submit(row(1))
    with pytest.raises(TimeoutError):
        first.result(0.2)
    second = batcher.submit(row(2))
    batcher.expect(-1)  # the third could not be decoded
    assert first.result(10)[0] == 1 and second.result(10)[0] == 2
    monkeypatch.setattr(batching, 'PATIENCE', 0.05)
    batcher.expect(5)
    assert batcher.submit(row(3)).result(10)[0] == 3  # four others take too long
    batcher.close()
    assert sizes == [2, 1]
