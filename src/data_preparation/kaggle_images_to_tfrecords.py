"""Kaggle's dog-breed-identification data to TFRecords with cached bottlenecks.

    python -m src.data_preparation.kaggle_images_to_tfrecords --name kaggle --augment

Reads data/kaggle/labels.csv (columns id, breed), the photos train/<id>.jpg and, without labels,
test/*.jpg; writes data/records/<name>/. `src.inference.inference` names the unlabelled ones.
--augment adds three changed copies of each training photo (contrast 0.8, brightness -0.15, mirrored)
and none of a validation or test photo. What cannot be read is skipped and listed in
metrics/skipped.csv. Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import csv
from pathlib import Path

from src.common import cli, consts, errors, paths
from src.common.errors import UserError
from src.data_preparation.convert import Job, add_conversion_flags, run
from src.data_preparation.samples import Remark, Sample, promises_photo
from src.images.copies import COPIES


def kaggle_samples(folder: Path) -> tuple[list[Sample], list[Remark]]:
    """Labelled photos of train/ and unlabelled ones of test/.

    Returns samples, and remarks on rows without a photo and photos without a row. Raises UserError
    when labels.csv cannot be used.
    """
    breeds = read_labels(folder / 'labels.csv')
    photos = {path.stem: path for path in _photos(folder / 'train')}
    samples = [Sample(id_, photos[id_], breed) for id_, breed in sorted(breeds.items()) if id_ in photos]
    remarks = [
        Remark(
            paths.shown(folder / 'train' / f'{id_}.jpg'),
            'skipped',
            'labels.csv names it, but it is not there',
        )
        for id_ in sorted(breeds.keys() - photos.keys())
    ] + [
        Remark(paths.shown(photos[id_]), 'skipped', 'labels.csv has no row for it')
        for id_ in sorted(photos.keys() - breeds.keys())
    ]
    asked = [Sample(path.stem, path, None, consts.UNLABELLED) for path in _photos(folder / 'test')]
    return samples + asked, remarks


def read_labels(path: Path) -> dict[str, str]:
    """id to breed. Raises UserError when the file is missing, lacks a column or contradicts itself."""
    breeds: dict[str, str] = {}
    try:
        with path.open(encoding='utf-8-sig', newline='') as stream:
            rows = csv.DictReader(stream)
            if not {'id', 'breed'} <= set(rows.fieldnames or ()):
                raise UserError(f'{paths.shown(path)} has no columns id and breed')
            for row in rows:
                id_, breed = (row['id'] or '').strip(), (row['breed'] or '').strip()
                if not id_ or not breed:
                    raise UserError(f'{paths.shown(path)} line {rows.line_num}: id or breed is empty')
                if breeds.setdefault(id_, breed) != breed:
                    raise UserError(f'{paths.shown(path)} line {rows.line_num}: {id_} has two breeds')
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(
            f'cannot read {paths.shown(path)} ({reason}): unpack dog-breed-identification.zip of Kaggle there'
        ) from error
    return breeds


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob('*') if promises_photo(path.name, path.is_dir()))


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.data_preparation.kaggle_images_to_tfrecords', __doc__)
    made.add_argument(
        '--name', type=cli.plain_name, default='kaggle', help='name for this data set (default: %(default)s)'
    )
    made.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        default=paths.KAGGLE_DS_DIR,
        help=f'folder with labels.csv, train/ and test/ (default: {paths.shown(paths.KAGGLE_DS_DIR)})',
    )
    made.add_argument('--augment', action='store_true', help='add changed copies of the training photos')
    add_conversion_flags(made)
    args = made.parse_args(argv)
    samples, remarks = kaggle_samples(args.data)
    copies = tuple(COPIES) if args.augment else ()
    run(Job(args.name, args.data, samples, remarks, copies=copies), args)


if __name__ == '__main__':
    errors.run(main)
