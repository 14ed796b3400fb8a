"""Photos of cats and dogs to TFRecords: Kaggle's Dogs vs. Cats, or Microsoft's copy of it.

    python -m src.data_preparation.dogs_vs_cats_to_tfrecords --data train.zip --no-backbone \\
        --train-per-class 1000 --validation-per-class 500 --test-per-class 500
    python -m src.data_preparation.dogs_vs_cats_to_tfrecords --data PetImages --name pets \\
        --backbone frozen/pocket/pocket.pb

--data is a folder or a zip archive with the photos of Kaggle (cat.0.jpg, dog.0.jpg, ... in any folder;
https://www.kaggle.com/c/dogs-vs-cats/data) or of Microsoft (PetImages/Cat/0.jpg, PetImages/Dog/0.jpg, ...;
https://www.microsoft.com/download/details.aspx?id=54765). An archive is unpacked to data/<name>/.

The splits hold as many photos of each class as the flags say, drawn by --seed, the same on every machine; or,
without these flags, a hash of its bytes puts each photo into the training, validation or test split (80, 10
and 10 %). Copies of a photo are left out. Files that are not used or cannot be read are counted, and listed
in metrics/<name>_skipped.csv. Writes data/records/<name>/. Stop it at any time: the same command goes on
where it was.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from src.common import errors, paths
from src.common.errors import UserError
from src.common.locks import at_work
from src.data_preparation.conversion.command import added, converter_parser, run
from src.data_preparation.per_class import add_draw, draw_of
from src.data_preparation.samples import Sample, Unused
from src.downloads import zips
from src.images.files import ignored, named_like_picture, walk

CLASSES = ('cat', 'dog')
KAGGLE_NAME = re.compile(r'(cat|dog)\.\d+\.\w+', re.IGNORECASE)
NO_CLASS = 'neither named like cat.0.jpg or dog.0.jpg, nor in a folder Cat or Dog'
TWO_CLASSES = 'its name and its folder name different classes'
A_FOLDER = 'a folder that is named like a picture'


def samples_of(data: Path, unpacked: Path) -> list[Sample]:
    """A sample for each file in the folder or zip archive `data`, which is unpacked to `unpacked`; `Unused`
    ones for files of no class. Raises UserError when there are no photos of cats and dogs."""
    if data.is_dir():
        folder = data
        samples = list(_in_folder(folder))
    else:
        folder = unpacked
        samples = list(_in_zip(data, folder))
    if all(isinstance(sample.path, Unused) for sample in samples):
        raise _no_photos(data, folder, samples)
    return samples


def class_of(name: str) -> str | None:
    """The class in a path such as train/cat.0.jpg or PetImages/Cat/0.jpg, '' if there is none, and None if
    file and folder contradict each other."""
    path = PurePosixPath(name)
    found = KAGGLE_NAME.fullmatch(path.name)
    classes = {found[1].lower()} if found else set()
    classes |= {path.parent.name.lower()} & set(CLASSES)
    return None if len(classes) > 1 else next(iter(classes), '')


def _in_folder(folder: Path) -> Iterator[Sample]:
    try:
        for text, fault in walk(folder):
            path = Path(text)
            yield _sample(path.relative_to(folder).as_posix(), path, fault)
    except OSError as error:
        raise UserError(f'cannot read the folder {paths.shown(error.filename)}: {error.strerror}') from error


def _in_zip(archive: Path, folder: Path) -> Iterator[Sample]:
    _require_archive(archive)
    with at_work(folder):
        content = zips.unpack(archive, folder)
    for name in _visible(content.files):
        yield _sample(name, folder / name)
    for name in _visible(content.folders):
        if named_like_picture(name):
            yield _sample(name, folder / name, A_FOLDER)


def _visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if not any(map(ignored, PurePosixPath(name).parts))]


def _sample(name: str, path: Path, fault: str = '') -> Sample:
    label = class_of(name)
    fault = fault or {None: TWO_CLASSES, '': NO_CLASS}.get(label, '')
    return Sample(name, Unused(path, fault) if fault else path, label or None)


def _require_archive(path: Path) -> None:
    if not path.exists():
        raise UserError(
            f"there is no {paths.shown(path)}: download train.zip of Kaggle's Dogs vs. Cats, or Microsoft's "
            'copy (kagglecatsanddogs), and name it with --data (--help has the addresses)'
        )
    if not zipfile.is_zipfile(path):
        raise UserError(
            f'{paths.shown(path)} is neither a folder nor a complete zip archive: download it again'
        )


def _no_photos(data: Path, folder: Path, samples: Iterable[Sample]) -> UserError:
    archive = next((s.id for s in samples if s.id.lower().endswith('.zip')), None)
    inside = f'; if they are in its {archive}, use --data {paths.shown(folder / archive)}' if archive else ''
    return UserError(
        f'{paths.shown(data)} holds no photos that are named like cat.0.jpg and dog.0.jpg or are in folders '
        f'Cat and Dog{inside}'
    )


def main(argv: list[str] | None = None) -> None:
    made = converter_parser(
        'dogs_vs_cats_to_tfrecords', __doc__, data='photos of cats and dogs', metavar='DIR|ZIP'
    )
    add_draw(made)
    args = made.parse_args(argv)
    if added(args):
        return
    draw = draw_of(args)
    samples = samples_of(args.data, paths.DATA_DIR / args.name)
    run(args, samples, draw=draw, split_by='draw' if draw else 'hash')


if __name__ == '__main__':
    errors.run(main)
