"""Standard input, output and error of a command."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from pathlib import Path


def prepare(quiet: bool) -> None:
    """Make all three streams usable and, if `quiet`, suppress what libraries print.

    A closed stream (`>&-`) is connected to the null device, for native code too. Otherwise the next file that
    is opened would get its descriptor, and receive what is printed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding='utf-8'))  # noqa: SIM115, PTH123
    if quiet:
        _silence_libraries()
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are not UTF-8, and a terminal may lack characters.
        stream.reconfigure(errors='surrogateescape' if stream.encoding == 'utf-8' else 'backslashreplace')


def _silence_libraries() -> None:
    """Suppress warnings of libraries: they do not name the file, and skipped pictures are reported anyway.

    libjpeg (inside TensorFlow) writes "Corrupt JPEG data" to file descriptor 2, Pillow warns through Python.
    Python's own `sys.stderr` still writes to where descriptor 2 led.
    """
    warnings.simplefilter('ignore')
    logging.getLogger('PIL').setLevel(logging.CRITICAL)
    if sys.stderr is not sys.__stderr__ or sys.stderr.fileno() != 2:
        return  # redirected by the caller, such as a test
    sys.stderr.flush()
    kept = os.dup(2)
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115, PTH123 - open until the process ends
        kept, 'w', buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors
    )
    with Path(os.devnull).open('wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)


def finish() -> str:
    """Flush the streams. Returns the reason if standard output cannot be written, else ''.

    A reader that closed the pipe, such as `head`, is no error. After an error nothing more can be written.
    """
    reason = ''
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                reason = error.strerror or str(error)
            # Python flushes the buffer again when it ends, which must not fail.
            with contextlib.suppress(OSError), Path(os.devnull).open('wb') as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    return reason
