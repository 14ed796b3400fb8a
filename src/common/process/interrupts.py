"""Ctrl-C between two steps of work instead of within one, while modules are imported, and while native code
runs that never returns."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds in which the main thread handles Ctrl-C, unless it is in native code
_handled = threading.Event()


def interrupt(*args) -> None:
    """The handler of Ctrl-C of commands: raises KeyboardInterrupt."""
    handled()
    signal.default_int_handler(*args)


def handled() -> None:
    """Every other handler of Ctrl-C calls this: it runs, so the main thread is not in native code."""
    _handled.set()


def end_native_code(end: Callable[[], None], times: int) -> None:
    """Use `interrupt`, and call `end` in a thread of its own after so many Ctrl-C that the main thread did
    not handle within PATIENCE.

    Python handles signals in the main thread between two of its instructions: never while a graph runs that
    does not end. The thread gets them from the pipe to which the interpreter writes them at once.

    Does nothing on Windows, where Ctrl-Break ends a process in any case, outside of the main thread, and if
    Ctrl-C has another handler or is ignored.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if os.name != 'posix' or not ours or threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=_end_native_code, args=[reader, end, times], daemon=True).start()


def _end_native_code(reader: int, end: Callable[[], None], times: int) -> None:
    unhandled = 0
    while unhandled < times:
        select.select([reader], [], [])
        in_python = _handled.wait(PATIENCE)
        # Read after that, as a terminal sends Ctrl-C to child processes too, which may share the pipe.
        if signal.SIGINT in os.read(reader, 4096):
            unhandled = 0 if in_python else unhandled + 1
            _handled.clear()
    end()


def say_stopped() -> None:
    """Say in one line, without --debug, that Ctrl-C ended the process before `errors.run` began, as while
    modules are imported."""
    before = sys.excepthook

    def say(kind, error, trace) -> None:
        if issubclass(kind, KeyboardInterrupt) and '--debug' not in sys.argv:
            print('stopped', file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = say


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Defers Ctrl-C until the yielded function is called, or to the end; a second Ctrl-C acts at once.

    A KeyboardInterrupt that reaches TensorFlow's native code while it handles Python objects can end the
    process with a segmentation fault (TensorFlow 2.21: in 1 of 120 interrupted trainings with small steps).

    Does nothing outside of the main thread, and if Ctrl-C has another handler or is ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    if (
        before not in (signal.default_int_handler, interrupt)
        or threading.current_thread() is not threading.main_thread()
    ):
        yield lambda: None
        return
    pending = False

    def hold(*_) -> None:
        nonlocal pending
        pending = True
        handled()
        signal.signal(signal.SIGINT, before)

    def raise_pending() -> None:
        if pending:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield raise_pending
    finally:
        signal.signal(signal.SIGINT, before)
    raise_pending()
