"""Find out which files are pictures; all commands follow this rule.

The first bytes of a file decide, whatever its name. Hidden files and folders, and those that operating
systems create (`__MACOSX`, `Thumbs.db`), are ignored. Only regular files are read, so a pipe or a device
never blocks a command. Linked folders are followed, each once.

This module does not import TensorFlow.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from src.images.faults import START_BYTES, BadImage, NotAPicture, check_start

# Endings of picture files, unsupported formats included. The content decides whether a file is a picture; the
# ending decides whether another file counts as a bad picture or is simply left out.
ENDINGS = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.gif', '.webp', '.bmp', '.tif', '.tiff'),
    *('.heic', '.heif', '.avif'),
)
LEFT_BY_SYSTEMS = ('__macosx', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin', '@eadir')
LINKED_BEFORE = 'a link to a folder that holds it or was read already: not followed'

_KINDS = (
    (stat.S_ISFIFO, 'a named pipe'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def ignored(name: str) -> bool:
    """Whether files and folders of this name are ignored: hidden ones, and those that operating systems
    create (`__MACOSX`, `._1.jpg`, `Thumbs.db`)."""
    return name.startswith('.') or name.lower() in LEFT_BY_SYSTEMS


def named_like_picture(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def read_picture(path: Path | str) -> bytes:
    """Read a picture file. Of a file that is not a picture only the first bytes are read.

    Raises NotAPicture for such a file and for one that is not regular (a pipe, a device), BadImage for an
    unsupported format, and OSError.
    """
    with open_regular(path) as stream:
        return read_if_picture(stream)


def read_if_picture(stream: BinaryIO) -> bytes:
    """Read all bytes of a stream; raises as `read_picture` does."""
    start = stream.read(START_BYTES)
    check_start(start)
    return start + stream.read()


def check_file(path: Path | str) -> None:
    """Check the first bytes of a file; raises as `read_picture` does."""
    with open_regular(path) as stream:
        check_start(stream.read(START_BYTES))


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading. Raises NotAPicture for a pipe, a device or a socket, and OSError."""
    _require_regular(os.stat(path).st_mode, path)  # noqa: PTH116
    # Checked again once it is open, as the file may have been replaced: by a pipe, which must not block.
    flags = os.O_RDONLY | getattr(os, 'O_BINARY', 0) | getattr(os, 'O_NONBLOCK', 0)
    stream = os.fdopen(os.open(path, flags), 'rb')
    try:
        _require_regular(os.fstat(stream.fileno()).st_mode, path)
    except BaseException:
        stream.close()
        raise
    return stream


def walk(folder: Path | str, strict: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (path, fault) for every file below `folder`, sorted by name; the files of a folder come before
    its subfolders.

    The fault is '' for a file to read, and the reason for a link that is not followed. A subfolder that
    cannot be read is yielded with its reason, or raises OSError with `strict`; `folder` itself always raises.
    A folder that is named like a picture is yielded as a file, so that reading it reports the error.
    """
    seen = ancestors(folder)
    waiting = [str(folder)]
    while waiting:
        parent = waiting.pop()
        try:
            files, folders, links = _listed(parent)
        except OSError as error:
            if strict or parent == str(folder):
                raise
            yield parent, f'cannot be read: {error.strerror}'
            continue
        for name in sorted(files):
            yield os.path.join(parent, name), ''  # noqa: PTH118 - a Path takes longer than listing the file
        seen.update(filter(None, map(identity, folders)))
        followed = list(folders)
        for link in sorted(links):
            place = identity(link)
            if place in seen:
                yield link, LINKED_BEFORE
            else:
                seen.add(place)
                followed.append(link)
        waiting.extend(sorted(followed, reverse=True))


def no_picture(path: str) -> str:
    """The reason why a file found in a folder is not a picture; '' for a picture, and for a file that is
    named like one or cannot be opened, as reading it later reports the error."""
    if named_like_picture(path):
        return ''
    try:
        check_file(path)
    except NotAPicture as fault:
        return str(fault)
    except (BadImage, OSError):
        return ''
    return ''


def pictures_below(folder: Path | str) -> tuple[list[str], list[tuple[str, str]]]:
    """The paths of the pictures below a folder, and (path, reason) for each file that was left out.

    A file that is named like a picture is listed unopened. Raises OSError when the folder cannot be read.
    """
    pictures, left_out = [], []
    for path, fault in walk(folder, strict=False):
        if fault := fault or no_picture(path):
            left_out.append((path, fault))
        else:
            pictures.append(path)
    return pictures, left_out


def folders_in(folder: Path | str) -> tuple[list[str], list[str]]:
    """The names of the subfolders of a folder, linked ones included, and of links that lead back to one of
    its parents; both sorted. Raises OSError."""
    names, back, above = [], [], ancestors(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if not ignored(entry.name) and _is_folder(entry):
                looped = _is_link(entry) and identity(entry.path) in above
                (back if looped else names).append(entry.name)
    return sorted(names), sorted(back)


def files_in(folder: Path | str) -> list[str]:
    """The names of the files in a folder, sorted. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not ignored(entry.name) and not _is_folder(entry))


def ancestors(folder: Path | str) -> set[tuple[int, int]]:
    """The identities of a folder and its parents, with links resolved and unresolved."""
    spelled = Path(os.path.abspath(folder))  # noqa: PTH100  (resolve() would follow the links)
    real = Path(os.path.realpath(folder))
    places = {identity(place) for path in (spelled, real) for place in (path, *path.parents)}
    return {place for place in places if place}


def identity(folder: Path | str) -> tuple[int, int] | None:
    """Device and inode, which all paths of a folder share; None when it is missing."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listed(parent: str) -> tuple[list[str], list[str], list[str]]:
    """Names of the files (and of folders that are named like pictures), paths of the folders, paths of links
    to folders."""
    files, folders, links = [], [], []
    with os.scandir(parent) as entries:
        for entry in entries:
            if ignored(entry.name):
                continue
            if not _is_folder(entry) or named_like_picture(entry.name):
                files.append(entry.name)
            else:
                (links if _is_link(entry) else folders).append(entry.path)
    return files, folders, links


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_link(folder: os.DirEntry) -> bool:
    """Whether it is a symbolic link or a Windows junction (`is_junction` exists from Python 3.12 on)."""
    return folder.is_symlink() or (hasattr(folder, 'is_junction') and folder.is_junction())


def _require_regular(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(mode)), 'something else')
        raise NotAPicture(f'{kind}, not a file')
