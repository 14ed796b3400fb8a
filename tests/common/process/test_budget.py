"""A budget of bytes that threads share."""

from __future__ import annotations

import threading
import time

import pytest

from src.common.process import budget, memory
from src.common.process.budget import GIVEN_BACK, Budget, Unavailable

WAIT = 60  # seconds; only a test that fails takes them


class Task(threading.Thread):
    """Holds bytes until it is released."""

    def __init__(self, of: Budget, number: int, seconds: float = 0):
        super().__init__(daemon=True)
        self.of, self.number, self.seconds = of, number, seconds
        self.inside, self.leave = threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.of.held(self.number, self.seconds):
            self.inside.set()
            assert self.leave.wait(WAIT)

    def release(self):
        assert self.inside.wait(WAIT)
        self.leave.set()
        self.join()


def wait_for(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def waiting(of: Budget) -> int:
    return sum(len(pool._waiting) for pool in (of._large, of._small, of._slow))


def test_large_tasks_wait_in_order_and_small_ones_pass():
    shared = Budget(140, 100)
    first = Task(shared, 90)
    assert first.inside.wait(WAIT)
    second = Task(shared, 95)
    wait_for(lambda: waiting(shared) == 1)
    third = Task(shared, 11)  # would fit beside the second
    wait_for(lambda: waiting(shared) == 2)
    small = Task(shared, 10)
    small.release()
    assert not second.inside.is_set()
    assert not third.inside.is_set()
    assert shared.free == 50
    first.release()
    assert second.inside.wait(WAIT)
    assert not third.inside.is_set()
    second.release()
    third.release()
    assert shared.free == 140


def test_small_tasks_are_bounded_too():
    shared = Budget(140, 100)
    tasks = [Task(shared, 10) for _ in range(5)]
    wait_for(lambda: waiting(shared) == 1)
    assert sum(task.inside.is_set() for task in tasks) == 4
    for task in sorted(tasks, key=lambda task: not task.inside.is_set()):
        task.release()
    assert shared.free == 140


def test_more_than_all_takes_all():
    shared = Budget(140, 100)
    with shared.held(1_000):
        assert shared.free == 40


def test_a_task_within_a_task_holds_nothing_more():
    shared = Budget(140, 100)
    with shared.held(80), shared.held(80), shared.held(5):
        assert shared.free == 60
    assert shared.free == 140


def test_bytes_come_back_after_an_error():
    shared = Budget(140, 100)
    for _ in range(3):
        with pytest.raises(ValueError, match='of the task'), shared.held(80, seconds=9):
            raise ValueError('of the task')
    assert shared.free == 140
    with shared.held(80, seconds=9):
        assert shared.free == 60


def test_slow_tasks_leave_a_core_to_others(monkeypatch):
    monkeypatch.setattr(budget.os, 'cpu_count', lambda: 2)
    shared = Budget(140, 100)
    slow, other = Task(shared, 20, seconds=3), Task(shared, 20, seconds=3)
    wait_for(lambda: waiting(shared) == 1)
    fast = Task(shared, 20, seconds=0.1)
    fast.release()
    for task in sorted((slow, other), key=lambda task: not task.inside.is_set()):
        task.release()


def test_memory_is_given_back_after_the_last_large_task(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, 'give_back', lambda: calls.append(1))
    shared = Budget(4 * GIVEN_BACK, 3 * GIVEN_BACK)
    with shared.held(1_000):
        pass
    assert not calls
    first, second = Task(shared, GIVEN_BACK), Task(shared, GIVEN_BACK)
    first.release()
    assert not calls
    second.release()
    assert calls == [1]
    with pytest.raises(ValueError, match='damaged'), shared.held(GIVEN_BACK):
        raise ValueError('damaged')
    assert calls == [1, 1]


def test_freed_memory_can_be_given_back():
    memory.give_back()


def test_a_task_waits_as_long_as_its_budget_has_patience():
    shared = Budget(140, 100)
    shared.patience = 0.05
    first = Task(shared, 90)
    assert first.inside.wait(WAIT)
    for number in (95, 20):  # the second would wait behind the first one
        with pytest.raises(Unavailable, match='no memory for this picture now'), shared.held(number):
            pass
    assert waiting(shared) == 0
    first.release()
    with shared.held(95):
        assert shared.free == 45
    assert shared.free == 140


def test_tasks_that_wait_can_be_given_up():
    shared, faults = Budget(140, 100), []

    def wait() -> None:
        try:
            with shared.held(95):
                pass
        except Unavailable as fault:
            faults.append(fault)

    first = Task(shared, 90)
    assert first.inside.wait(WAIT)
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: waiting(shared) == 2)
    shared.give_up()
    for thread in threads:
        thread.join(WAIT)
    assert len(faults) == 2
    with pytest.raises(Unavailable), shared.held(95):
        pass
    first.release()
    with shared.held(95):  # what is free is still given
        assert shared.free == 45
