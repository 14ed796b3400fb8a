"""Classify unlabeled photos, and write Kaggle's submission file.

    python -m src.inference.inference --name kaggle
    python -m src.inference.inference photos/ --model frozen/kaggle.pb

Without a folder it classifies the unlabeled photos of the data set (Kaggle's test/), from the bottlenecks in
its records, or from the pictures for a model without a backbone. With a folder it classifies the photos below
it, and needs only the frozen graph. Writes metrics/<name>_submission.csv: the column id, which is the photo's
file name without its suffix, and a column with the probability of each breed. A photo that cannot be read is
reported on standard error and gets uniform probabilities, as Kaggle refuses a file with a missing id. Files
that are not pictures are reported too, and get no row.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name, resolve_model
from src.common.progress import say, wrote
from src.images.faults import BadImage
from src.images.files import pictures_below
from src.images.find import by_id
from src.inference import classify
from src.inference.default_model import default_model
from src.inference.from_records import answered, same_backbone
from src.inference.predictor import Predictor, load_model
from src.records.age import remark_on_age
from src.records.dataset import open_records
from src.records.manifest import UNIFORM, remarks_of
from src.records.next_commands import data_set_of, frozen_model

# The id of a photo, and its probabilities [classes] float32 or the reason why it has none.
Answer = tuple[str, np.ndarray | Exception]


def answers_from_records(name: str, predictor: Predictor) -> list[Answer]:
    """An answer for every unlabeled photo of the data set `name`, sorted by id.

    Raises UserError if there are none, or if the model has another backbone.
    """
    records = open_records(name)
    unreadable = {
        Path(remark['file']).stem: BadImage(remark['reason'])
        for remark in remarks_of(records.manifest)
        if remark['outcome'] == UNIFORM
    }
    if not records.counts.get(consts.UNLABELLED) and not unreadable:
        raise UserError(
            f'{paths.shown(records.folder)} holds no unlabeled photos; '
            'give a folder of photos, or convert again with photos in the folder test/'
        )
    if not same_backbone(predictor, records):
        raise UserError(
            f'the model and {paths.shown(records.folder)} belong to different backbones: '
            'give --model a model for these records, or give the folder of the photos instead'
        )
    examples = answered(predictor, records, consts.UNLABELLED)
    return sorted(
        [*zip(examples.ids, examples.values, strict=True), *unreadable.items()], key=lambda answer: answer[0]
    )


def answers_from_folder(folder: Path, predictor: Predictor) -> Iterator[Answer]:
    """An answer for every photo below `folder`, sorted by id. Raises UserError as `photos_in` does."""
    photos = photos_in(folder)
    for name, answer in classify.answers(predictor, 'file', list(photos.values())):
        yield Path(name).stem, answer


def photos_in(folder: Path) -> dict[str, str]:
    """The paths of the photos below `folder` by id, sorted. Other files are reported on standard error.

    Raises UserError if there are none, or two with the same id.
    """
    try:
        pictures, left_out = pictures_below(folder)
    except OSError as error:
        raise UserError(f'cannot read the folder {paths.shown(folder)}: {error.strerror}') from error
    for path, reason in left_out:
        print(f'left out {path}: {reason}', file=sys.stderr)
    if not pictures:
        raise UserError(f'there are no photos in {paths.shown(folder)}')
    return dict(sorted(by_id(pictures, paths.shown(folder)).items()))


def write_submission(
    path: Path, labels: Sequence[str], answers: Iterable[Answer]
) -> tuple[int, dict[str, Exception]]:
    """Write Kaggle's CSV. Returns the number of photos, and the ids that got uniform probabilities with the
    reasons."""
    number, unreadable = 0, {}
    with files.atomic(path) as stream:
        writer = csv.writer(stream, lineterminator='\n')
        writer.writerow(['id', *labels])
        for id_, answer in answers:
            number += 1
            if isinstance(answer, Exception):
                unreadable[id_] = answer
                answer = np.full(len(labels), 1 / len(labels))
            writer.writerow([id_, *(f'{p:.9g}' for p in answer)])
    return number, unreadable


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.inference.inference', __doc__)
    made.add_argument('dir', type=Path, nargs='?', metavar='DIR', help='folder of photos')
    made.add_argument('--name', type=plain_name, help="data set (default: the model's, else kaggle)")
    cli.add_model(made, resolve_model, "the data set's own")
    made.add_argument('--out', type=Path, metavar='CSV', help='default: metrics/<name>_submission.csv')
    args = made.parse_args(argv)
    args.name = args.name or (data_set_of(args.model.name) if args.model else 'kaggle')
    model = frozen_model(args.model) if args.model else default_model(args.name)
    remark_on_age(model)
    predictor = load_model(model)
    say(f'{paths.shown(model)}: {count(len(predictor.labels), "class", "classes")}')
    if args.dir:
        answers = answers_from_folder(args.dir, predictor)
    else:
        answers = answers_from_records(args.name, predictor)
    path = args.out or paths.METRICS_DIR / f'{args.name}_submission.csv'
    number, unreadable = write_submission(path, predictor.labels, answers)
    for id_, reason in unreadable.items():
        print(f'uniform probabilities for {id_}: {reason}', file=sys.stderr)
    uniform = f', {count(len(unreadable), "photo")} given uniform probabilities' if unreadable else ''
    say(f'{count(number - len(unreadable), "photo")} classified{uniform}')
    wrote(path, 'id and one column for each breed')


if __name__ == '__main__':
    errors.run(main)
