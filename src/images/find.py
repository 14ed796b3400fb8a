"""Find the pictures that paths, folders and globs name.

pictures, left_out = find_pictures(['my_dog.jpg', 'photos', 'more/**/*.png'])
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.common.errors import UserError
from src.images.files import ignored, no_picture, pictures_below

Found = tuple[list[str], list[tuple[str, str]]]  # paths of pictures; (path, reason) of files left out


def find_pictures(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The files that paths, folders and globs name, in the order given and deduplicated; and, by path, the
    reason for each file that a folder holds or a glob matches and that is not a picture.

    A file that is named directly is always taken, and so is a name that does not exist: reading it reports
    the error.
    """
    pictures: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            found, others = _found(name)
        except OSError as error:  # a folder that may not be read, a name too long
            found, others = [], [(name, f'cannot be read: {error.strerror}')] if _is_folder(name) else []
        pictures.update(dict.fromkeys(found or [name]))
        left_out.update(others)
    return list(pictures), left_out


def _found(name: str) -> Found:
    if not name or not (Path(name).exists() or glob.has_magic(name)):
        return [name], []
    if Path(name).exists():
        return _below(name) if Path(name).is_dir() else ([name], [])
    pictures, left_out = _matching_deep(name) if '**' in Path(name).parts else _matching(name)
    # A glob that matches no picture names these files on purpose.
    return (pictures, left_out) if pictures else ([path for path, _ in left_out], [])


def _below(folder: str) -> Found:
    pictures, left_out = pictures_below(folder)
    return sorted(pictures, key=lambda path: Path(path).parts), left_out


def _matching(pattern: str) -> Found:
    pictures, left_out = [], []
    for path in sorted(glob.glob(pattern)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        # Hidden files match only if the pattern begins with a dot, so they are wanted.
        if any(ignored(part) and not part.startswith('.') for part in Path(path).parts):
            continue
        if _is_folder(path):
            found, others = _below(path)
        else:
            reason = no_picture(path)
            found, others = ([], [(path, reason)]) if reason else ([path], [])
        pictures += found
        left_out += others
    return pictures, left_out


def _matching_deep(pattern: str) -> Found:
    """The matches of a pattern with `**`; the glob module would follow links in circles."""
    parts = Path(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    if not base.is_dir():
        return [], []
    pictures, left_out = _below(str(base))

    def wanted(path: str) -> bool:
        inside = Path(path).relative_to(base).parts
        return any(_matches(inside[:end], parts[fixed:]) for end in range(1, len(inside) + 1))

    return [path for path in pictures if wanted(path)], [pair for pair in left_out if wanted(pair[0])]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == '**':
        return any(_matches(parts[place:], pattern[1:]) for place in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:
        return False


def by_id(pictures: Iterable[str], where: str) -> dict[str, str]:
    """The paths of pictures in the folder `where` by id, the file name without its ending. Raises UserError
    when two pictures have the same id."""
    photos: dict[str, str] = {}
    for path in pictures:
        id_ = Path(path).stem
        if (earlier := photos.setdefault(id_, path)) != path:
            names = ' and '.join(os.path.relpath(file, where) for file in (earlier, path))
            raise UserError(f'{where} holds two photos with the id {id_}, {names}: rename or remove one')
    return photos
