"""Evaluate a frozen model: scores of each class, the confusion matrix, calibration, the worst mistakes.

    python -m src.analysis.training_perf_analysis
    python -m src.analysis.training_perf_analysis --name flowers --split validation

Predicts the examples of a split (default: test) with frozen/<model>.pb, from their cached bottlenecks, and
writes to metrics/ for the current model, to metrics/<model>/ for others:

| file                   | content                                                       |
|------------------------|---------------------------------------------------------------|
| training_confusion.csv | each example: actual class, predicted class, probability      |
| class_scores.csv       | examples, precision, recall and F1 of each class              |
| confusion_matrix.csv   | counts: rows are actual, columns are predicted classes        |
| confusion_matrix.png   | the same as a heat map; many classes are sorted by similarity |
| reliability.png        | accuracy by confidence, with the expected calibration error   |
| confused_pairs.csv     | the 30 pairs of classes that are confused most often          |
| confused_pairs.png     | the same as bars                                              |
| worst_mistakes.jpg     | the 30 wrong predictions with the highest probability         |

TensorBoard shows the worst mistakes among the images of summary/<model>/. A score on photos that the model
was trained on is called a training score, in titles and in the columns `kind` (class_scores.csv) and
`learned_from` (training_confusion.csv).

--model takes a .tflite file too, which predicts from the pictures in the records; its files are written to
metrics/<model>_tflite/.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from src.analysis.answers import analyze, check_belongs, doubts
from src.analysis.report import draw, print_scores, write_tables
from src.common import cli, consts, errors, paths
from src.common.files import count
from src.common.names import plain_name, resolve_model
from src.common.progress import next_step, say
from src.engine.board import show_picture
from src.graph.lite.package import SUFFIX
from src.inference.predictor import load_model
from src.records import dataset
from src.records.age import remark_on_age
from src.records.next_commands import data_set_to_score_on, frozen_model
from src.scoring.kinds import with_kind
from src.scoring.scores import score

ALL = 'all'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.training_perf_analysis', __doc__, loads_graphs=True)
    made.add_argument(
        '--name', type=plain_name, help='data set (default: the one that the model was trained on)'
    )
    cli.add_model(made, resolve_model)
    made.add_argument(
        '--split',
        choices=(*consts.SPLITS, ALL),
        default='test',
        help='examples to predict (default: %(default)s)',
    )
    made.add_argument(
        '--out', type=Path, metavar='DIR', help='folder to write to (default: metrics/ or metrics/<model>/)'
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    args.name = data_set_to_score_on(args.model and args.model.name, args.name)
    model = cli.model_of(args)
    frozen = frozen_model(model, args.name)
    name = f'{model.name}_tflite' if frozen.suffix == SUFFIX else model.name
    out = args.out or paths.analysis(name)
    remark_on_age(frozen)
    predictor = load_model(frozen)
    records = dataset.open_records(args.name)
    check_belongs(predictor, records, frozen)
    analysis = analyze(predictor, records, consts.SPLITS if args.split == ALL else [args.split])
    print_scores(analysis, args.split)
    if doubt := doubts(predictor, records):
        say(doubt)
    scores = score(analysis.probabilities, analysis.labels)
    photos = count(len(analysis.ids), 'photo' if args.split == ALL else f'{args.split} photo')
    write_tables(analysis, out)
    subject = f'{name} on {photos}, top-1 {scores["top_1"]:.1%}, log loss {scores["log_loss"]:.3f}'
    subject = with_kind(subject, analysis.kind)
    first = draw(analysis, records, out, subject)
    show_picture('worst_mistakes', out / 'worst_mistakes.jpg', paths.summaries(name))
    next_step(f'open {shlex.quote(paths.shown(first))}')


if __name__ == '__main__':
    errors.run(main)
