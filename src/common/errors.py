"""The user-facing error, and the one place that prints it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

DEBUG_FLAG = '--debug'


class UserError(Exception):
    """What is wrong, which file, and what to do about it, in one line for the user."""


def debugging() -> bool:
    """Whether tracebacks and TensorFlow's own log are wanted."""
    return DEBUG_FLAG in sys.argv or bool(os.environ.get('ROOTSTOCK_DEBUG'))


def run(main: Callable[[], int | None]) -> None:
    """Run an entry in a process of its own, and end the process: exit code 0 when done, 2 for bad input
    (one line on standard error), 1 for a fault of ours, 130 for Ctrl-C. Tracebacks only with --debug."""
    from src.common.tf1 import own_process  # tf1 imports this module

    own_process()
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no UTF-8, and a terminal may lack letters.
        stream.reconfigure(errors='surrogateescape' if stream.encoding == 'utf-8' else 'backslashreplace')
    try:
        sys.exit(main() or 0)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        _complain('stopped; what was finished is kept, the same command goes on from there', 130)
    except UserError as error:
        _complain(f'error: {error}', 2)
    except Exception as error:
        _complain(f'unexpected {type(error).__name__}: {error} (--debug shows where)', 1)


def _complain(line: str, code: int) -> None:
    if debugging():
        traceback.print_exc()
    print(' '.join(line.split()), file=sys.stderr)
    sys.exit(code)
