"""Kaggle's dog-breed-identification data to TFRecords with cached bottlenecks.

    python -m src.data_preparation.kaggle_images_to_tfrecords --name kaggle --augment

Reads data/kaggle/labels.csv (columns id, breed), the labeled photos train/<id>.jpg and the unlabeled
photos test/*.jpg, in subfolders too, and writes data/records/<name>/. `src.inference.inference` classifies
the unlabeled ones. The content of a file decides whether it is a picture; its name without the ending is
the id. --augment adds three augmented copies of each training photo (contrast 0.8, brightness -0.15,
mirrored), and none of validation and test photos. Files that cannot be read are skipped, and listed in
metrics/<name>_skipped.csv. Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from src.common import consts, errors, files, paths
from src.common.errors import UserError
from src.data_preparation.conversion.command import added, converter_parser, run
from src.data_preparation.samples import Sample
from src.images.copies import COPIES
from src.images.files import pictures_below
from src.images.find import by_id
from src.records.manifest import UNIFORM, Remark


def kaggle_samples(folder: Path) -> tuple[list[Sample], list[Remark]]:
    """The labeled photos in train/ and the unlabeled ones in test/.

    Returns the samples, and remarks on rows without a photo, photos without a row, and other files. Raises
    UserError when labels.csv or sample_submission.csv cannot be used, or when two photos have the same id.
    """
    breeds = read_labels(folder / 'labels.csv')
    photos, remarks_on_train = _photos(folder / 'train')
    unlabeled, remarks_on_test = _photos(folder / 'test')
    samples = [Sample(id_, photos[id_], breed) for id_, breed in sorted(breeds.items()) if id_ in photos]
    samples += [Sample(id_, path, None, consts.UNLABELLED) for id_, path in sorted(unlabeled.items())]
    remarks = _missing(folder / 'train', breeds.keys() - photos.keys(), 'skipped', 'labels.csv')
    remarks += [
        Remark(paths.shown(photos[id_]), 'skipped', 'labels.csv has no row for it')
        for id_ in sorted(photos.keys() - breeds.keys())
    ]
    required = required_ids(folder / 'sample_submission.csv')
    remarks += _missing(folder / 'test', required - unlabeled.keys(), UNIFORM, 'sample_submission.csv')
    return samples, remarks + remarks_on_train + remarks_on_test


def required_ids(path: Path) -> set[str]:
    """The ids in Kaggle's example of a submission; none without that file. Raises UserError."""
    if not path.exists():
        return set()
    return {row['id'].strip() for _, row in _rows(path, {'id'}) if (row['id'] or '').strip()}


def _missing(folder: Path, ids: Iterable[str], outcome: str, listing: str) -> list[Remark]:
    """Remarks on photos that a CSV file lists and the folder lacks."""
    reason = f'{listing} names it, but it is not there'
    return [Remark(paths.shown(folder / f'{id_}.jpg'), outcome, reason) for id_ in sorted(ids)]


def read_labels(path: Path) -> dict[str, str]:
    """The breed for each id. Raises UserError when the file is missing, lacks a column, or has two breeds for
    an id."""
    breeds: dict[str, str] = {}
    for line, row in _rows(path, {'id', 'breed'}):
        id_, breed = (row['id'] or '').strip(), (row['breed'] or '').strip()
        if not id_ or not breed:
            raise UserError(f'{paths.shown(path)} line {line}: id or breed is empty')
        if breeds.setdefault(id_, breed) != breed:
            raise UserError(f'{paths.shown(path)} line {line}: {id_} has two breeds')
    return breeds


def _rows(path: Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) for the rows of a CSV file. Raises UserError when a column is missing, and
    for a file that is too large."""
    try:
        rows = csv.DictReader(files.text_stream(path, 'strict', newline=''))
        if not columns <= set(rows.fieldnames or ()):
            raise UserError(f'{paths.shown(path)} has no columns {" and ".join(sorted(columns)[::-1])}')
        for row in rows:
            yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(
            f'cannot read {paths.shown(path)} ({reason}): unpack dog-breed-identification.zip of Kaggle there'
        ) from error


def _photos(folder: Path) -> tuple[dict[str, Path], list[Remark]]:
    """The photos below a folder by their ids, and remarks on its other files; both empty without the folder.
    Raises UserError when two photos have the same id."""
    if not folder.exists():
        return {}, []
    pictures, left_out = pictures_below(folder)
    photos = {id_: Path(path) for id_, path in by_id(pictures, paths.shown(folder)).items()}
    return photos, [Remark(paths.shown(path), 'skipped', reason) for path, reason in left_out]


def main(argv: list[str] | None = None) -> None:
    made = converter_parser(
        'kaggle_images_to_tfrecords', __doc__, data='folder with labels.csv, train/ and test/'
    )
    made.add_argument('--augment', action='store_true', help='add augmented copies of the training photos')
    args = made.parse_args(argv)
    if added(args):
        return
    samples, remarks = kaggle_samples(args.data)
    run(args, samples, remarks, copies=tuple(COPIES) if args.augment else ())


if __name__ == '__main__':
    errors.run(main)
