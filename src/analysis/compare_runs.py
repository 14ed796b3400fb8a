"""All training runs side by side, data set by data set: recipe, parameters, time and scores, sorted.

    python -m src.analysis.compare_runs
    python -m src.analysis.compare_runs --sort seconds --name cifar10

Scores are those of the saved model, on all photos of a split; runs are ranked within their data set. Prints a
table and writes metrics/runs.csv, with every parameter, and metrics/runs.html: one page without anything from
elsewhere, whose table sorts by a click on a column's name, with the curves below.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.analysis.runs import Run, all_runs
from src.analysis.runs_page import page
from src.common import cli, columns, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name, similar
from src.common.progress import next_step, say, wrote
from src.scoring.kinds import CROSS_VALIDATION, learned_from

if TYPE_CHECKING:
    import pandas as pd

# Columns of the table, and whether more is better.
COLUMNS = {
    'model': False,
    'data_set': False,
    'backbone': False,
    'recipe': False,
    'seconds': False,
    'epochs': False,
    'validation_top_1': True,
    'validation_log_loss': False,
    'test_top_1': True,
    'test_log_loss': False,
    'cross_validation_top_1': True,
    'cross_validation_log_loss': False,
    'seed': False,
}
# Left out where no run has such scores.
SELDOM = ('cross_validation_top_1', 'cross_validation_log_loss')
PARTS = ('validation', 'test', CROSS_VALIDATION)
MEASURES = ('top_1', 'log_loss')


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run: the columns COLUMNS, the training scores, then all settings."""
    import pandas as pd

    names = data_set_names(runs)
    table = pd.DataFrame([_row(run, name) for run, name in zip(runs, names, strict=True)])
    scores = [name for name in table if name.endswith(MEASURES)]
    return table.astype(dict.fromkeys(scores, float))  # None becomes NaN


def data_set_names(runs: Sequence[Run]) -> list[str]:
    """The data set of each run. Runs on other photos or classes under one name are told apart by the numbers
    of photos in their splits, as their scores cannot be compared."""
    contents: dict[str, set] = {}
    for run in runs:
        contents.setdefault(run.facts.get('data_set'), set()).add(_contents(run))
    return [
        run.facts.get('data_set') if len(contents[run.facts.get('data_set')]) == 1 else _with_counts(run)
        for run in runs
    ]


def _contents(run: Run) -> tuple:
    counts = run.facts.get('counts', {})
    return tuple(run.facts.get('classes', ())), *((split, counts.get(split, 0)) for split in consts.SPLITS)


def _with_counts(run: Run) -> str:
    classes, *counts = _contents(run)
    photos = ', '.join(f'{number:,} {split}' for split, number in counts)
    return f'{run.facts.get("data_set")} ({count(len(classes), "class", "classes")}: {photos})'


def _row(run: Run, data_set: str) -> dict:
    scores = {
        f'{part.replace("-", "_")}_{measure}': run.score(part, measure)
        for part in PARTS
        for measure in MEASURES
    }
    told = {
        'model': run.model,
        'data_set': data_set,
        'backbone': run.backbone,
        'recipe': run.recipe,
        'seconds': run.facts.get('seconds'),
        'epochs': round(run.facts.get('steps', 0) / run.steps_in_epoch, 1),
    }
    settings = {key: value for key, value in run.settings.items() if key != 'epochs'}
    told |= scores | {'seed': settings.pop('seed', None), 'learned_from': ' '.join(learned_from(run.facts))}
    told |= {f'training_score_{measure}': run.score('train', measure) for measure in MEASURES}
    return told | settings


def ranked(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows data set by data set, within each the best first by the column `by`."""
    rows = table.sort_values(by, ascending=not COLUMNS[by], na_position='last', kind='stable')
    return rows.sort_values('data_set', kind='stable', ignore_index=True)


def columns_of(table: pd.DataFrame) -> list[str]:
    """The columns to show."""
    return [name for name in COLUMNS if name not in SELDOM or table[name].notna().any()]


def shown(table: pd.DataFrame) -> list[str]:
    """The columns COLUMNS as lines for the terminal: the recipe last, an empty line between data sets."""
    from pandas.api.types import is_numeric_dtype

    names = [*(name for name in columns_of(table) if name != 'recipe'), 'recipe']
    rows = [[_title(name) for name in names]]
    rows += [[_told(name, row[name]) for name in names] for row in table.to_dict('records')]
    header, *lines = columns.table(rows, [is_numeric_dtype(table[name]) for name in names])
    printed = [header]
    for place, line in enumerate(lines):
        if place and table['data_set'][place] != table['data_set'][place - 1]:
            printed.append('')
        printed.append(line)
    return printed


def _title(name: str) -> str:
    """The header of a column, short, so that a line of the table fits more terminals."""
    name = name.replace('cross_validation', 'CV').replace('validation', 'val')
    return name.replace('top_1', 'top-1').replace('_', ' ')


def _told(name: str, value) -> str:
    if value is None or value != value:  # NaN
        return '–'
    if name.endswith('top_1'):
        return f'{value:.1%}'
    if name.endswith('log_loss'):
        return f'{value:.3f}'
    return f'{value:,.0f}' if name == 'seconds' else str(value)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.compare_runs', __doc__)
    made.add_argument('--name', type=plain_name, help='only runs on this data set')
    cli.add_model(made, default='all; may be repeated', action='append')
    made.add_argument(
        '--sort', choices=list(COLUMNS), default='validation_top_1', help='default: %(default)s'
    )
    made.add_argument('--out', type=Path, metavar='DIR', default=paths.METRICS_DIR, help='default: metrics/')
    return made.parse_args(argv)


def _only(runs: Sequence[Run], models: Sequence[str]) -> list[Run]:
    """The runs of some models. Raises UserError for a model without one, with similar names."""
    by_model = {run.model: run for run in runs}
    for model in models:
        if model not in by_model:
            raise UserError(f'there is no run of {model}: train it first{similar(model)}')
    return [by_model[model] for model in dict.fromkeys(models)]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    runs = [run for run in all_runs() if args.name in (None, run.facts.get('data_set'))]
    if args.model:
        runs = _only(runs, [model.name for model in args.model])
    if not runs:
        raise UserError(f'{paths.shown(paths.METRICS_DIR)} holds no runs: train a model first')
    table = ranked(runs_table(runs), args.sort)
    for line in shown(table):
        say(line)
    with files.atomic(args.out / 'runs.csv') as stream:
        table.to_csv(stream, index=False, float_format='%.6g', lineterminator='\n')
    by_model = {run.model: run for run in runs}
    with files.atomic(args.out / 'runs.html') as stream:
        stream.write(page(table, columns_of(table), [by_model[model] for model in table['model']]))
    wrote(args.out / 'runs.csv', 'the same with every parameter')
    wrote(args.out / 'runs.html', 'the same as a page, with curves')
    next_step(f'open {shlex.quote(paths.shown(args.out / "runs.html"))}')


if __name__ == '__main__':
    errors.run(main)
