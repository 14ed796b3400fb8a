"""Files where Apache Beam finds them: on this machine's disks, gs://, s3://, hdfs:// and so on.

What lies on a local disk is left to the modules that the local conversion uses.
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
from src.data_preparation.conversion import job as manifests
from src.data_preparation.conversion.job import MANIFEST
from src.images.faults import START_BYTES, BadImage, check_start
from src.images.files import read_if_picture


@dataclass(frozen=True)
class Remote:
    """A file or folder that is no path of this machine."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(FileSystems.join(self.url, name))

    def read_bytes(self) -> bytes:
        """The bytes of a picture. Raises BadImage and OSError, as files.read_picture does."""
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
        except Exception as error:  # each filesystem raises its own kinds
            raise OSError(0, _reason(error)) from error

    def names_below(self) -> list[str]:
        """All files below this folder, by their paths from here, sorted. Raises UserError."""
        names, folders = [], ['']
        try:
            for folder in folders:
                for found in _matching(self / f'{folder}**'):
                    name = found.path[len(self.url.rstrip('/')) + 1 :]
                    if name.endswith('/'):  # what a console keeps an empty folder open with
                        continue
                    if _is_folder(found):
                        folders.append(name + '/')
                    else:
                        names.append(name)
        except Exception as error:
            raise UserError(f'cannot read the folder {self}: {_reason(error)}') from error
        return sorted(names)


def place(text: str | Path) -> Path | Remote:
    """The file or folder that a user names. (A URL that has become a Path has lost a slash.)"""
    remote = re.fullmatch(r'([a-zA-Z][a-zA-Z0-9+.-]+):/{1,2}(.*)', str(text))
    return Remote(f'{remote[1]}://{remote[2]}') if remote else Path(text)


@contextlib.contextmanager
def local_copy(file: Path | Remote) -> Iterator[Path]:
    """A file on this machine: itself, or a copy for as long as the body runs. Raises UserError."""
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
    """A folder of records, anywhere. A file in it is whole or not there."""

    place: Path | Remote

    def exists(self, name: str) -> bool:
        file = self.place / name
        return file.exists() if isinstance(file, Path) else FileSystems.exists(file.url)

    def read_json(self, name: str) -> Any:
        with local_copy(self.place / name) as path:
            return files.read_json(path)

    def write_json(self, name: str, value: Any) -> None:
        with self.writing(name) as path:
            files.write_json(path, value)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A file on this machine to write to, which gets its name in the folder when the body ends well."""
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
        """As manifest.claim does."""
        if isinstance(self.place, Path):
            manifests.claim(self.place, manifest, overwrite)
        elif self.exists(MANIFEST) and not overwrite:
            manifests.refuse_another(self.read_json(MANIFEST), manifest, self.place)
            self._delete('.*.tmp')
            self._delete('notes/.*.tmp')
        else:
            self._delete('**')
            self.write_json(MANIFEST, manifest)

    def _delete(self, pattern: str) -> None:
        with contextlib.suppress(BeamIOError):  # hdfs:// cannot list a folder that is not there
            if found := [file.path for file in _matching(self.place / pattern)]:
                FileSystems.delete(found)


def _upload(path: Path, file: Remote) -> None:
    folder, _, name = file.url.rpartition('/')
    part = f'{folder}/.{name}.{uuid.uuid4().hex}.tmp'
    with contextlib.suppress(BeamIOError):  # it is there, or the filesystem has no folders
        FileSystems.mkdirs(folder)
    with path.open('rb') as stream, FileSystems.create(part, compression_type=_PLAIN) as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    if FileSystems.exists(file.url):  # where renaming does not replace
        FileSystems.delete([file.url])
    FileSystems.rename([part], [file.url])


_PLAIN = CompressionTypes.UNCOMPRESSED  # whatever a name ends with


def _opened(url: str):
    return FileSystems.open(url, compression_type=_PLAIN)


def _matching(pattern: Remote) -> list:
    return FileSystems.match([pattern.url])[0].metadata_list


def _is_folder(found) -> bool:
    """Whether a match is a folder with something in it. Object stores list files only, and all that are
    below; others (hdfs://) list one level, where a folder has no size."""
    if found.size_in_bytes or not FileSystems.get_filesystem(found.path).has_dirs():
        return False
    try:
        return bool(FileSystems.match([found.path.rstrip('/') + '/*'], limits=[1])[0].metadata_list)
    except BeamIOError:
        return False


def _reason(error: Exception) -> str:
    """What a filesystem complains of, which Beam keeps by file in `exception_details`."""
    details = getattr(error, 'exception_details', None)
    inner = next(iter(details.values())) if isinstance(details, dict) and details else error
    return getattr(inner, 'strerror', None) or str(inner) or type(inner).__name__
