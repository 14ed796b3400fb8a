"""Classify unlabeled photos, write Kaggle's submission file, check and score it.

    python -m src.inference.inference --name kaggle
    python -m src.inference.inference photos/ --model frozen/kaggle.pb
    python -m src.inference.inference test/ --model cats_dogs --against labels.csv
    python -m src.inference.inference --submission metrics/cats_dogs_submission.csv --against labels.csv

Without a folder it classifies the unlabeled photos of the data set (Kaggle's test/), from the bottlenecks in
its records, or from the pictures for a model without a backbone and for --views. With a folder it classifies
the photos below it, and needs only the file of the model: a frozen graph, or a .tflite file. Writes
metrics/<name>_submission.csv, with the name of the data set, or that of a model without one: the column id,
which is the photo's file name without its suffix, and a column with the probability of each class (--format
columns); for a model of the two classes cat and dog the columns id and label, the probability of a dog
(--format label). Rows are sorted by number if the ids are numbers. A photo that cannot be read is reported on
standard error and gets uniform probabilities, as Kaggle refuses a file with a missing id. Files that are not
pictures are reported too, and get no row.

--clip bounds the probabilities, so that a confident mistake costs less log loss: `auto`, the default for the
label format, takes the bound with the lowest log loss on the validation photos of the model's data set.

A sample_submission.csv beside the folder of photos or in that of the data set gives the order of rows and
columns; columns and ids that differ from it are reported, and the exit code is then 2. --against scores the
submission by known labels as Kaggle does: a CSV file of id and label (a class name, or 1 for the positive
class and 0), or in the format of a submission. With --submission both work on a file that is there, without a
model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from src.common import cli, consts, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name, resolve_model
from src.common.progress import remark, say, wrote
from src.inference.default_model import default_model
from src.inference.predictor import load_model
from src.inference.submissions import against, clip, layout, photos, table
from src.inference.views import add_views
from src.records.age import remark_on_age
from src.records.next_commands import frozen_model, own_data_set_of
from src.records.trainings import distilled_by

OF_MODELS = ('dir', 'model', 'out', 'form', 'clip')  # arguments that --submission leaves no work for


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.inference', __doc__, loads_graphs=True)
    made.add_argument('dir', type=Path, nargs='?', metavar='DIR', help='folder of photos')
    made.add_argument('--name', type=plain_name, help="data set (default: the model's, else kaggle)")
    cli.add_model(made, resolve_model, "the data set's own")
    add_views(made)
    made.add_argument('--out', type=Path, metavar='CSV', help='default: metrics/<name>_submission.csv')
    made.add_argument(
        '--format',
        dest='form',
        choices=layout.FORMATS,
        help='columns: one for each class; label: the probability of one of two classes '
        '(default: label for the classes cat and dog)',
    )
    made.add_argument(
        '--positive', metavar='CLASS', help='the class that label is the probability of (default: dog)'
    )
    made.add_argument(
        '--clip',
        type=clip.clip_or_word,
        metavar='C|auto|none',
        help='bound probabilities to C and 1 - C (default: auto for the label format, else none)',
    )
    made.add_argument(
        '--sample', type=Path, metavar='CSV', help="Kaggle's sample_submission.csv (default: searched)"
    )
    made.add_argument('--against', type=Path, metavar='CSV', help='known labels to score the submission by')
    made.add_argument('--submission', type=Path, metavar='CSV', help='check and score this file instead')
    args = made.parse_args(argv)
    if args.submission and any(getattr(args, name) is not None for name in OF_MODELS):
        made.error('--submission takes a file that is there: leave out DIR, --model, --out, --format, --clip')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    labels = table.read_rows(args.against, ',;') if args.against else None  # before photos are classified
    if args.submission:
        path, sample, pair = args.submission, sample_for(args, args.name), against.pair_of(args.positive)
    else:
        path, sample, pair = predicted(args)
    if not (args.submission or sample or labels):
        return 0
    submission = table.read_table(path)
    against.check_values(submission)
    if args.submission:
        say(f'{paths.shown(path)}: {count(len(submission.ids), "row")} of probabilities')
    fits = sample is None or report_differences(submission, sample)
    if labels:
        report_score(submission, labels, pair)
    return 0 if fits else 2


def sample_for(args: argparse.Namespace, name: str | None) -> table.Table | None:
    """The sample that is given, or else found for the photos or the data set `name`."""
    path = args.sample or (photos.sample_of(args.dir, name) if name else None)
    return table.read_table(path) if path else None


def predicted(args: argparse.Namespace) -> tuple[Path, table.Table | None, list[str]]:
    """Classify the photos and write the submission. Returns its path, the sample if there is one, and the
    negative and the positive class if it is of the label format."""
    own = args.name or (own_data_set_of(args.model.name) if args.model else 'kaggle')
    if not own and not args.dir and distilled_by(args.model.name):
        raise UserError(
            f'{args.model.name} learned without a data set: give the folder with the photos, or --name'
        )
    name = own or consts.CURRENT_DATASET_NAME
    model = frozen_model(args.model) if args.model else default_model(name)
    remark_on_age(model)
    predictor = load_model(model, views=args.views)
    labels = predictor.labels
    say(f'{paths.shown(model)}: {count(len(labels), "class", "classes")}')
    columns = layout.layout_for(labels, args.form, args.positive)
    sample = sample_for(args, name)
    order = sample.ids if sample else ()
    if args.dir:
        answers = photos.answers_from_folder(args.dir, predictor, order)
    else:
        answers = photos.answers_from_records(name, predictor, order)
    columns = columns.ordered_as(sample.columns) if sample else columns
    wanted = args.clip if args.clip is not None else clip.AUTO if columns.is_label else clip.NONE
    least = clip.least_probability(wanted, predictor)
    about = name if own or not args.dir else args.model.name
    path = args.out or paths.METRICS_DIR / f'{about}_submission.csv'
    ids, unreadable = table.write_submission(path, columns, answers, len(labels), least)
    for id_, reason in unreadable.items():
        remark(f'uniform probabilities for {id_}: {reason}')
    uniform = f', {count(len(unreadable), "photo")} given uniform probabilities' if unreadable else ''
    say(f'{count(len(ids) - len(unreadable), "photo")} classified{uniform}')
    wrote(path, columns.what)
    return path, sample, columns.pair(labels)


def report_differences(submission: table.Table, sample: table.Table) -> bool:
    """Print whether a submission has the columns and ids of the sample, and return it."""
    lines = table.differences(submission.columns, submission.ids, sample)
    for line in lines:
        remark(f'{paths.shown(submission.path)} differs from {paths.shown(sample.path)}: {line}')
    if not lines:
        say(f'its columns and ids are those of {paths.shown(sample.path)}')
    return not lines


def report_score(submission: table.Table, labels: table.Rows, pair: list[str]) -> None:
    """Print the score of a submission."""
    result = against.score_against(submission, labels, pair)
    if result.rescaled:
        say(f'{count(result.rescaled, "row")} did not sum to 1 and were rescaled, as Kaggle does')
    scores = result.scores
    line = f'log loss {result.log_loss:.5f}, accuracy {scores["top_1"]:.2%}'
    if 'calibration_error' in scores:
        line += f', calibration error {scores["calibration_error"]:.2%}'
    say(f'{paths.shown(labels.path)}: {line} on {count(scores["examples"], "photo")}')


if __name__ == '__main__':
    errors.run(main)
