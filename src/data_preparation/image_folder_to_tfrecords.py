"""Your own photos to TFRecords with cached bottlenecks: a folder with one folder for each class.

    photos/daisy/1.jpg
    photos/daisy/2.jpg            python -m src.data_preparation.image_folder_to_tfrecords \\
    photos/rose/1.jpg                 photos --name flowers --backbone frozen/pocket/pocket_96.pb

Writes data/records/<name>/. Photos are split into train, validation and test by a hash of their
bytes (80, 10 and 10 in a hundred), unless DIR itself holds train/ and test/ folders with the class
folders in them, or --test-list names the test photos. What cannot be read is skipped and listed in
metrics/skipped.csv. Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.data_preparation.convert import Job, add_conversion_flags, add_test_list, run
from src.data_preparation.samples import Sample, promises_photo

# Folder names that people give their splits.
SPLIT_FOLDERS = {
    'train': 'train',
    'training': 'train',
    'validation': 'validation',
    'valid': 'validation',
    'val': 'validation',
    'test': 'test',
}


def image_folder_samples(folder: Path) -> list[Sample]:
    """Every file below the class folders of `folder`, hidden ones left out, sorted by name.

    Raises UserError when there are no class folders or no files in them, or a folder cannot be read.
    """
    samples = [s for class_folder in class_folders(folder) for s in samples_of_class(class_folder, folder)]
    if not samples:
        raise UserError(
            f'{paths.shown(folder)} holds no folders of photos: give each class a folder of its own, '
            f'such as {paths.shown(folder)}/cats/1.jpg'
        )
    return samples


def class_folders(source: Path) -> Iterator[tuple[Path, str | None]]:
    """Each class folder of a disk, and its split where that is settled. Raises UserError."""
    splits = split_folders(folder.name for folder in _folders(source) if _folders(folder))
    for top in [source / name for name in splits] or [source]:
        for folder in _folders(top):
            yield folder, splits.get(top.name) if splits else None


def samples_of_class(folder: tuple[Path, str | None], base: Path) -> Iterator[Sample]:
    path, split = folder
    for file in _files(path):
        yield Sample(file.relative_to(base).as_posix(), file, path.name, split)


def split_folders(names: Iterable[str]) -> dict[str, str]:
    """The splits of a data set by the names of their folders, among folders that hold folders; none unless
    one is for training."""
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in names if name.lower() in SPLIT_FOLDERS}
    if 'train' not in splits.values():
        return {}
    # Without a folder of its own the validation split is cut from training.
    learn = 'train' if 'validation' in splits.values() else 'learn'
    return {name: learn if split == 'train' else split for name, split in splits.items()}


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in Path(folder).iterdir() if f.is_dir() and not f.name.startswith('.'))
    except OSError as error:
        raise _unreadable(error) from error


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a class folder, and folders that are called like photos, which stand in for them
    among what is skipped."""

    def refuse(error: OSError) -> None:
        raise _unreadable(error)

    for parent, folders, names in os.walk(folder, onerror=refuse):
        odd = {name for name in folders if promises_photo(name, is_folder=True)}
        folders[:] = sorted(name for name in set(folders) - odd if not name.startswith('.'))
        for name in sorted({name for name in names if promises_photo(name)} | odd):
            yield Path(parent, name)


def _unreadable(error: OSError) -> UserError:
    return UserError(f'cannot read the folder {paths.shown(error.filename)}: {error.strerror}')


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.data_preparation.image_folder_to_tfrecords', __doc__)
    made.add_argument('dir', type=Path, metavar='DIR', help='folder of class folders')
    made.add_argument('--name', type=cli.plain_name, required=True, help='name for this data set')
    add_test_list(made)
    add_conversion_flags(made)
    args = made.parse_args(argv)
    run(Job(args.name, args.dir, image_folder_samples(args.dir)), args)


if __name__ == '__main__':
    errors.run(main)
