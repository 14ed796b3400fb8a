"""The results of an analysis as CSV tables, pictures and printed lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from src import drawing
from src.analysis.answers import Analysis
from src.common import columns, files
from src.common.files import count
from src.common.progress import say, wrote
from src.records import dataset
from src.records.dataset import Records
from src.scoring import confusion
from src.scoring.calibration import reliability
from src.scoring.kinds import HELD_OUT, kind_of_score, with_kind
from src.scoring.scores import table, whole_score

if TYPE_CHECKING:
    import pandas as pd

PAIRS, MISTAKES = 30, 30  # in the files
PAIRS_PRINTED, WEAKEST_PRINTED = 10, 5
PAIR_TITLES = ['A', 'B', 'A→B', 'B→A', 'total']  # A→B: photos of A predicted as B
SHEET_COLUMNS = (3, 6)  # minimum, which leaves space for a title, and maximum
# Up to this number of classes the heat map is alphabetical and has counts in its cells. With more, classes
# are sorted by similarity, so that clusters show.
FEW_CLASSES = 20


LONGEST_NAME = 'training_confusion.csv'  # of the files that are written


def _wrote(path: Path, what: str) -> None:
    wrote(path, what, [path.with_name(LONGEST_NAME)])


def write_tables(analysis: Analysis, out: Path) -> None:
    """Write the CSV files into the folder `out`."""
    import pandas as pd

    classes, matrix = analysis.classes, analysis.matrix
    scores = confusion.class_scores(matrix, classes).assign(kind=analysis.kind)
    pairs = confusion.confused_pairs(matrix, classes, PAIRS)
    counts = pd.DataFrame(matrix, index=pd.Index(classes, name='actual'), columns=classes).reset_index()
    for name, frame, what in (
        (LONGEST_NAME, analysis.table, 'each example: actual and predicted class, probability'),
        ('class_scores.csv', scores, 'precision, recall and F1 of each class'),
        ('confusion_matrix.csv', counts, 'counts: rows are actual, columns are predicted classes'),
        ('confused_pairs.csv', pairs, 'the pairs of classes that are confused most often'),
    ):
        with files.atomic(out / name) as stream:
            frame.to_csv(stream, index=False, float_format='%.6g', lineterminator='\n')
        _wrote(out / name, what)


def draw(analysis: Analysis, records: Records, out: Path, subject: str) -> Path:
    """Write the pictures into the folder `out`. Their titles end with `subject`. Returns the path of the most
    interesting one."""
    _draw_matrix(analysis, out / 'confusion_matrix.png', subject)
    _draw_reliability(analysis, out / 'reliability.png', subject)
    if (analysis.table['actual'] == analysis.table['pred']).all():
        for name in ('confused_pairs.png', 'worst_mistakes.jpg'):
            (out / name).unlink(missing_ok=True)  # those of an earlier model
        say('  no mistakes, so no pictures of confused pairs and worst mistakes')
        return out / 'confusion_matrix.png'
    _draw_pairs(analysis, out / 'confused_pairs.png', subject)
    _draw_mistakes(analysis, records, out / 'worst_mistakes.jpg', subject)
    return out / 'worst_mistakes.jpg'


def print_scores(analysis: Analysis, split: str) -> None:
    """Print the scores, the most confused pairs and the weakest classes."""
    scores = confusion.class_scores(analysis.matrix, analysis.classes)
    macro = confusion.macro_average(scores)
    for line in table(_scores(analysis, split)):
        say(line)
    if analysis.kind != HELD_OUT:
        learned = ', '.join(analysis.learned)
        say(f'{analysis.kind}: the model was trained on {learned}; expect lower scores on new photos')
    noise = reliability(analysis.probabilities, analysis.labels).error_of_calibrated
    say(f'ECE: expected calibration error; that of a calibrated model is about {noise:.1%} on so many photos')
    average = ', '.join(f'{name} {value:.1%}' for name, value in macro.items())
    say(f'{with_kind("macro average", analysis.kind)}: {average}')
    pairs = confusion.confused_pairs(analysis.matrix, analysis.classes, PAIRS_PRINTED)
    if len(pairs):
        say('\nmost confused classes (A→B: photos of A predicted as B):')
        for line in _aligned(pairs.set_axis(PAIR_TITLES, axis=1)):
            say('  ' + line)
        say('\nweakest classes:')
        for line in _aligned(confusion.weakest(scores[scores['f1'] < 1], WEAKEST_PRINTED)):
            say('  ' + line)
    say()


def _scores(analysis: Analysis, name: str) -> dict[str, dict[str, float]]:
    """The scores of each split and, under `name`, of all examples; the latter alone if there is one split."""
    whole = {with_kind(name, analysis.kind): whole_score([(analysis.probabilities, analysis.labels)])}
    if len(analysis.splits) == 1:
        return whole
    split_of = analysis.table['split'].to_numpy()
    parts = {}
    for split in analysis.splits:
        rows = split_of == split
        title = with_kind(split, kind_of_score([split], analysis.learned))
        parts[title] = whole_score([(analysis.probabilities[rows], analysis.labels[rows])])
    return parts | whole


def _draw_matrix(analysis: Analysis, path: Path, subject: str) -> None:
    classes, matrix = analysis.classes, analysis.matrix
    few = len(classes) <= FEW_CLASSES
    if few:
        order = np.array(sorted(range(len(classes)), key=lambda i: classes[i].casefold()))
    else:
        # By probabilities: with few examples of each class, their mistakes alone seldom show the similarity.
        similarity = confusion.probability_matrix(analysis.labels, analysis.probabilities)
        order = confusion.similarity_order(similarity)
    names = [classes[i] for i in order]
    matrix = matrix[np.ix_(order, order)]
    drawing.heat_map(
        confusion.row_shares(matrix),
        names,
        names,
        path,
        title=f'Confusion matrix: {subject}',
        row_title='actual class' + ('' if matrix.any(1).all() else ' (gray: no photos)'),
        column_title='predicted class',
        scale_title='share of the row',
        cells=matrix if few else None,
    )
    _wrote(path, 'the same as a heat map' + ('' if few else ', sorted by similarity'))


def _draw_reliability(analysis: Analysis, path: Path, subject: str) -> None:
    bins = reliability(analysis.probabilities, analysis.labels)
    drawing.reliability_diagram(
        bins,
        len(analysis.classes),
        path,
        title=f'Reliability: {subject}',
        note=f'Expected calibration error {bins.error:.1%}; that of a calibrated model is about '
        f'{bins.error_of_calibrated:.1%} on so many photos.\nDashed: accuracy equals confidence.',
    )
    _wrote(path, 'accuracy by confidence')


def _draw_pairs(analysis: Analysis, path: Path, subject: str) -> None:
    pairs = confusion.confused_pairs(analysis.matrix, analysis.classes, PAIRS)
    drawing.bar_chart_pairs(
        list(pairs[['class_a', 'class_b', 'a_as_b', 'b_as_a']].itertuples(index=False)),
        path,
        title=f'Most confused pairs: {subject}',
        legend=confusion.DIRECTIONS,
        x_title='photos',
    )
    _wrote(path, 'the most confused pairs as bars')


def _draw_mistakes(analysis: Analysis, records: Records, path: Path, subject: str) -> None:
    worst = confusion.worst_mistakes(analysis.table, MISTAKES)
    photos = _photos(records, [(analysis.table['split'][i], analysis.ids[i]) for i in worst.index])
    tiles = [
        drawing.Tile(photo, row.actual, f'{row.probability:.0%} {row.pred}', PurePosixPath(row.id).name)
        for photo, row in zip(photos, worst.itertuples(), strict=True)
    ]
    drawing.contact_sheet(
        tiles,
        path,
        int(np.clip(len(tiles), *SHEET_COLUMNS)),
        title=f'Worst mistakes: {subject}',
        note='Bold: the actual class. Below: probability and predicted class, then the file.',
    )
    _wrote(path, f'{count(len(tiles), "mistake")}{", highest probability first" if len(tiles) > 1 else ""}')


def _photos(records: Records, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
    """The encoded picture of each wanted (split, id), in that order; None where it is missing."""
    found = {}
    for split in {split for split, _ in wanted}:
        ids = [id_ for its_split, id_ in wanted if its_split == split]
        found |= {(split, id_): photo for id_, photo in dataset.pictures(records, split, ids)}
    return [found.get(key) for key in wanted]


def _aligned(frame: pd.DataFrame) -> list[str]:
    """The lines of a table: numbers right-aligned, shares in percent."""
    from pandas.api.types import is_numeric_dtype

    rows = [list(frame), *([_cell(value) for value in row] for row in frame.itertuples(index=False))]
    return columns.table(rows, [is_numeric_dtype(frame[name]) for name in frame])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return '-' if np.isnan(value) else f'{value:.1%}'
    return f'{value:,}' if isinstance(value, int) else ' '.join(str(value).split())
