"""Deferred Ctrl-C, with real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from src.common import paths
from src.common.process.interrupts import PATIENCE, interrupts_held


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
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError), interrupts_held():
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is before
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
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.posix
@pytest.mark.parametrize(('tear_down', 'times'), [(False, 1), (True, 2)])
def test_ctrl_c_ends_native_code_that_never_returns(tear_down, times):
    """A signal does not end the wait for a mutex, as it does not end a run of TensorFlow's session."""
    code = (
        'import ctypes\n'
        'from src.common import errors\n'
        'def main():\n'
        '    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)\n'
        '    libc.pthread_mutex_init(mutex, None)\n'
        '    libc.pthread_mutex_lock(mutex)\n'
        '    print("native", flush=True)\n'
        '    libc.pthread_mutex_lock(mutex)\n'
        f'errors.run(main, tear_down={tear_down})\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code],
        cwd=paths.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == 'native\n'
        time.sleep(0.2)  # for the call to begin
        process.send_signal(signal.SIGINT)
        time.sleep(2 * PATIENCE)
        while times == 2 and process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(2 * PATIENCE)
        assert process.communicate(timeout=60)[1] == 'stopped\n' and process.returncode == 130
    finally:
        process.kill()


@pytest.mark.parametrize('flags', [[], ['--debug']])
def test_an_interrupt_while_modules_are_imported_is_one_line(flags):
    code = "import sys; sys.argv[0] = 'rootstock'; import src; raise KeyboardInterrupt"
    ended = subprocess.run(
        [sys.executable, '-c', code, *flags], cwd=paths.CHECKOUT, capture_output=True, text=True
    )
    assert ended.returncode not in (0, 1)
    assert ('Traceback' in ended.stderr) == bool(flags)
    assert flags or ended.stderr == 'stopped\n'
