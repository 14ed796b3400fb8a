"""Batches of rows from many threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from src.inference.server import batching
from src.inference.server.batching import Batcher, GivenUp
from src.inference.server.fairness import clients


def row(value: int) -> np.ndarray:
    return np.full(3, value, np.float32)


def test_every_row_gets_its_own_answer():
    batcher = Batcher(lambda rows: [2 * row for row in rows], most=4)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: batcher.submit(row(i)).result(10), range(500)))
    np.testing.assert_array_equal(np.stack(answers), np.stack([row(2 * i) for i in range(500)]))
    batcher.close()


def test_rows_that_arrive_during_a_run_share_the_next_batch():
    go, sizes = threading.Event(), []

    def run(rows: list) -> list:
        go.wait(10)
        return rows

    batcher = Batcher(run, most=4, observe=sizes.append)
    first = []
    for value in range(batching.RUNS_AT_ONCE):
        first.append(batcher.submit(row(value)))
        while batcher._waiting:  # until it is being run
            pass
    others = [batcher.submit(row(i)) for i in range(6)]
    assert not any(future.done() for future in first)
    go.set()
    for future in (*first, *others):
        future.result(10)
    batcher.close()
    assert sorted(sizes) == [1] * batching.RUNS_AT_ONCE + [2, 4]


def test_a_failing_run_fails_its_rows_and_no_others():
    def run(rows: list) -> list:
        if rows[0][0] < 0:
            raise ValueError('below zero')
        return rows

    batcher = Batcher(run, most=1)
    bad, good = batcher.submit(row(-1)), batcher.submit(row(1))
    with pytest.raises(ValueError, match='below zero'):
        bad.result(10)
    np.testing.assert_array_equal(good.result(10), row(1))
    batcher.close()


def test_close_answers_queued_rows_and_refuses_new_ones():
    batcher = Batcher(lambda rows: rows, most=2)
    futures = [batcher.submit(row(i)) for i in range(9)]
    batcher.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError):
        batcher.submit(row(0))


def test_what_is_given_up_fails_though_its_run_never_ends():
    never = threading.Event()

    def run(rows: list) -> list:
        never.wait(10)
        return rows

    batcher = Batcher(run, most=1, at_once=1)
    futures = [batcher.submit(row(i)) for i in range(3)]
    batcher.give_up()
    for future in futures:
        with pytest.raises(GivenUp):
            future.result(10)
    with pytest.raises(GivenUp):
        batcher.submit(row(0))
    never.set()
    batcher.close()
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_clients_take_turns():
    """One has many rows queued; the next row of another client is in the next batch."""
    go, batches = threading.Event(), []

    def run(rows: list) -> list:
        go.wait(10)
        batches.append([int(row[0]) for row in rows])
        return rows

    batcher = Batcher(run, most=2, at_once=1)
    with clients.serving('192.0.2.1'):
        futures = [batcher.submit(row(0))]
        while batcher._waiting:
            pass
        futures += [batcher.submit(row(1)) for _ in range(5)]
    for number in (2, 3):
        with clients.serving(f'192.0.2.{number}'):
            futures += [batcher.submit(row(number)) for _ in range(2)]
    go.set()
    for future in futures:
        future.result(10)
    batcher.close()
    assert batches == [[0], [1, 2], [3, 1], [2, 3], [1, 1], [1]]
