"""The error that users see, and how a command ends."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable

from src.common import commands, paths
from src.common.process import environment, interrupts, streams

DEBUG_FLAG = '--debug'
# Flags that discard finished work: to resume, the next call has to leave them out.
BEGIN_ANEW = ('--fresh', '--overwrite')
LONGEST_REASON = 300  # characters
LONGEST_LINE = 2_000  # characters of an error line
LONGEST_SEARCHED = 5_000  # of an error's text, in which TensorFlow may quote all weights of a graph

# Disk and permission errors, which the user can fix. TensorFlow's errors end in the same words.
_DISK_ERRORS = {
    getattr(errno, name)
    for name in (
        *('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'ENAMETOOLONG', 'ENOTDIR'),
        *('EISDIR', 'ENXIO', 'EMFILE', 'ENFILE', 'ESTALE', 'ELOOP'),
    )
    if hasattr(errno, name)  # not all exist on Windows
}
_NUMBERS = {os.strerror(number): number for number in _DISK_ERRORS}
_FULL = {errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC), errno.EFBIG}
_NOT_WRITABLE = {*_FULL, errno.EROFS}


class UserError(Exception):
    """One line for the user: what is wrong, with which file, and what to do about it."""


def missing_packages(*packages: str) -> list[str]:
    """Those of some packages that are not installed. Does not import them."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def require_packages(extra: str, *packages: str) -> None:
    """Raise UserError if packages of an extra in pyproject.toml are missing, with the command that installs
    them."""
    if missing := missing_packages(*packages):
        words = f'package {missing[0]} is' if len(missing) == 1 else f'packages {", ".join(missing)} are'
        raise UserError(f'the {words} missing: run {commands.to_install(extra)}')


def debugging() -> bool:
    """Whether tracebacks and TensorFlow's own log are shown."""
    return DEBUG_FLAG in sys.argv or bool(os.environ.get('ROOTSTOCK_DEBUG'))


def disk_fault(error: BaseException) -> str:
    """The reason and the remedy if a disk is full, read-only or the like; '' for other errors.

    Takes OSErrors, and TensorFlow's errors such as 'path; No space left on device'.
    """
    if isinstance(error, OSError):
        number = error.errno if error.errno in _DISK_ERRORS else None
    elif type(error).__module__.startswith('tensorflow.'):
        said = _tensorflow_says(error)
        number = said and _NUMBERS[said['reason']]
    else:
        return ''
    if number is None:
        return ''
    return os.strerror(number) + (': free some space, then repeat' if number in _FULL else '')


def run(main: Callable[[], int | None], tear_down: bool = True) -> None:
    """Run the `main` of a command and end the process.

    tear_down: False ends it without Python's cleanup of modules and objects, which takes a tenth of the time
        of a short command. For commands that leave nothing to be done at exit.

    Exit codes: 0 for success, 2 for bad input (with one line on standard error), 1 for a bug of Rootstock,
    130 for Ctrl-C. Tracebacks are printed with --debug only.

    While a graph runs in the main thread, Ctrl-C is handled after it. It ends a command without tear-down all
    the same, and others at the second time: they may have files to finish.
    """
    from src.common.tf1 import own_process  # tf1 imports this module

    own_process()
    streams.prepare(quiet=not debugging())
    interrupts.end_native_code(_end_now, times=2 if tear_down else 1)
    try:
        code = _ended(main)
        if (reason := streams.finish()) and code == 0:
            code = _complain(f'error: cannot write to standard output: {reason}', 2)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        code = 0
    with contextlib.suppress(BrokenPipeError):
        streams.finish()
    if not tear_down:
        os._exit(code)
    sys.exit(code)


def _ended(main: Callable[[], int | None]) -> int:
    """Run `main` and return the exit code; print one line if it fails."""
    try:
        return main() or 0
    except BrokenPipeError:
        raise
    except SystemExit as ended:  # raised by argparse
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt as stop:
        return _complain(f'stopped{_resuming() if getattr(stop, "resumes", False) else ""}', 130)
    except UserError as error:
        return _complain(f'error: {error}', 2)
    except Exception as error:
        if fault := disk_fault(error):
            return _complain(f'error: {place_of(error)}: {fault}', 2)
        if isinstance(error, MemoryError) or type(error).__name__ == 'ResourceExhaustedError':
            return _complain('error: not enough memory: use smaller pictures or batches, then repeat', 2)
        name = (getattr(error, 'name', '') or '').partition('.')[0]
        if isinstance(error, ModuleNotFoundError) and name in environment.NEEDED:
            return _complain(f'error: {environment.fault() or error}', 2)
        return _complain(f'unexpected {type(error).__name__}: {error} (--debug shows where)', 1)


def _end_now() -> None:
    """End the process while the main thread is in native code."""
    try:
        print('stopped', file=sys.stderr)
        streams.finish()
    finally:
        os._exit(130)


def _tensorflow_says(error: BaseException) -> re.Match | None:
    """The path and the reason in an error of TensorFlow about a disk."""
    reasons = '|'.join(map(re.escape, _NUMBERS))
    text = str(error)[:LONGEST_SEARCHED]
    return re.search(rf'(?P<path>\S[^;\n]*); (?P<reason>{reasons})', text)


def first_line(error: BaseException) -> str:
    """The first line of an error's text (TensorFlow's errors have many), or its type if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:LONGEST_REASON]


def place_of(error: BaseException) -> str:
    """'cannot write PATH' or 'cannot use PATH', for an error that `disk_fault` takes."""
    if isinstance(error, OSError):
        path, reason = error.filename, error.strerror
    else:
        path, reason = _tensorflow_says(error).group('path', 'reason')
    if path is None:
        return 'cannot write'
    path = re.sub(r'\.tempstate\d+$', '', str(path))  # the temporary suffix of TensorFlow's files
    return f'cannot {"write" if _NUMBERS.get(reason) in _NOT_WRITABLE else "use"} {paths.shown(path)}'


@contextlib.contextmanager
def resumes():
    """Marks the work in the body as resumable: after Ctrl-C the same command continues it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.resumes = True
        raise


def _resuming() -> str:
    flags = [flag for flag in BEGIN_ANEW if flag in sys.argv]
    without = f' without {flags[0]}' if flags else ''
    return f'; finished work is kept, the same command{without} continues from there'


def one_line(text: str) -> str:
    """The text as a line of some LONGEST_LINE characters, whose middle is left out. Parts of it come from
    files of others: what is not printable, such as escape sequences of terminals, is escaped."""
    line = ' '.join(text.split())
    if len(line) > LONGEST_LINE:
        line = f'{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}'
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in line)


def _complain(line: str, code: int) -> int:
    with contextlib.suppress(OSError):  # if standard error cannot be written, there is still the exit code
        if debugging():
            traceback.print_exc()
        print(one_line(commands.as_typed(line)), file=sys.stderr)
    return code
