"""Standard input, output and error of a command, whatever it was started with."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from pathlib import Path


def prepare(quiet: bool) -> None:
    """Make all three streams usable, and, if `quiet`, suppress what libraries print.

    A stream that was closed (`>&-`) leads to the null device, also for native code: else the next file that
    is opened would take its number, and receive what is printed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding='utf-8'))  # noqa: SIM115, PTH123
    if quiet:
        _hold_back_libraries()
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no UTF-8, and a terminal may lack letters.
        stream.reconfigure(errors='surrogateescape' if stream.encoding == 'utf-8' else 'backslashreplace')


def _hold_back_libraries() -> None:
    """Suppress warnings of libraries: they name no file, and a picture that is left out is listed anyway.

    libjpeg (inside TensorFlow) writes "Corrupt JPEG data" to file descriptor 2, Pillow warns through Python.
    Python's own standard error keeps the place that descriptor 2 had.
    """
    warnings.simplefilter('ignore')
    logging.getLogger('PIL').setLevel(logging.CRITICAL)
    if sys.stderr is not sys.__stderr__ or sys.stderr.fileno() != 2:
        return  # somebody else collects it
    sys.stderr.flush()
    kept = os.dup(2)
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115, PTH123 - until the process ends
        kept, 'w', buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors
    )
    with Path(os.devnull).open('wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)


def finish() -> str:
    """Write what is still buffered. Returns the reason if standard output cannot be written, else ''; a
    reader that closed the pipe, such as `head`, is no fault. Nothing can be written after this."""
    reason = ''
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                reason = error.strerror or str(error)
            # What is left in the buffer would fail again when Python ends.
            with contextlib.suppress(OSError), Path(os.devnull).open('wb') as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    return reason
