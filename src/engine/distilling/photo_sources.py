"""Encoded pictures of folders, archives and records, one at a time. Archives are read without unpacking."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from src.common import paths
from src.common.errors import UserError, first_line
from src.downloads import archives, zips
from src.images.faults import BadImage, without_traceback
from src.images.files import ignored, named_like_picture, pictures_below, read_if_picture, read_picture
from src.records import dataset
from src.records.dataset import open_records
from src.records.manifest import ALL_SPLITS

Picture = tuple[str, 'bytes | BadImage']  # its name within the source, and its bytes


@dataclass(frozen=True)
class PhotoSource:
    """A folder, a tar or zip archive, or the records of a data set (then `place` is their name)."""

    place: str
    kind: str  # 'folder', 'tar', 'zip' or 'records'

    @property
    def signature(self) -> str:
        """A hash that changes when the source does: of names, sizes and times, without reading the photos."""
        return hashlib.sha256(json.dumps(self._facts()).encode('utf-8', 'surrogateescape')).hexdigest()[:16]

    def _facts(self) -> list:
        if self.kind == 'records':
            return [self.kind, open_records(self.place).manifest['fingerprint']]
        path = Path(self.place).resolve()
        files = _pictures_below(path) if self.kind == 'folder' else [str(path)]
        return [self.kind, str(path), [(file, *_size_and_time(file)) for file in files]]

    def pictures(self) -> Iterator[Picture]:
        """Each picture, or the BadImage in its place, in a fixed order. Other files are left out. Raises
        UserError for a damaged archive or record, and for a folder that cannot be read."""
        read = {'folder': _in_folder, 'tar': _in_tar, 'zip': _in_zip, 'records': _in_records}[self.kind]
        return read(self.place)


def source_of(word: str) -> PhotoSource:
    """What a word of the command line names. Raises UserError when it is none of them."""
    path = Path(word)
    if word and path.is_dir():  # the path of '' is the working folder
        return PhotoSource(word, 'folder')
    if path.is_file():
        with contextlib.suppress(OSError):
            if tarfile.is_tarfile(path):
                return PhotoSource(word, 'tar')
            if zipfile.is_zipfile(path):
                return PhotoSource(word, 'zip')
        raise UserError(f'{paths.shown(path)} is neither a folder nor a tar or zip archive of photos')
    if word and not {'/', '\\'} & set(word) and paths.manifest(word).exists():
        open_records(word)  # raises for unfinished records
        return PhotoSource(word, 'records')
    raise UserError(f'there is no folder, archive or data set {word or repr(word)}')


def _size_and_time(file: str) -> tuple[int, int]:
    """0 and 0 for a file that is missing, such as the target of a link: reading it gives the reason."""
    try:
        found = Path(file).stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _pictures_below(folder: Path | str) -> list[str]:
    try:
        return pictures_below(folder)[0]
    except OSError as error:
        raise UserError(f'cannot read the folder {paths.shown(folder)}: {error.strerror}') from error


def _in_folder(place: str) -> Iterator[Picture]:
    for file in _pictures_below(place):
        yield Path(file).relative_to(place).as_posix(), _read(lambda file=file: read_picture(file))


def _in_tar(place: str) -> Iterator[Picture]:
    # To its end first, where the checksum is.
    archives.check(Path(place), 'download it again')
    with tarfile.open(place) as opened:
        for member in opened:
            if member.isfile() and _wanted(member.name):
                yield member.name, _read(lambda member=member: _read_all(opened.extractfile(member)))


def _in_zip(place: str) -> Iterator[Picture]:
    try:
        with zipfile.ZipFile(place) as opened:
            for info in opened.infolist():
                name = info.filename.replace('\\', '/')
                if info.is_dir() or not _wanted(name):
                    continue
                if info.flag_bits & zips.ENCRYPTED:
                    yield name, BadImage('is encrypted')
                else:
                    yield name, _read(lambda info=info: _read_all(opened.open(info)))
    except zips.DAMAGED as error:
        raise UserError(
            f'{paths.shown(place)} is damaged ({first_line(error)}): download it again'
        ) from error


def _in_records(name: str) -> Iterator[Picture]:
    records = open_records(name)
    for split in ALL_SPLITS:
        if records.counts.get(split):
            yield from dataset.pictures(records, split)


def _wanted(name: str) -> bool:
    return named_like_picture(name) and not any(map(ignored, PurePosixPath(name).parts))


def _read_all(stream: BinaryIO) -> bytes:
    with stream:
        return read_if_picture(stream)


def _read(read) -> bytes | BadImage:
    try:
        return read()
    except BadImage as fault:
        return without_traceback(fault)
    except OSError as error:
        return BadImage(f'cannot be read: {error.strerror}')
