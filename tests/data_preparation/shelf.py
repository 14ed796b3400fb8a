"""shelf://, an object store for tests: names with slashes, no folders, and renaming replaces no object.

Beam finds it by its scheme, like gs:// and s3://.
"""

from __future__ import annotations

from pathlib import Path

from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = 'shelf'


def disk(url: str) -> str:
    """The path of an object: /path for shelf://path."""
    return '/' + url.removeprefix(SCHEME + '://').lstrip('/')


def url_of(path: Path) -> str:
    return f'{SCHEME}://{str(path).lstrip("/")}'


class Shelf(LocalFileSystem):
    @classmethod
    def scheme(cls) -> str:
        return SCHEME

    def has_dirs(self) -> bool:
        return False

    def join(self, basepath, *paths):
        return '/'.join([basepath.rstrip('/'), *paths])

    def _list(self, prefix):
        top = Path(disk(prefix.rpartition('/')[0]))
        return [self.metadata(url_of(path)) for path in top.rglob('*') if path.is_file()]

    def metadata(self, path):
        return FileMetadata(path, Path(disk(path)).stat().st_size)

    def mkdirs(self, path):
        raise BeamIOError('an object store has no folders')

    def _path_open(self, path, *args, **kwargs):
        return super()._path_open(disk(path), *args, **kwargs)

    def create(self, path, *args, **kwargs):
        Path(disk(path)).parent.mkdir(parents=True, exist_ok=True)
        return self._path_open(path, 'wb', *args, **kwargs)

    def rename(self, sources, destinations):
        if taken := [url for url in destinations if self.exists(url)]:
            raise BeamIOError(f'{taken[0]} is there already')
        super().rename(list(map(disk, sources)), list(map(disk, destinations)))

    def exists(self, path):
        return Path(disk(path)).is_file()

    def delete(self, paths):
        for path in paths:
            Path(disk(path)).unlink()
