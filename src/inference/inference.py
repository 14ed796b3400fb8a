"""Name a data set's unlabelled photos and write Kaggle's submission file.

    python -m src.inference.inference --name kaggle

Reads the unlabelled records of the data set (Kaggle's test/ photos), answers with the model frozen
from it, and writes metrics/<name>_submission.csv: id, and a column with the probability of each
breed.
"""

from __future__ import annotations

import csv
from pathlib import Path

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import progress, say, wrote
from src.data_preparation.dataset import load, open_records
from src.inference.predictor import default_model, load_model

CHUNK = 1024


def write_submission(name: str, model: Path, path: Path) -> int:
    """Answer every unlabelled record of the data set `name`; returns their number.

    Raises UserError when there are none, or when the model belongs to another backbone.
    """
    records = open_records(name)
    asked = load(records, consts.UNLABELLED)
    if not len(asked):
        raise UserError(
            f'{paths.shown(records.folder)} holds no unlabelled photos; '
            'src.data_preparation.kaggle_images_to_tfrecords makes them from the folder test/'
        )
    predictor = load_model(model)
    with files.atomic(path) as stream, progress(len(asked), 'classifying', 'photos') as bar:
        writer = csv.writer(stream, lineterminator='\n')
        writer.writerow(['id', *predictor.labels])
        for start in range(0, len(asked), CHUNK):
            part = slice(start, start + CHUNK)
            rows = predictor.from_bottlenecks(asked.bottlenecks[part])
            for id_, row in zip(asked.ids[part], rows, strict=True):
                writer.writerow([id_, *(f'{p:.9g}' for p in row)])
            bar.update(len(rows))
    return len(asked)


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.inference.inference', __doc__)
    made.add_argument('--name', type=cli.plain_name, default='kaggle', help='data set (default: %(default)s)')
    made.add_argument('--model', type=Path, metavar='PB', help="frozen graph (default: the data set's own)")
    made.add_argument('--out', type=Path, metavar='CSV', help='default: metrics/<name>_submission.csv')
    args = made.parse_args(argv)
    path = args.out or paths.METRICS_DIR / f'{args.name}_submission.csv'
    number = write_submission(args.name, args.model or default_model(args.name), path)
    say(f'{count(number, "photo")} named')
    wrote(path, 'id and one column for each breed')


if __name__ == '__main__':
    errors.run(main)
