"""Ctrl-C between two steps of work instead of within one, and while modules are imported."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator


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
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pending = False

    def hold(*_) -> None:
        nonlocal pending
        pending = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def raise_pending() -> None:
        if pending:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield raise_pending
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_pending()
