"""Deferred Ctrl-C, with real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from src.common import paths
from src.common.process.interrupts import interrupts_held


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_for_the_call():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as raise_pending:
        raise_pending()
        ctrl_c()
        done.append('the step')
        raise_pending()
        done.append('one step more')
    assert done == ['the step']


def test_ctrl_c_waits_no_longer_than_the_end():
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


def test_after_an_error_the_handler_is_restored():
    with pytest.raises(ValueError), interrupts_held():
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_another_handler_of_ctrl_c_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append('theirs'))
    try:
        with interrupts_held() as raise_pending:
            ctrl_c()
            raise_pending()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ['theirs']


def test_other_threads_are_left_alone():
    seen = []

    def work() -> None:
        with interrupts_held() as raise_pending:
            raise_pending()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize('flags', [[], ['--debug']])
def test_an_interrupt_while_modules_are_imported_is_one_line(flags):
    code = "import sys; sys.argv[0] = 'rootstock'; import src; raise KeyboardInterrupt"
    ended = subprocess.run(
        [sys.executable, '-c', code, *flags], cwd=paths.CHECKOUT, capture_output=True, text=True
    )
    assert ended.returncode not in (0, 1)
    assert ('Traceback' in ended.stderr) == bool(flags)
    assert flags or ended.stderr == 'stopped\n'
