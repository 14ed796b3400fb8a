"""Ctrl-C between two pieces of work instead of in the midst of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Within, Ctrl-C waits for a call of the function that this gives, or for the end; a second one does not.

    TensorFlow's native code walks Python objects, and an exception that reaches it there, such as the
    KeyboardInterrupt of a signal, can end the process with a segmentation fault (TensorFlow 2.21, in 1 of
    120 trainings of small steps that were interrupted).

    In other threads than the main one, and where somebody else handles Ctrl-C or has it ignored, it does
    nothing.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    waits = False

    def hold(*_) -> None:
        nonlocal waits
        waits = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def let_go() -> None:
        if waits:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield let_go
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    let_go()
