"""Your own photos to TFRecords with cached bottlenecks: a folder with one folder for each class.

    photos/daisy/1.jpg
    photos/daisy/2.jpg            python -m src.data_preparation.image_folder_to_tfrecords \\
    photos/rose/1.jpg                 photos --name flowers --backbone frozen/pocket/pocket_96.pb

Writes data/records/<name>/. Photos are split into train, validation and test by a hash of their
bytes (80, 10 and 10 in a hundred), unless DIR holds train/ and test/ folders (or training_set/, val/,
dev/ and so on) with the class folders in them, or --test-list names the test photos. Where a folder
can be read in two ways, --class-folders chooses. The content of a file decides whether it is a picture;
what is not used or cannot be read is counted and listed in metrics/<name>_skipped.csv. Stop it at any
time: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name
from src.common.progress import say
from src.data_preparation.conversion.command import add_conversion_flags, add_test_list, run
from src.data_preparation.conversion.convert import Job
from src.data_preparation.folders import FLAG, INSIDE, TOP, read_layout
from src.data_preparation.samples import Sample, Unused
from src.images.faults import BadImage
from src.images.files import LINKED_BEFORE, check_file, files_in, folders_in, named_like_picture, walk

BESIDE = 'beside the class folders, so it has no class'
EMPTY_CLASS = 'an empty folder, so no class'
PEEKED = 100  # files of a folder that are looked at to find a picture


@dataclass(frozen=True)
class ClassFolder:
    """A folder of photos of one class, and their split where that is settled."""

    path: Path
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a data set's folder holds: its class folders, what is not used of it, and the folders of its
    splits, each with its split."""

    folders: list[ClassFolder]
    unused: list[Sample]
    splits: dict[str, str | None]


def image_folder_samples(folder: Path, choice: str | None = None) -> list[Sample]:
    """A sample for every file below the class folders of `folder`, hidden ones left out, sorted by name, and
    one whose path is `Unused` for everything else in it. `choice` is `--class-folders`.

    Raises UserError when there are no class folders or no files in them, when the folder can be read in two
    ways, or one cannot be read.
    """
    listing = list_folders(folder, choice)
    say_splits(listing.splits)
    samples = [s for class_folder in listing.folders for s in samples_of_class(class_folder, folder)]
    if all(isinstance(sample.path, Unused) for sample in samples):
        raise no_class_folders(folder)
    return samples + listing.unused


def list_folders(source: Path, choice: str | None = None) -> Listing:
    """The class folders on a disk. Raises UserError as `image_folder_samples` does."""
    names, looped = _folders(source)
    inside = {name: _folders(source / name) for name in names}
    splits = read_layout(
        paths.shown(source),
        {name: classes for name, (classes, _) in inside.items()},
        lambda name: _has_pictures(source / name),
        choice,
    )
    unused = _unused(source, '', looped)
    if splits is None:
        _refuse_a_wrapper(source, names, inside)
        return Listing([ClassFolder(source / name) for name in names], unused, {})
    folders = []
    for name, split in splits.items():
        classes, looped = inside[name]
        folders += [ClassFolder(source / name / inner, split) for inner in classes]
        unused += _unused(source, name, looped)
    for name in sorted(set(names) - set(splits)):
        files = sum(1 for _ in walk(source / name, strict=False))
        unused.append(unused_sample(source, name, unused_folder(files)))
    return Listing(folders, unused, splits)


def samples_of_class(folder: ClassFolder, base: Path) -> Iterator[Sample]:
    """A sample for every file below a class folder, or one that says that there is none. Raises UserError
    when a folder cannot be read."""
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
    """Tell how the folders were read, unless a hash splits all photos."""
    if told := [
        f'{name}/ is {"train" if split == "learn" else split}' for name, split in splits.items() if split
    ]:
        say(f'splits by folder: {", ".join(told)}')


def unused_folder(files: int) -> str:
    """The reason for a folder beside those of the splits."""
    return f'no class folders in it: {count(files, "file")}'


def no_class_folders(source) -> UserError:
    where = paths.shown(source) if isinstance(source, Path) else str(source)
    return UserError(
        f'{where} holds no folders of photos: give each class a folder of its own, such as {where}/cats/1.jpg'
    )


def add_class_folders(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        FLAG,
        choices=(TOP, INSIDE),
        help='which folders are the classes, where DIR can be read in two ways: those in DIR, or those '
        'inside them (DIR/train/cats)',
    )


def unused_sample(source, name: str, reason: str) -> Sample:
    """What lists something in a data set's folder that is not used."""
    return Sample(name, Unused(source / name, reason), None)


def _folders(folder: Path) -> tuple[list[str], list[str]]:
    try:
        return folders_in(folder)
    except OSError as error:
        raise _unreadable(error) from error


def _unused(source: Path, inside: str, looped: list[str]) -> list[Sample]:
    """What is not used of the folder `inside` of a data set: links that lead back, and loose files."""
    reasons = dict.fromkeys(looped, LINKED_BEFORE) | dict.fromkeys(files_in(source / inside), BESIDE)
    return [unused_sample(source, Path(inside, name).as_posix(), reason) for name, reason in reasons.items()]


def _has_pictures(folder: Path) -> bool:
    """Whether there is a picture among the first files of a folder."""
    for path, fault in islice(walk(folder, strict=False), PEEKED):
        try:
            if not fault and (named_like_picture(path) or check_file(path) is None):
                return True
        except (BadImage, OSError):
            continue
    return False


def _refuse_a_wrapper(source: Path, names: list[str], inside: dict) -> None:
    """Raise UserError when the only folder holds what may be the class folders."""
    if len(names) == 1 and len(within := inside[names[0]][0]) > 1:
        raise UserError(
            f'{paths.shown(source)} holds one folder only ({names[0]}): if the {len(within):,} folders in '
            f'it are the classes, name {paths.shown(source / names[0])} instead'
        )


def _unreadable(error: OSError) -> UserError:
    return UserError(f'cannot read the folder {paths.shown(error.filename)}: {error.strerror}')


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.data_preparation.image_folder_to_tfrecords', __doc__)
    made.add_argument('dir', type=Path, metavar='DIR', help='folder of class folders')
    made.add_argument('--name', type=plain_name, required=True, help='name for this data set')
    add_class_folders(made)
    add_test_list(made)
    add_conversion_flags(made)
    args = made.parse_args(argv)
    run(Job(args.name, args.dir, image_folder_samples(args.dir, args.class_folders)), args)


if __name__ == '__main__':
    errors.run(main)
