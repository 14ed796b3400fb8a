"""Locks: one process at a time writes a data set, a model or a download.

    with at_work(paths.records('flowers')):
        ...

The operating system locks a hidden file beside the target, and releases the lock when the process ends in any
way. The hidden file stays: if it were removed, two processes could each lock a file of that name. Commands
that only read take no lock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from src.common import paths
from src.common.errors import UserError, resumes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

# Errors if another process holds the lock; other errors mean that the file system has no locks.
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_FAR = 1 << 30  # the byte to lock on Windows, where locked bytes (here: of the note) cannot be read
_WAIT_FOR_NOTE = 0.05

_held: set[Path] = set()  # by this process, which may acquire them again
_guard = threading.Lock()


@contextlib.contextmanager
def at_work(target: Path, goes_on: bool = True) -> Iterator[None]:
    """Lock `target`, a file or folder that need not exist, while the body runs.

    `goes_on`: the same command resumes the work, which is reported after Ctrl-C. Raises UserError, with
    the process and its start, if another process holds the lock.
    """
    path = lock_of(target)
    with _guard:
        mine = path not in _held
        if mine:
            stream = _acquire(path, target)
            _held.add(path)
    try:
        with resumes() if goes_on else contextlib.nullcontext():
            yield
    finally:
        if mine:
            with _guard:
                _held.discard(path)
                _release(stream)


def lock_of(target: Path) -> Path:
    """The hidden file that is locked. It is beside the target, so that it stays when a folder is replaced."""
    whole = Path(target).resolve()
    return whole.with_name(f'.{whole.name}.lock')


def _acquire(path: Path, target: Path) -> IO[bytes] | None:
    """The locked file; None if nothing can be locked: on a file system without locks, or on a read-only disk,
    where the command's own writes will fail with the reason. Raises UserError if another process has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), 'r+b', buffering=0)
    except OSError:
        return None
    try:
        _lock(stream)
    except OSError as error:
        holder = _holder(stream) if error.errno in _TAKEN else ''
        stream.close()
        if not holder:
            return None
        raise UserError(
            f'{paths.shown(target)} is being written by {holder}: wait for it or stop it, then repeat'
        ) from None
    with contextlib.suppress(OSError):
        stream.truncate(0)
        stream.write(json.dumps(_myself()).encode())
    return stream


def _lock(stream: IO[bytes]) -> None:
    if fcntl:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        stream.seek(_FAR)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)


def _release(stream: IO[bytes] | None) -> None:
    if stream is None:
        return
    with contextlib.suppress(OSError):
        stream.truncate(0)
        if fcntl:
            fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
        else:
            stream.seek(_FAR)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
    stream.close()


def _myself() -> dict[str, str | int]:
    return {
        'pid': os.getpid(),
        'host': socket.gethostname(),
        'since': time.strftime('%Y-%m-%d %H:%M:%S'),
        'command': Path(sys.argv[0]).name,
    }


def _holder(stream: IO[bytes]) -> str:
    """The process in the note that the holder of the lock wrote."""
    for _ in range(2):
        stream.seek(0)
        try:
            note = json.loads(stream.read())
            host = '' if note['host'] == socket.gethostname() else f' on {note["host"]}'
            return f'process {note["pid"]}{host} ({note["command"]}, since {note["since"]})'
        except (OSError, ValueError, LookupError, TypeError):
            time.sleep(_WAIT_FOR_NOTE)  # it has the lock, and has not written its note yet
    return 'another process'
