"""Unpack untrusted zip archives, by the rules of archives.py.

All members are checked, and read to their ends so that their checksums are verified, before the first is
written. Links, encrypted members, members outside of the folder
and more bytes than the disk has free are refused. Each file gets its name when it is complete; files that are
there already with the right size and checksum stay. So a stopped run goes on, and a damaged file is replaced.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from src.common import files, paths
from src.common.errors import UserError, first_line
from src.common.files import human_size
from src.common.progress import progress
from src.downloads.archives import CHUNK, NOT_IN_NAMES, leaves

# Raised by zipfile and its decompressors for damaged archives, and for compressions that they lack.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(NotImplementedError, ValueError),
)
ENCRYPTED = 1  # bit of a member's flags


class Content(NamedTuple):
    """The paths of the files and of the empty and other folders that an archive lists, relative, with '/'."""

    files: list[str]
    folders: list[str]


def unpack(archive: Path, folder: Path) -> Content:
    """Unpack `archive` into `folder`, merging with its content.

    Raises UserError if the file is no zip archive, is damaged, a member is refused or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(archive, opened)
            folders = sorted({_path(info) for info in opened.infolist() if info.is_dir()})
            _write_missing(archive, opened, members, folder)
            return Content(sorted(members), folders)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, DAMAGED) or not error.errno:  # bz2 raises OSErrors without errno
            why = f'no zip archive or damaged ({first_line(error)})'
            raise UserError(f'{paths.shown(archive)} is {why}: download it again') from error
        raise UserError(f'cannot read {paths.shown(archive)}: {error.strerror}') from error


def _path(info: zipfile.ZipInfo) -> str:
    return PurePosixPath(info.filename.replace('\\', '/')).as_posix()


def _checked(archive: Path, opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files by their paths; of two with one path the later counts. Raises UserError if a member is
    refused."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in opened.infolist():
        if fault := _fault(info):
            raise UserError(
                f'{paths.shown(archive)} is refused and nothing was written: {info.filename!r} {fault}'
            )
        if not info.is_dir():
            members[_path(info)] = info
    if not members:
        raise UserError(f'{paths.shown(archive)} holds no files')
    return members


def _fault(info: zipfile.ZipInfo) -> str:
    """Why a member is refused, or ''."""
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 in archives made on Windows
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return 'is a link or a special file'
    if leaves(info.filename):
        return 'leads out of the folder'
    if set(NOT_IN_NAMES) & set(info.filename):
        return f'has a character that file names of this system cannot have ({NOT_IN_NAMES})'
    return 'is encrypted' if info.flag_bits & ENCRYPTED else ''


def _write_missing(
    archive: Path, opened: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path
) -> None:
    missing = {path: info for path, info in members.items() if not _same(folder / path, info)}
    if not missing:
        return
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.rglob('.*.[0-9]*.tmp'):  # of a run that was killed
            leftover.unlink(missing_ok=True)
    total = sum(info.file_size for info in missing.values())
    if total > (free := shutil.disk_usage(folder).free):
        raise UserError(
            f'{paths.shown(archive)} unpacks to more than the free {human_size(free)}: free some space'
        )
    _verify(archive, opened, missing.values(), total)
    with progress(total, f'unpacking {archive.name}', 'B') as bar:
        for path, info in missing.items():
            # At most as many bytes as it declares: zipfile reads no further.
            with (
                opened.open(info) as source,
                files.atomic_path(folder / path) as part,
                part.open('wb') as out,
            ):
                shutil.copyfileobj(source, out, CHUNK)
            bar.update(info.file_size)


def _verify(archive: Path, opened: zipfile.ZipFile, members: Iterable[zipfile.ZipInfo], total: int) -> None:
    """Read members to their ends, where zipfile compares their checksums. Raises one of DAMAGED."""
    with progress(total, f'checking {archive.name}', 'B') as bar:
        for info in members:
            with opened.open(info) as source:
                while block := source.read(CHUNK):
                    bar.update(len(block))


def _same(path: Path, info: zipfile.ZipInfo) -> bool:
    """Whether a member was unpacked already."""
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    checksum = 0
    with path.open('rb') as stream:
        while block := stream.read(CHUNK):
            checksum = zlib.crc32(block, checksum)
    return checksum == info.CRC
