"""A folder of links to files elsewhere, made and updated.

The folder keeps a list of what was made in it (`LIST`): only that is ever replaced or removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.common.progress import progress

LIST = '.rootstock_links.json'
SYMBOLIC, HARD, COPY = KINDS = ('symbolic link', 'hard link', 'copy')
# Errors of systems and file systems that refuse links. Others, such as a full disk, end the command.
_REFUSALS = {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.ENOSYS} | {
    getattr(errno, name) for name in ('ENOTSUP', 'EOPNOTSUPP') if hasattr(errno, name)
}
_NO_PRIVILEGE = 1314  # of Windows: ERROR_PRIVILEGE_NOT_HELD


def update(out: Path, wanted: Mapping[str, Path], folders: Collection[str]) -> Counter[str]:
    """Make `out` hold these links and folders (paths in it, with '/'), and none that were made earlier.

    A link is symbolic, or hard where the system refuses that, or else a copy. Returns how many of each kind
    there are. Raises UserError, before anything is changed, if something else is in the place of a link or of
    a folder; and if the folder cannot be written. An interrupted run is continued by the next one.
    """
    made, folders_made = _earlier(out)
    _require_room(out, wanted, folders, made)
    listed = {path: _facts(target) for path, target in wanted.items()}
    with files.writing(out):
        for path, facts in made.items():
            if path not in wanted or not _kind_of(out / path, wanted[path], listed[path]):
                _remove(out / path, facts)
    known = {*folders_made, *folders}
    # Before anything is made: what an interrupted run made is in the list.
    files.write_json(out / LIST, {'links': listed, 'folders': sorted(known)})
    kinds: Counter[str] = Counter()
    with files.writing(out), progress(len(wanted), 'linking', 'photos') as bar:
        for folder in folders:
            (out / folder).mkdir(parents=True, exist_ok=True)
        kind = SYMBOLIC
        for path, target in wanted.items():
            there = _kind_of(out / path, target, listed[path])
            kind = there or _link(out / path, target, kind)
            kinds[kind] += 1
            bar.update()
    for folder in sorted(known - set(folders), reverse=True):
        with contextlib.suppress(OSError):  # not empty: something else is in it
            (out / folder).rmdir()
    files.write_json(out / LIST, {'links': listed, 'folders': sorted(folders)})
    return kinds


def _earlier(out: Path) -> tuple[dict[str, list[Any]], list[str]]:
    """The links with their facts, and the folders, that the list names inside of `out`. Anybody may have
    changed it: what is not as it was written is left out."""
    listed = files.read_notes(out / LIST)
    links, folders = listed.get('links'), listed.get('folders')
    links = links.items() if isinstance(links, dict) else ()
    folders = folders if isinstance(folders, list) else []
    return (
        {path: facts for path, facts in links if _inside(path) and _are_facts(facts)},
        [path for path in folders if isinstance(path, str) and _inside(path)],
    )


def _are_facts(facts: Any) -> bool:
    return isinstance(facts, list) and [type(one) for one in facts] == [str, int, int]


def _require_room(
    out: Path, wanted: Mapping[str, Path], folders: Iterable[str], made: Mapping[str, list]
) -> None:
    """Raise UserError if something is in the way. A link in the place of a folder is: what it leads to is
    outside of `out`."""
    parents = {str(parent) for path in (*wanted, *made) for parent in PurePosixPath(path).parents}
    for folder in sorted({*folders, *parents}):
        place = out / folder
        if folder != '.' and (place.is_symlink() or (place.exists() and not place.is_dir())):
            raise UserError(
                f'{paths.shown(place)} is not a folder made here: move it, or choose another --out'
            )
    for path in wanted:
        place = out / path
        if os.path.lexists(place) and not (path in made and _is_ours(place, made[path])):
            raise UserError(
                f'{paths.shown(place)} is there already and was not made here: move it, or choose another '
                '--out'
            )


def _inside(path: str) -> bool:
    """Whether a path of the list stays in the folder."""
    native = Path(path)
    return not native.anchor and '..' not in native.parts


def _facts(target: Path) -> list[Any]:
    """Path, size in bytes and time of change of a file, by which its links and copies are recognized."""
    found = target.stat()
    return [str(target), found.st_size, found.st_mtime_ns]


def _is_ours(place: Path, facts: list[Any]) -> bool:
    """Whether a file is what was made there for a target with these facts."""
    try:
        if place.is_symlink():
            return os.readlink(place) == facts[0]  # noqa: PTH115 (Path.readlink adds a prefix on Windows)
        found = place.stat()
    except OSError:
        return False
    if [found.st_size, found.st_mtime_ns] == facts[1:]:
        return place.is_file()
    with contextlib.suppress(OSError):
        return place.samefile(facts[0])  # a hard link to a file that was changed
    return False


def _kind_of(place: Path, target: Path, facts: list[Any]) -> str:
    """The kind of the link to `target` that is there already, '' if it is missing or another one."""
    if not _is_ours(place, facts):
        return ''
    if place.is_symlink():
        return SYMBOLIC
    return HARD if place.samefile(target) else COPY


def _remove(place: Path, facts: list[Any]) -> None:
    if _is_ours(place, facts):
        place.unlink()


def _link(place: Path, target: Path, kind: str) -> str:
    """Make a link of the kind, or of the next one that the system allows. Returns its kind."""
    ways: dict[str, Callable[[Path, Path], Any]] = {SYMBOLIC: os.symlink, HARD: os.link, COPY: _copy}
    for way in KINDS[KINDS.index(kind) :]:
        try:
            ways[way](target, place)
            return way
        except (OSError, NotImplementedError) as error:
            if way == COPY or not _refused(error):
                raise
    raise AssertionError('a copy is made or raises')


def _refused(error: Exception) -> bool:
    number = getattr(error, 'errno', None)
    return (
        isinstance(error, NotImplementedError)
        or number in _REFUSALS
        or (getattr(error, 'winerror', None) == _NO_PRIVILEGE)
    )


def _copy(target: Path, place: Path) -> None:
    with files.atomic_path(place) as part:
        shutil.copy2(target, part)
