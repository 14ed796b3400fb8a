"""The user-facing error, and the one place that prints it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import traceback
from collections.abc import Callable

from src.common import commands, environment, paths, streams

DEBUG_FLAG = '--debug'
# With these a command begins anew, so what was finished is kept only if they are left out the next time.
BEGIN_ANEW = ('--fresh', '--overwrite')
LONGEST_REASON = 300  # characters

# Faults of a disk or of its permissions, which the user can mend. TensorFlow's errors end in the same words.
_OF_THE_DISK = {
    getattr(errno, name)
    for name in (
        *('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'ENAMETOOLONG', 'ENOTDIR'),
        *('EISDIR', 'ENXIO', 'EMFILE', 'ENFILE', 'ESTALE', 'ELOOP'),
    )
    if hasattr(errno, name)  # Windows lacks some
}
_NUMBERS = {os.strerror(number): number for number in _OF_THE_DISK}
_TENSORFLOW_SAYS = re.compile(rf'(?P<path>\S[^;\n]*); (?P<reason>{"|".join(map(re.escape, _NUMBERS))})')
_FULL = {errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC), errno.EFBIG}
_NOT_WRITABLE = {*_FULL, errno.EROFS}


class UserError(Exception):
    """What is wrong, which file, and what to do about it, in one line for the user."""


def debugging() -> bool:
    """Whether tracebacks and TensorFlow's own log are wanted."""
    return DEBUG_FLAG in sys.argv or bool(os.environ.get('ROOTSTOCK_DEBUG'))


def disk_fault(error: BaseException) -> str:
    """The reason and the remedy when a disk is full, read-only or the like, '' for other errors.

    Knows OSErrors, and TensorFlow's errors of writing, which say 'path; No space left on device'.
    """
    if isinstance(error, OSError):
        number = error.errno if error.errno in _OF_THE_DISK else None
    elif type(error).__module__.startswith('tensorflow.'):
        said = _TENSORFLOW_SAYS.search(str(error))
        number = said and _NUMBERS[said['reason']]
    else:
        return ''
    if number is None:
        return ''
    return os.strerror(number) + (': free some space, then repeat' if number in _FULL else '')


def run(main: Callable[[], int | None]) -> None:
    """Run an entry in a process of its own, and end the process: exit code 0 when done, 2 for bad input
    (one line on standard error), 1 for a bug of ours, 130 for Ctrl-C. Tracebacks only with --debug."""
    from src.common.tf1 import own_process  # tf1 imports this module

    own_process()
    streams.prepare(quiet=not debugging())
    try:
        code = _ended(main)
        if (reason := streams.finish()) and code == 0:
            code = _complain(f'error: cannot write to standard output: {reason}', 2)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        code = 0
    with contextlib.suppress(BrokenPipeError):
        streams.finish()
    sys.exit(code)


def _ended(main: Callable[[], int | None]) -> int:
    """The exit code, after a line on what went wrong."""
    try:
        return main() or 0
    except BrokenPipeError:
        raise
    except SystemExit as ended:  # of argparse
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt as stop:
        return _complain(f'stopped{_going_on() if resumable(stop) else ""}', 130)
    except UserError as error:
        return _complain(f'error: {error}', 2)
    except Exception as error:
        if fault := disk_fault(error):
            return _complain(f'error: {place_of(error)}: {fault}', 2)
        name = (getattr(error, 'name', '') or '').partition('.')[0]
        if isinstance(error, ModuleNotFoundError) and name in environment.NEEDED:
            return _complain(f'error: {environment.fault() or error}', 2)
        return _complain(f'unexpected {type(error).__name__}: {error} (--debug shows where)', 1)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, which TensorFlow's errors follow up with pages; its type if there is
    none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:LONGEST_REASON]


def place_of(error: BaseException) -> str:
    """What cannot be written or read, as far as the error knows."""
    if isinstance(error, OSError):
        path, reason = error.filename, error.strerror
    else:
        path, reason = _TENSORFLOW_SAYS.search(str(error)).group('path', 'reason')
    if path is None:
        return 'cannot write'
    path = re.sub(r'\.tempstate\d+$', '', str(path))  # the name that TensorFlow's file was to get
    return f'cannot {"write" if _NUMBERS.get(reason) in _NOT_WRITABLE else "use"} {paths.shown(path)}'


@contextlib.contextmanager
def resumes():
    """Says of the work in the body: when it is stopped, the same command goes on where it was."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.resumes = True
        raise


def resumable(stop: KeyboardInterrupt) -> bool:
    """Whether the work that was stopped said that it resumes."""
    return getattr(stop, 'resumes', False)


def _going_on() -> str:
    flags = [flag for flag in BEGIN_ANEW if flag in sys.argv]
    without = f' without {flags[0]}' if flags else ''
    return f'; what was finished is kept, the same command{without} goes on from there'


def _complain(line: str, code: int) -> int:
    with contextlib.suppress(OSError):  # where standard error takes nothing, the exit code still tells
        if debugging():
            traceback.print_exc()
        print(' '.join(commands.as_typed(line).split()), file=sys.stderr)
    return code
