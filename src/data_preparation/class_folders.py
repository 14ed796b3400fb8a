"""A folder of class folders on this machine's disks: its classes, its splits, and its files as samples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.data_preparation.folders import read_layout
from src.data_preparation.samples import LEARN, Sample, Unused, shown
from src.images.faults import BadImage
from src.images.files import LINKED_BEFORE, check_file, files_in, folders_in, named_like_picture, walk

BESIDE = 'beside the class folders, so it has no class'
EMPTY_CLASS = 'an empty folder, so no class'
FILES_CHECKED = 100  # at most so many files of a folder are opened to find a picture


@dataclass(frozen=True)
class ClassFolder:
    """A folder of photos of one class, with their split, or None where a hash decides it."""

    path: Path
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """The content of a data set's folder: its class folders, a sample for each file and folder that is not
    used, and the folders of its splits, each with its split."""

    folders: list[ClassFolder]
    unused: list[Sample]
    splits: dict[str, str | None]


def image_folder_samples(folder: Path, choice: str | None = None) -> list[Sample]:
    """A sample for every file below the class folders of `folder`, sorted by name, and one whose path is
    `Unused` for everything else in it. Hidden files are left out. `choice` is the value of --class-folders.

    Raises UserError when there are no class folders or no files in them, when the folder can be read in two
    ways, or when a folder cannot be read.
    """
    listing = list_folders(folder, choice)
    say_splits(listing.splits)
    samples = [s for class_folder in listing.folders for s in samples_of_class(class_folder, folder)]
    if all(isinstance(sample.path, Unused) for sample in samples):
        raise no_class_folders(folder)
    return samples + listing.unused


def list_folders(source: Path, choice: str | None = None) -> Listing:
    """The class folders of `source`. Raises UserError as `image_folder_samples` does."""
    names, loops = _folders(source)
    inside = {name: _folders(source / name) for name in names}
    splits = read_layout(
        paths.shown(source),
        {name: classes for name, (classes, _) in inside.items()},
        lambda name: _has_pictures(source / name),
        choice,
    )
    unused = _unused(source, '', loops)
    if splits is None:
        _refuse_a_wrapper(source, names, inside)
        return Listing([ClassFolder(source / name) for name in names], unused, {})
    folders = []
    for name, split in splits.items():
        classes, loops = inside[name]
        folders += [ClassFolder(source / name / inner, split) for inner in classes]
        unused += _unused(source, name, loops)
    for name in sorted(set(names) - set(splits)):
        files = sum(1 for _ in walk(source / name, strict=False))
        unused.append(unused_sample(source, name, no_classes_inside(files)))
    return Listing(folders, unused, splits)


def samples_of_class(folder: ClassFolder, base: Path) -> Iterator[Sample]:
    """A sample for every file below a class folder, or an `Unused` one for an empty folder. Ids are paths
    relative to `base`. Raises UserError when a folder cannot be read."""
    path, label = str(folder.path), folder.path.name
    begin, empty = len(path) - len(folder.path.relative_to(base).as_posix()), True
    try:
        for file, fault in walk(path):
            empty, place = False, Path(file)
            id_ = file[begin:].replace(os.sep, '/')
            yield Sample(id_, Unused(place, fault) if fault else place, label, folder.split)
    except OSError as error:
        raise _unreadable(error) from error
    if empty:
        yield Sample(path[begin:].replace(os.sep, '/'), Unused(folder.path, EMPTY_CLASS), label, folder.split)


def say_splits(splits: dict[str, str | None]) -> None:
    """Print which folder is which split, unless a hash splits all photos."""
    named = [f'{name}/ is {"train" if split == LEARN else split}' for name, split in splits.items() if split]
    if named:
        say(f'splits by folder: {", ".join(named)}')


def no_classes_inside(files: int) -> str:
    """Why a folder beside those of the splits is not used."""
    return f'no class folders in it: {count(files, "file")}'


def no_class_folders(source) -> UserError:
    """The error for a data set without class folders; `source` is a path, or a `Remote` of Beam's."""
    where = shown(source)
    return UserError(
        f'{where} holds no folders of photos: give each class a folder of its own, such as {where}/cats/1.jpg'
    )


def unused_sample(source, name: str, reason: str) -> Sample:
    """Lists `name`, a file or folder in `source`, as not used."""
    return Sample(name, Unused(source / name, reason), None)


def _folders(folder: Path) -> tuple[list[str], list[str]]:
    """`folders_in`, with errors for the user."""
    try:
        return folders_in(folder)
    except OSError as error:
        raise _unreadable(error) from error


def _unused(source: Path, inside: str, loops: list[str]) -> list[Sample]:
    """The links to parent folders and the loose files in the folder `inside` of a data set."""
    reasons = dict.fromkeys(loops, LINKED_BEFORE) | dict.fromkeys(files_in(source / inside), BESIDE)
    return [unused_sample(source, Path(inside, name).as_posix(), reason) for name, reason in reasons.items()]


def _has_pictures(folder: Path) -> bool:
    """Whether one of the first files below a folder is a picture."""
    for path, fault in islice(walk(folder, strict=False), FILES_CHECKED):
        try:
            if not fault and (named_like_picture(path) or check_file(path) is None):
                return True
        except (BadImage, OSError):
            continue
    return False


def _refuse_a_wrapper(source: Path, names: list[str], inside: dict) -> None:
    """Raise UserError when `source` holds one folder only, with several folders in it that may be the
    classes."""
    if len(names) == 1 and len(within := inside[names[0]][0]) > 1:
        raise UserError(
            f'{paths.shown(source)} holds one folder only ({names[0]}): if the {len(within):,} folders in '
            f'it are the classes, name {paths.shown(source / names[0])} instead'
        )


def _unreadable(error: OSError) -> UserError:
    return UserError(f'cannot read the folder {paths.shown(error.filename)}: {error.strerror}')
