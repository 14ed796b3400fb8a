"""Ctrl-C that waits for its moment, with real signals."""

from __future__ import annotations

import signal
import threading

import pytest

from src.common.interrupts import interrupts_held


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_waits_until_it_may():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as let_go:
        let_go()
        ctrl_c()
        done.append('the step')
        let_go()
        done.append('one step more')
    assert done == ['the step']


def test_it_waits_no_longer_than_to_the_end():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            ctrl_c()
            done.append('the last step')
        done.append('what comes after')
    assert done == ['the last step']


def test_a_second_one_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        ctrl_c()
        done.append('once')
        ctrl_c()
        done.append('twice')
    assert done == ['once']


def test_after_a_fault_all_is_as_before():
    with pytest.raises(ValueError), interrupts_held():
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_who_handles_ctrl_c_otherwise_goes_on_to():
    told = []
    before = signal.signal(signal.SIGINT, lambda *_: told.append('theirs'))
    try:
        with interrupts_held() as let_go:
            ctrl_c()
            let_go()
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == ['theirs']


def test_other_threads_are_left_alone():
    told = []

    def work() -> None:
        with interrupts_held() as let_go:
            let_go()
            told.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [signal.default_int_handler]
