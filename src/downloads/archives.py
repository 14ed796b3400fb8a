"""Unpack tar (also compressed) and zip archives without trusting them.

Every member is looked at before the first is written. Refused are members that would leave the
folder, devices and pipes, and more bytes than the disk has room for. Owners and permissions that an
archive asks for (setuid among them) are not applied.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from src.common import paths
from src.common.errors import UserError
from src.common.files import human_size
from src.common.progress import progress

# What tarfile, zipfile and their decompressors raise on bytes that are not what they should be.
# (RuntimeError is how zipfile says that a password or another compression is needed.)
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
CHUNK = 1 << 20
# To Windows `a:b` is a stream of the file `a`, and the others are no names at all.
NOT_IN_NAMES = '<>:"|?*' if os.name == 'nt' else ''


@dataclass(frozen=True)
class Member:
    name: str
    kind: str  # file, folder, link (symbolic), same (hard link), other
    size: int = 0
    target: str = ''  # of a link: seen from its folder; of a hard link: seen from the archive's root
    open: Callable[[], IO[bytes]] | None = None
    fault: str = ''  # what Python's own rules hold against it


def extract(archive: Path, folder: Path) -> list[str]:
    """Unpack `archive` into `folder`, merging with what lies there; returns the names at its top level.

    All is written to a hidden folder first and moved when complete. Raises UserError naming the
    member that is refused, or when the archive is damaged or the disk too small.
    """
    staging = folder / f'.{archive.name}.unpacking'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        with _members(archive, staging) as members:
            checked = _check(archive, members, shutil.disk_usage(folder).free)
            with progress(sum(m.size for m in checked), f'unpacking {archive.name}', 'B') as bar:
                for member in checked:
                    _write(member, staging)
                    bar.update(member.size)
        names = sorted(path.name for path in staging.iterdir())
        _merge(staging, folder)
        return names
    except (*DAMAGED, OSError) as error:
        if isinstance(error, DAMAGED) or not error.errno:  # a bad gzip header is an OSError without number
            why = str(error).partition('\n')[0].rstrip(':')
            raise UserError(f'{paths.shown(archive)} is damaged ({why}): delete it, then repeat') from error
        raise UserError(f'cannot unpack into {paths.shown(folder)}: {error.strerror}') from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _members(archive: Path, staging: Path) -> Iterator[Iterator[Member]]:
    """What an archive holds; a member's `open` works inside the context."""
    with archive.open('rb') as stream:
        is_zip = stream.read(2) == b'PK'
    if is_zip:
        with zipfile.ZipFile(archive) as opened:
            yield (_zip_member(opened, info) for info in opened.infolist())
    else:
        with tarfile.open(archive) as opened:
            yield (_tar_member(opened, info, staging) for info in opened)


def _tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo, staging: Path) -> Member:
    fault = _tarfile_says(info, staging)
    if info.isdir():
        return Member(info.name, 'folder', fault=fault)
    if info.issym() or info.islnk():
        return Member(info.name, 'link' if info.issym() else 'same', target=info.linkname, fault=fault)
    if not info.isfile():
        return Member(info.name, 'other')
    return Member(info.name, 'file', info.size, open=lambda: opened.extractfile(info), fault=fault)


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when the archive was not made on Unix
    if info.is_dir():
        return Member(info.filename, 'folder')
    if kind == stat.S_IFLNK:
        with opened.open(info) as stream:
            return Member(info.filename, 'link', target=os.fsdecode(stream.read(4096)))
    if kind not in (0, stat.S_IFREG):
        return Member(info.filename, 'other')
    return Member(info.filename, 'file', info.file_size, open=lambda: opened.open(info))


def _tarfile_says(info: tarfile.TarInfo, staging: Path) -> str:
    """What Python's own filter holds against a member; early releases of 3.10 have none."""
    if not hasattr(tarfile, 'data_filter'):
        return ''
    try:
        tarfile.data_filter(info, str(staging))
    except tarfile.FilterError as error:
        return f'is unsafe ({error})'
    return ''


def _check(archive: Path, members: Iterator[Member], room: int) -> list[Member]:
    """All members, or UserError when one of them must not be written."""
    checked: list[Member] = []
    files: set[PurePosixPath] = set()
    total = 0
    for member in members:
        if fault := _fault(member, files):
            raise UserError(
                f'{paths.shown(archive)} is refused, nothing was written: {member.name!r} {fault}'
            )
        total += member.size
        if total > room:
            raise UserError(
                f'{paths.shown(archive)} unpacks to more than the free {human_size(room)}: free some space'
            )
        if member.kind == 'file':
            files.add(PurePosixPath(member.name))
        checked.append(member)
    if not checked:
        raise UserError(f'{paths.shown(archive)} is empty: delete it, then repeat')
    return checked


def _fault(member: Member, files: set[PurePosixPath]) -> str:
    """Why a member must not be written; `files` are those before it."""
    if member.kind == 'other':
        return 'is a device, a pipe or the like'
    if _leaves(member.name):
        return 'leads out of the folder'
    if set(NOT_IN_NAMES) & set(member.name):
        return f'has a character that file names of this system cannot have ({NOT_IN_NAMES})'
    # Links that only lead downwards cannot leave the folder, however they are chained.
    if member.kind == 'link' and _leaves(member.target):
        return f'links to {member.target!r}, which may lie outside'
    if member.kind == 'same' and PurePosixPath(member.target) not in files:
        return f'links to {member.target!r}, which is no file before it in the archive'
    return member.fault


def _leaves(name: str) -> bool:
    """Whether a path is absolute or goes upwards, read as Unix or as Windows would."""
    unified = name.replace('\\', '/')
    return unified.startswith('/') or unified[1:2] == ':' or '..' in unified.split('/') or '\0' in name


def _write(member: Member, staging: Path) -> None:
    path = staging / member.name
    if member.kind == 'folder':
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a name that comes twice: the later counts
    if member.kind == 'link':
        path.symlink_to(member.target)
    elif member.kind == 'same':
        path.hardlink_to(staging / member.target)
    else:
        with member.open() as source, path.open('xb') as out:
            shutil.copyfileobj(source, out, CHUNK)


def _merge(source: Path, target: Path) -> None:
    """Move all in `source` into the folder `target`: folders merge, files replace."""
    for path in source.iterdir():
        goal = target / path.name
        if goal.is_dir() and path.is_dir() and not path.is_symlink():
            _merge(path, goal)
        else:
            path.replace(goal)
