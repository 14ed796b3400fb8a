"""Files that Apache Beam reads and writes: on local disks, gs://, s3://, hdfs:// and so on.

Local files go through the functions of the local conversion.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from src.common import files
from src.common.errors import UserError
from src.common.paths import MANIFEST
from src.data_preparation.conversion import job as jobs
from src.images.faults import START_BYTES, BadImage, check_start
from src.images.files import read_if_picture
from src.records.manifest import REMEDY, BegunManifest


@dataclass(frozen=True)
class Remote:
    """A file or folder with a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(FileSystems.join(self.url, name))

    def read_bytes(self) -> bytes:
        """The bytes of a picture. Raises BadImage and OSError, as `read_picture` does."""
        return self._read(read_if_picture)

    def is_picture(self) -> bool:
        """Whether the first bytes are those of a picture."""
        try:
            self._read(lambda stream: check_start(stream.read(START_BYTES)))
        except (BadImage, OSError):
            return False
        return True

    def _read(self, reading: Callable[[BinaryIO], Any]) -> Any:
        try:
            with _opened(self.url) as stream:
                return reading(stream)
        except BadImage:
            raise
        except Exception as error:  # each file system has its own exceptions
            raise OSError(0, _reason(error)) from error

    def names_below(self) -> list[str]:
        """The paths of all files below this folder, relative to it, sorted. Raises UserError."""
        names, folders = [], ['']
        try:
            for folder in folders:
                for found in _matching(self / f'{folder}**'):
                    name = found.path[len(self.url.rstrip('/')) + 1 :]
                    if name.endswith('/'):  # a placeholder that a cloud console made for an empty folder
                        continue
                    if _is_folder(found):
                        folders.append(name + '/')
                    else:
                        names.append(name)
        except Exception as error:
            raise UserError(f'cannot read the folder {self}: {_reason(error)}') from error
        return sorted(names)


def place(text: str | Path) -> Path | Remote:
    """The file or folder that a user names. A URL may have been a Path, which removes one of its slashes."""
    text = text.as_posix() if isinstance(text, Path) else text
    remote = re.fullmatch(r'([a-zA-Z][a-zA-Z0-9+.-]+):/{1,2}(.*)', text)
    return Remote(f'{remote[1]}://{remote[2]}') if remote else Path(text)


@contextlib.contextmanager
def local_copy(file: Path | Remote) -> Iterator[Path]:
    """A local path for a file: its own, or that of a copy while the body runs. Raises UserError."""
    if isinstance(file, Path):
        yield file
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, file.url.rpartition('/')[2])
        try:
            with _opened(file.url) as stream, copy.open('wb') as out:
                shutil.copyfileobj(stream, out, 1 << 20)
        except Exception as error:
            raise UserError(f'cannot read {file}: {_reason(error)}') from error
        yield copy


@dataclass(frozen=True)
class RecordsFolder:
    """A folder of records, local or remote. Its files are complete or missing, never half-written."""

    place: Path | Remote

    def exists(self, name: str) -> bool:
        file = self.place / name
        return file.exists() if isinstance(file, Path) else FileSystems.exists(file.url)

    def read_json(self, name: str, kind: Any = dict, remedy: str = REMEDY) -> Any:
        with local_copy(self.place / name) as path:
            return files.read_json(path, kind, remedy)

    def sha256(self, name: str) -> str | None:
        """Of a file; None when it is missing."""
        if not self.exists(name):
            return None
        with local_copy(self.place / name) as path:
            return files.sha256(path)

    def write(self, name: str, data: bytes) -> None:
        with self.writing(name) as path:
            path.write_bytes(data)
            files.flush_to_disk(path)

    def write_json(self, name: str, value: Any) -> None:
        with self.writing(name) as path:
            files.write_json(path, value)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A local file to write to. It becomes `name` in the folder if the body raises nothing."""
        file = self.place / name
        if isinstance(file, Path):
            with files.atomic_path(file) as part:
                yield part
            return
        with tempfile.TemporaryDirectory() as scratch:
            part = Path(scratch, 'part')
            yield part
            try:
                _upload(part, file)
            except Exception as error:
                raise UserError(f'cannot write {file}: {_reason(error)}') from error

    def claim(self, manifest: dict, overwrite: bool) -> None:
        """As `job.claim` does."""
        if isinstance(self.place, Path):
            jobs.claim(self.place, manifest, overwrite)
        elif self.exists(MANIFEST) and not overwrite:
            jobs.require_same(self.read_json(MANIFEST, BegunManifest), manifest, self.place)
            self._delete('.*.tmp')
            self._delete('notes/.*.tmp')
        else:
            self._delete('**')
            self.write_json(MANIFEST, manifest)

    def _delete(self, pattern: str) -> None:
        with contextlib.suppress(BeamIOError):  # hdfs:// cannot list a missing folder
            if found := [file.path for file in _matching(self.place / pattern)]:
                FileSystems.delete(found)


def _upload(path: Path, file: Remote) -> None:
    folder, _, name = file.url.rpartition('/')
    part = f'{folder}/.{name}.{uuid.uuid4().hex}.tmp'
    with contextlib.suppress(BeamIOError):  # it exists, or the file system has no folders
        FileSystems.mkdirs(folder)
    with path.open('rb') as stream, FileSystems.create(part, compression_type=_PLAIN) as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    if FileSystems.exists(file.url):  # where renaming does not replace
        FileSystems.delete([file.url])
    FileSystems.rename([part], [file.url])


_PLAIN = CompressionTypes.UNCOMPRESSED  # Beam would decompress names that end with .gz


def _opened(url: str):
    return FileSystems.open(url, compression_type=_PLAIN)


def _matching(pattern: Remote) -> list:
    return FileSystems.match([pattern.url])[0].metadata_list


def _is_folder(found) -> bool:
    """Whether a match is a folder that is not empty. Object stores list all files below a prefix, and no
    folders; other file systems (hdfs://) list one level, with folders of size 0."""
    if found.size_in_bytes or not FileSystems.get_filesystem(found.path).has_dirs():
        return False
    try:
        return bool(FileSystems.match([found.path.rstrip('/') + '/*'], limits=[1])[0].metadata_list)
    except BeamIOError:
        return False


def _reason(error: Exception) -> str:
    """The text of a file system's error, which Beam keeps in `exception_details` for each file."""
    details = getattr(error, 'exception_details', None)
    inner = next(iter(details.values())) if isinstance(details, dict) and details else error
    return getattr(inner, 'strerror', None) or str(inner) or type(inner).__name__
