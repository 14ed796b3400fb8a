"""Unpack untrusted tar archives, compressed or not.

The archive is read to its end and all members are checked before the first is written: gzip, bzip2 and xz
keep checksums behind the data, where tarfile does not look. Members outside of the folder, devices, pipes,
and more bytes than the disk has free are refused. Owners and permissions (such as setuid) are not applied.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.files import human_size
from src.common.progress import progress

# Raised by tarfile and its decompressors for damaged archives.
DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
CHUNK = 1 << 20
# On Windows `a:b` is a stream of the file `a`, and the other characters are not allowed.
NOT_IN_NAMES = '<>:"|?*' if os.name == 'nt' else ''


def extract(archive: Path, folder: Path) -> list[str]:
    """Unpack `archive` into `folder`, merging with its content; returns the names at the top level.

    Everything is written to a hidden folder first and moved when complete. Raises UserError if a member is
    refused, the archive is damaged or the disk is full.
    """
    staging = folder / f'.{archive.name}.unpacking'
    try:
        with _reading(archive, 'delete it, then repeat', f'cannot unpack into {paths.shown(folder)}'):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(staging, ignore_errors=True)
            with tarfile.open(archive) as opened:
                members = _checked(archive, opened, staging, shutil.disk_usage(folder).free)
                with progress(sum(map(_size, members)), f'unpacking {archive.name}', 'B') as bar:
                    for member in members:
                        _write(opened, member, staging)
                        bar.update(_size(member))
            names = sorted(path.name for path in staging.iterdir())
            _merge(staging, folder)
            return names
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check(archive: Path, remedy: str) -> None:
    """Raise UserError, with `remedy` at its end, if an archive is damaged or a member is refused."""
    otherwise = f'cannot read {paths.shown(archive)}'
    with _reading(archive, remedy, otherwise), tarfile.open(archive) as opened:
        _checked(archive, opened, archive.parent / '.unpacking', free=sys.maxsize)


@contextlib.contextmanager
def _reading(archive: Path, remedy: str, otherwise: str) -> Iterator[None]:
    """Turns errors of the body into UserErrors: of the archive, or else of the disk, as `otherwise` says."""
    try:
        yield
    except (*DAMAGED, OSError) as error:
        if isinstance(error, DAMAGED) or not error.errno:  # a bad gzip header is an OSError without errno
            why = first_line(error).rstrip(':')
            raise UserError(f'{paths.shown(archive)} is damaged ({why}): {remedy}') from error
        raise UserError(f'{otherwise}: {error.strerror}') from error


def _size(member: tarfile.TarInfo) -> int:
    return member.size if member.isfile() else 0


def _checked(archive: Path, opened: tarfile.TarFile, staging: Path, free: int) -> list[tarfile.TarInfo]:
    """All members. Raises UserError if one is refused, or if they need more than `free` bytes.

    Raises one of DAMAGED, or an OSError, if the archive is damaged.
    """
    members: list[tarfile.TarInfo] = []
    files: set[PurePosixPath] = set()
    total = 0
    for member in opened:
        if fault := _fault(member, files) or _filter_fault(member, staging):
            raise UserError(
                f'{paths.shown(archive)} is refused and nothing was written: {member.name!r} {fault}'
            )
        total += _size(member)
        _require_space(archive, total, free)
        if member.isfile():
            files.add(PurePosixPath(member.name))
        members.append(member)
    for block in _rest(opened):
        total += len(block)
        _require_space(archive, total, free)
    if not members:
        raise tarfile.ReadError('it is empty')
    return members


def _rest(opened: tarfile.TarFile) -> Iterator[bytes]:
    """The blocks behind the last member; at their end the decompressors verify their checksums.

    tarfile takes a damaged header for the end of the archive. Raises ReadError if it did.
    """
    opened.fileobj.seek(opened.offset)
    first = opened.fileobj.read(tarfile.BLOCKSIZE)
    if first.strip(b'\0'):
        raise tarfile.ReadError('a damaged header')
    while block := opened.fileobj.read(CHUNK):
        yield block


def _require_space(archive: Path, total: int, free: int) -> None:
    if total > free:
        raise UserError(
            f'{paths.shown(archive)} unpacks to more than the free {human_size(free)}: free some space'
        )


def _fault(member: tarfile.TarInfo, files: set[PurePosixPath]) -> str:
    """Why a member is refused, or ''; `files` are the files before it in the archive."""
    if not (member.isdir() or member.isfile() or member.issym() or member.islnk()):
        return 'is a device, a pipe or another special file'
    if leaves(member.name):
        return 'leads out of the folder'
    if set(NOT_IN_NAMES) & set(member.name):
        return f'has a character that file names of this system cannot have ({NOT_IN_NAMES})'
    # Links that only lead downwards cannot leave the folder, even in chains.
    if member.issym() and leaves(member.linkname):
        return f'links to {member.linkname!r}, which may lie outside'
    if member.islnk() and PurePosixPath(member.linkname) not in files:
        return f'links to {member.linkname!r}, which is not an earlier file of the archive'
    return ''


def _filter_fault(member: tarfile.TarInfo, staging: Path) -> str:
    """Why Python's own filter refuses a member, or ''; early releases of 3.10 have no filter."""
    if not hasattr(tarfile, 'data_filter'):
        return ''
    try:
        tarfile.data_filter(member, str(staging))
    except tarfile.FilterError as error:
        return f'is unsafe ({error})'
    return ''


def leaves(name: str) -> bool:
    """Whether a path is absolute or goes upwards, by the rules of Unix or Windows."""
    unified = name.replace('\\', '/')
    return unified.startswith('/') or unified[1:2] == ':' or '..' in unified.split('/') or '\0' in name


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> None:
    path = staging / member.name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of two members with one name the later counts
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        path.hardlink_to(staging / member.linkname)
    else:
        with opened.extractfile(member) as source, path.open('xb') as out:
            shutil.copyfileobj(source, out, CHUNK)


def _merge(source: Path, target: Path) -> None:
    """Move the content of `source` to the folder `target`: folders are merged, files replaced."""
    for path in source.iterdir():
        goal = target / path.name
        if goal.is_dir() and path.is_dir() and not path.is_symlink():
            _merge(path, goal)
        else:
            path.replace(goal)
