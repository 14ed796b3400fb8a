"""Atomic writing, JSON, checksums, and texts such as '1.2 MB' and '6,000 photos'."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from src.common import columns, consts, paths, shapes
from src.common.errors import UserError, disk_fault

if TYPE_CHECKING:
    from PIL.Image import Image


class NoText(UserError):
    """A file that should hold text has NUL bytes, as UTF-16, pictures and archives have."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it is renamed to `path` if the body succeeds."""
    path = Path(path)
    part = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of killed processes beside `path`. The caller holds the lock of `path`, so
    no process is writing it."""
    import glob

    for part in path.parent.glob(f'.{glob.escape(path.name)}.*.tmp'):
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a write error in the body (an OSError, or TensorFlow's) into a UserError that names `path`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        path = path.with_name(re.sub(r'^\.(.+)\.\d+\.tmp$', r'\1', path.name))  # the final name
        reason = disk_fault(error)
        if not reason and not isinstance(error, OSError):
            raise
        raise UserError(f'cannot write {paths.shown(path)}: {reason or error.strerror or error}') from error


@contextlib.contextmanager
def atomic(path: Path, mode: str = 'w') -> Iterator[IO]:
    """Open a temporary file beside `path` (text is UTF-8); it is renamed to `path` if the body succeeds."""
    # File names may hold bytes that are not UTF-8; these are written unchanged.
    text = {} if 'b' in mode else {'encoding': 'utf-8', 'errors': 'surrogateescape', 'newline': ''}
    with atomic_path(path) as part, part.open(mode, **text) as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def write_picture(path: Path, picture: Image, **options) -> None:
    """Save a Pillow image, with the options of `Image.save` (`format` among them).

    It is encoded in memory first: Pillow (12.3, `encode_to_file`) does not notice a short write to a file,
    as on a full disk.
    """
    encoded = io.BytesIO()
    picture.save(encoded, **options)
    with atomic(path, 'wb') as stream:
        stream.write(encoded.getvalue())


def flush_to_disk(path: Path) -> None:
    """Write a file's content from the system's cache to the disk (fsync)."""
    with Path(path).open('r+b') as stream:  # Windows flushes only files that are open for writing
        os.fsync(stream.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    with atomic(path) as stream:
        json.dump(value, stream, indent=1, ensure_ascii=False)
        stream.write('\n')


def utf8_text(path: Path, errors: str = 'surrogateescape') -> str:
    """The text in a UTF-8 file, without its byte order mark. `errors`: of decoding; file names on Linux may
    be any bytes. Raises OSError, UnicodeError, and UserError as `text_stream` does."""
    return text_stream(path, errors).read()


def text_stream(path: Path, errors: str = 'surrogateescape', newline: str | None = None) -> io.TextIOWrapper:
    """The bytes of a UTF-8 file in memory, decoded as they are read, without the byte order mark. `newline`:
    as of `open`; '' for CSV. Raises OSError, NoText for NUL bytes, and UserError for more than
    consts.TEXT_BYTES."""
    data = _bytes_of_text(path)
    if b'\0' in data:  # its lines would be other names than the user sees
        raise NoText(
            f'{paths.shown(path)} is no UTF-8 text, as it holds NUL bytes: if it is UTF-16, save it as UTF-8'
        )
    return io.TextIOWrapper(io.BytesIO(data), encoding='utf-8-sig', errors=errors, newline=newline)


def _bytes_of_text(path: Path) -> bytes:
    return bytes_within(path, consts.TEXT_BYTES, 'of text files (TEXT_BYTES in src/common/consts.py)')


def bytes_within(path: Path, most: int, of: str) -> bytes:
    """The bytes of a file that has at most `most`; `of`: whose limit that is. Raises OSError, and UserError
    for a larger file and for a device that does not end."""
    with Path(path).open('rb') as stream:
        size = os.fstat(stream.fileno()).st_size
        data = b'' if size > most else stream.read(size + 1)
        if len(data) > size:  # a pipe or a device, or a file that grows
            data += stream.read(most + 1 - len(data))
    if max(size, len(data)) > most:
        has = f'{size:,}' if size > most else f'more than {most:,}'
        raise UserError(f'{paths.shown(path)} has {has} bytes, above the limit of {most:,} {of}')
    return data


def read_json(path: Path, kind: Any = Any, remedy: str = '') -> Any:
    """The value in a JSON file, which is to be of a kind (`shapes.fault_of`).

    Raises UserError, with `remedy` at its end, if the file is no valid JSON or holds a value of another kind,
    and if it cannot be read.
    """
    try:
        value = json.loads(_bytes_of_text(path).decode('utf-8-sig', 'surrogateescape'))
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    except (ValueError, RecursionError) as error:
        advice = f': {remedy}' if remedy else ''
        raise UserError(f'{paths.shown(path)} is not valid JSON ({error}){advice}') from error
    require_kind(value, kind, path, remedy)
    return value


def require_kind(value: Any, kind: Any, path: Path, remedy: str) -> None:
    """Raise UserError, with `remedy` at its end, if a value from the JSON file `path` is of another kind."""
    if fault := shapes.fault_of(value, kind):
        raise UserError(f'{paths.shown(path)} is damaged ({fault}){": " if remedy else ""}{remedy}')


def read_notes(path: Path, kind: Any = dict) -> dict:
    """The object in a JSON file that Rootstock wrote; {} if the file is missing or damaged, or holds a value
    of another kind."""
    try:
        return read_json(path, kind)
    except UserError:
        return {}


def size_of(path: Path) -> int:
    """Bytes in a file; 0 if it is missing."""
    return path.stat().st_size if path.exists() else 0


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises UserError if it cannot be read."""
    import hashlib

    try:
        with Path(path).open('rb') as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error


def human_size(size: float) -> str:
    """A number of bytes as text: 1,234,567 is '1.2 MB' (powers of 1,000)."""
    for unit in ('bytes', 'kB', 'MB', 'GB'):
        if size < 1000 or unit == 'GB':
            break
        size /= 1000
    return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'


def count(number: int, noun: str, plural: str | None = None) -> str:
    """'1 photo', '6,000 photos'."""
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'


def listed(names: Sequence[str], most: int = 4) -> str:
    """'bus, car, train and 3 more', on one line."""
    more = f' and {len(names) - most:,} more' if len(names) > most else ''
    return columns.on_one_line(', '.join(names[:most]) + more)
