"""See what a frozen model confuses: scores by class, the confusion matrix, the worst mistakes.

    python -m src.analysis.training_perf_analysis
    python -m src.analysis.training_perf_analysis --name flowers --split validation

Asks frozen/<model>.pb about the cached bottlenecks of a split (test, unless told otherwise) and writes

| file                   | what                                                               |
|------------------------|--------------------------------------------------------------------|
| training_confusion.csv | each example with its class and what it was taken for              |
| class_scores.csv       | examples, precision, recall and F1 of each class                   |
| confusion_matrix.csv   | counts: rows are what it is, columns what it was taken for         |
| confusion_matrix.png   | the same in colours; many classes are ordered by likeness          |
| confused_pairs.csv     | the 30 pairs of classes that are mixed up most                     |
| confused_pairs.png     | the same as bars                                                   |
| worst_mistakes.jpg     | the 30 photos the model was most certain about, and wrong          |

to metrics/ for the current model, to metrics/<model>/ for others.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from src.analysis import confusion, pictures
from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import next_step, say, wrote
from src.data_preparation import dataset
from src.data_preparation.dataset import Records
from src.inference.predictor import Predictor, load_model
from src.training.scores import score, table

ALL = 'all'
PAIRS, MISTAKES = 30, 30  # in the files
PAIRS_TOLD, WEAKEST_TOLD = 10, 5  # on the screen
SHEET_COLUMNS = (3, 6)  # at least, so that there is room for a title, and at most
# Up to so many classes the map is alphabetical and has numbers in its cells: it can be read through.
# In a larger one the eye looks for clusters.
FEW_CLASSES = 20


@dataclass(frozen=True)
class Analysis:
    """What a model makes of examples. `table`: see `confusion.predictions`; `ids` [N] as they stand in
    the records; `labels` [N] int32; `probabilities` [N, classes] float32."""

    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    table: pd.DataFrame

    @property
    def matrix(self) -> np.ndarray:
        return confusion.confusion_matrix(self.labels, self.probabilities.argmax(1), len(self.classes))


def analyse(predictor: Predictor, records: Records, splits: Sequence[str]) -> Analysis:
    """Ask the model about all examples of some splits. Raises UserError when there are none."""
    parts = {split: dataset.load(records, split) for split in splits}
    ids = [id_ for part in parts.values() for id_ in part.ids]
    if not ids:
        raise UserError(
            f'{paths.shown(records.folder)} has no examples in {" and ".join(splits)}: choose another --split'
        )
    labels = np.concatenate([part.labels for part in parts.values()])
    answers = [predictor.from_bottlenecks(part.bottlenecks) for part in parts.values() if len(part)]
    probabilities = np.concatenate(answers)
    origin = [split for split, part in parts.items() for _ in part.ids]
    told = confusion.predictions(ids, origin, labels, probabilities, records.classes)
    return Analysis(records.classes, ids, labels, probabilities, told)


def check_belongs(predictor: Predictor, records: Records, model: Path) -> None:
    """Raise UserError unless the model can answer about these records: same classes, same backbone.

    A model file that does not name its backbone is taken at its word.
    """
    if predictor.labels != records.classes:
        raise UserError(
            f'{paths.shown(model)} does not know the classes of {paths.shown(records.folder)} '
            f'({_difference(predictor.labels, records.classes)}): choose another --name or --model'
        )
    backbone = predictor.info.get('backbone') or {}
    if (
        backbone.get('sha256', records.manifest['backbone']['sha256'])
        != records.manifest['backbone']['sha256']
    ):
        raise UserError(
            f'{paths.shown(model)} stands on another backbone ({backbone.get("file", "unknown")}) than '
            f'{paths.shown(records.folder)} ({records.manifest["backbone"].get("file", "unknown")}): '
            'choose another --name or --model'
        )


def write_tables(analysis: Analysis, out: Path) -> None:
    classes, matrix = analysis.classes, analysis.matrix
    scores = confusion.class_scores(matrix, classes)
    pairs = confusion.confused_pairs(matrix, classes, PAIRS)
    counts = pd.DataFrame(matrix, index=pd.Index(classes, name='actual'), columns=classes).reset_index()
    for name, frame, what in (
        ('training_confusion.csv', analysis.table, 'each example and what it was taken for'),
        ('class_scores.csv', scores, 'precision, recall and F1 of each class'),
        ('confusion_matrix.csv', counts, 'counts: rows what it is, columns what it was taken for'),
        ('confused_pairs.csv', pairs, 'pairs of classes that are mixed up'),
    ):
        with files.atomic(out / name) as stream:
            frame.to_csv(stream, index=False, float_format='%.6g', lineterminator='\n')
        wrote(out / name, what)


def draw(analysis: Analysis, records: Records, out: Path, subject: str) -> Path:
    """The pictures; `subject` is what they are about, for their titles. Returns the one to look at
    first."""
    _draw_matrix(analysis, out / 'confusion_matrix.png', subject)
    if (analysis.table['actual'] == analysis.table['pred']).all():
        for name in ('confused_pairs.png', 'worst_mistakes.jpg'):
            (out / name).unlink(missing_ok=True)  # of an earlier model, which would mislead
        say('  no mistakes at all: there are no confused pairs and no worst mistakes to draw')
        return out / 'confusion_matrix.png'
    _draw_pairs(analysis, out / 'confused_pairs.png', subject)
    _draw_mistakes(analysis, records, out / 'worst_mistakes.jpg', subject)
    return out / 'worst_mistakes.jpg'


def tell(analysis: Analysis, split: str) -> None:
    """Print the scores, and where the model is weak."""
    scores = confusion.class_scores(analysis.matrix, analysis.classes)
    macro = confusion.macro_average(scores)
    for line in table({split: score(analysis.probabilities, analysis.labels)}):
        say(line)
    say('macro average: ' + ', '.join(f'{name} {value:.1%}' for name, value in macro.items()))
    pairs = confusion.confused_pairs(analysis.matrix, analysis.classes, PAIRS_TOLD)
    if len(pairs):
        say('\nmost confused:')
        for line in _aligned(pairs):
            say('  ' + line)
        say('\nweakest classes:')
        for line in _aligned(confusion.weakest(scores[scores['f1'] < 1], WEAKEST_TOLD)):
            say('  ' + line)
    say()


def _draw_matrix(analysis: Analysis, path: Path, subject: str) -> None:
    classes, matrix = analysis.classes, analysis.matrix
    few = len(classes) <= FEW_CLASSES
    if few:
        order = np.array(sorted(range(len(classes)), key=lambda i: classes[i].casefold()))
    else:
        # By probabilities: a few examples of each class seldom show by their mistakes alone what is alike.
        alike = confusion.probability_matrix(analysis.labels, analysis.probabilities)
        order = confusion.similarity_order(alike)
    names = [classes[i] for i in order]
    matrix = matrix[np.ix_(order, order)]
    pictures.heat_map(
        confusion.row_shares(matrix),
        names,
        names,
        path,
        title=f'What is taken for what: {subject}',
        row_title='what it is' + ('' if matrix.any(1).all() else ' (grey: no photos)'),
        column_title='what it was taken for',
        scale_title='share of the row',
        cells=matrix if few else None,
    )
    wrote(path, 'the same in colours' + ('' if few else ', like beside like'))


def _draw_pairs(analysis: Analysis, path: Path, subject: str) -> None:
    pairs = confusion.confused_pairs(analysis.matrix, analysis.classes, PAIRS)
    pictures.bar_chart_pairs(
        list(pairs[['class_a', 'class_b', 'a_as_b', 'b_as_a']].itertuples(index=False)),
        path,
        title=f'Most confused pairs: {subject}',
        legend=('the first taken for the second', 'the second taken for the first'),
        x_title='photos',
    )
    wrote(path, 'the most confused pairs as bars')


def _draw_mistakes(analysis: Analysis, records: Records, path: Path, subject: str) -> None:
    worst = confusion.worst_mistakes(analysis.table, MISTAKES)
    photos = _photos(records, [(analysis.table['split'][i], analysis.ids[i]) for i in worst.index])
    tiles = [
        pictures.Tile(photo, row.actual, f'{row.probability:.0%} {row.pred}', PurePosixPath(row.id).name)
        for photo, row in zip(photos, worst.itertuples(), strict=True)
    ]
    pictures.contact_sheet(
        tiles,
        path,
        int(np.clip(len(tiles), *SHEET_COLUMNS)),
        title=f'Worst mistakes: {subject}',
        note='In bold what it is; below, what the model took it for, how certain it was, and the file.',
    )
    wrote(path, f'{count(len(tiles), "mistake")}, the most certain first')


def _photos(records: Records, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
    """The encoded pictures of some (split, id), in that order."""
    found = {}
    for split in {split for split, _ in wanted}:
        ids = [id_ for of, id_ in wanted if of == split]
        found |= {(split, id_): photo for id_, photo in dataset.pictures(records, split, ids)}
    return [found.get(key) for key in wanted]


def _aligned(frame: pd.DataFrame) -> list[str]:
    """Lines of a table: text to the left, numbers to the right, shares in percent."""
    columns = []
    for name in frame:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        texts = [name, *(_cell(value) for value in frame[name])]
        width = max(map(len, texts))
        columns.append([text.rjust(width) if numeric else text.ljust(width) for text in texts])
    return ['  '.join(row).rstrip() for row in zip(*columns, strict=True)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return '-' if np.isnan(value) else f'{value:.1%}'
    return f'{value:,}' if isinstance(value, int) else ' '.join(str(value).split())


def _difference(labels: Sequence[str], classes: Sequence[str]) -> str:
    """How two lists of class names differ, in a few words."""
    if missing := [name for name in classes if name not in set(labels)]:
        return f'not {missing[0]!r}' + (f' and {len(missing) - 1:,} more' if missing[1:] else '')
    if extra := [name for name in labels if name not in set(classes)]:
        return f'it also knows {extra[0]!r}' + (f' and {len(extra) - 1:,} more' if extra[1:] else '')
    return 'the same names in another order'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.training_perf_analysis', __doc__)
    cli.add_model(made)
    made.add_argument(
        '--split',
        choices=(*consts.SPLITS, ALL),
        default='test',
        help='examples to ask about (default: %(default)s)',
    )
    made.add_argument(
        '--out', type=Path, metavar='DIR', help='folder to write to (default: metrics/ or metrics/<model>/)'
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    model = cli.model_of(args)
    out = args.out or paths.analysis(model)
    records = dataset.open_records(args.name)
    frozen = paths.frozen(model)
    if not frozen.exists():
        raise UserError(
            f'there is no {paths.shown(frozen)}: run python -m src.freezing.freeze{cli.model_flags(args)}'
        )
    predictor = load_model(frozen)
    check_belongs(predictor, records, frozen)
    analysis = analyse(predictor, records, consts.SPLITS if args.split == ALL else [args.split])
    tell(analysis, args.split)
    top_1 = score(analysis.probabilities, analysis.labels)['top_1']
    photos = count(len(analysis.ids), 'photo' if args.split == ALL else f'{args.split} photo')
    write_tables(analysis, out)
    first = draw(analysis, records, out, f'{model} on {photos}, top-1 {top_1:.1%}')
    next_step(f'open {shlex.quote(paths.shown(first))}')


if __name__ == '__main__':
    errors.run(main)
