"""Prefetching in threads: order, how far ahead, exceptions and early ends."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from src.common.ahead import ahead


@pytest.mark.parametrize(('window', 'threads'), [(1, 1), (5, 3), (100, 4)])
@pytest.mark.parametrize('number', [0, 1, 20])
def test_results_come_in_the_order_of_the_items(window, threads, number):
    assert list(ahead(lambda n: n * n, range(number), window, threads)) == [n * n for n in range(number)]


def test_a_later_result_does_not_overtake_an_earlier_one():
    second_done = threading.Event()

    def compute(n):
        if n == 0:
            assert second_done.wait(30)
        else:
            second_done.set()
        return n

    assert list(ahead(compute, range(2), window=1, threads=2)) == [0, 1]


@pytest.mark.parametrize('window', [1, 4])
def test_items_are_read_only_as_far_as_the_window(window):
    read = []

    def items():
        for n in itertools.count():
            read.append(n)
            yield n

    results = ahead(lambda n: n, items(), window, threads=2)
    for taken in range(1, 6):
        next(results)
        assert len(read) == taken + window
    results.close()


def test_the_next_result_is_computed_while_the_caller_holds_one():
    begun = [threading.Event() for _ in range(3)]

    def compute(n):
        begun[n].set()
        return n

    results = ahead(compute, range(3), window=1, threads=1)
    assert next(results) == 0
    assert begun[1].wait(30)
    assert not begun[2].is_set()
    assert list(results) == [1, 2]


def test_an_exception_is_raised_in_its_place():
    results = ahead(lambda n: 6 // n, [3, 2, 0, 1], window=3, threads=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_calls_that_have_not_started_are_canceled_when_the_caller_stops(monkeypatch):
    called, last_canceled = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        def submit(self, function, numbered):
            future = super().submit(function, numbered)
            if numbered[0] == 20:
                future.add_done_callback(lambda _: last_canceled.set())
            return future

    def compute(n):
        called.append(n)
        assert n == 0 or last_canceled.wait(30)

    monkeypatch.setattr('src.common.ahead.ThreadPoolExecutor', Pool)
    results = ahead(compute, range(50), window=20, threads=1)
    next(results)
    results.close()
    assert called in ([0], [0, 1])


def test_an_iterator_is_advanced_one_batch_ahead_in_another_thread():
    threads = set()

    def batches():
        for n in range(5):
            threads.add(threading.get_ident())
            yield n

    assert list(ahead(next, itertools.repeat(batches()), window=1, threads=1)) == [0, 1, 2, 3, 4]
    assert len(threads) == 1 and threading.get_ident() not in threads


@pytest.mark.parametrize('threads', [1, 3])
def test_bytes_that_wait_for_the_caller_are_limited(threads):
    computed = []

    def compute(n):
        computed.append(n)
        return bytes(10)

    results = ahead(compute, range(50), 40, threads, size=len, most=30)
    for taken in range(1, 50):
        next(results)
        held = len(computed) - taken + 1  # with the one that the caller has
        assert 10 * held < 30 + 10 * threads
    assert len(list(results)) == 1 and sorted(computed) == list(range(50))


def test_a_result_larger_than_the_limit_is_computed_in_its_turn():
    sizes = [5, 100, 5, 100, 100, 5]
    assert [len(found) for found in ahead(bytes, sizes, 6, 2, size=len, most=10)] == sizes


def test_threads_that_wait_for_room_end_when_the_caller_stops_or_a_call_fails():
    results = ahead(bytes, [100] * 20, 10, 3, size=len, most=50)
    next(results)
    results.close()

    def fails(n):
        if n == 1:
            raise ValueError('of item 1')
        return bytes(100)

    results = ahead(fails, range(20), 10, 3, size=len, most=50)
    next(results)
    with pytest.raises(ValueError, match='of item 1'):
        list(results)
