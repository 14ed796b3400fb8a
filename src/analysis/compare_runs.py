"""All training runs side by side: recipe, parameters, time and scores, sorted.

    python -m src.analysis.compare_runs
    python -m src.analysis.compare_runs --sort seconds --name cifar10

Prints a table and writes metrics/runs.csv, with every parameter, and metrics/runs.html: one page without
anything from elsewhere, whose table sorts by a click on a column's name, with the curves below.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from src.analysis.runs import Run, all_runs
from src.analysis.runs_page import page
from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.progress import next_step, say, wrote

# Columns of the table, and whether more is better.
COLUMNS = {
    'model': False,
    'recipe': False,
    'seconds': False,
    'epochs': False,
    'best_validation_top_1': True,
    'best_validation_log_loss': False,
    'test_top_1': True,
    'test_log_loss': False,
    'seed': False,
}


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run: the columns COLUMNS, then all settings."""
    return pd.DataFrame([_row(run) for run in runs])


def _row(run: Run) -> dict:
    test = run.facts['scores'].get('test', {})
    top_1, log_loss = run.best('validation_accuracy'), run.best('validation_log_loss')
    told = {
        'model': run.model,
        'recipe': run.recipe,
        'seconds': run.facts.get('seconds'),
        'epochs': round(run.facts.get('steps', 0) / run.steps_in_epoch, 1),
        'best_validation_top_1': top_1 and top_1[0],
        'best_validation_log_loss': log_loss and log_loss[0],
        'test_top_1': test.get('top_1'),
        'test_log_loss': test.get('log_loss'),
    }
    settings = {key: value for key, value in run.settings.items() if key != 'epochs'}
    return told | {'seed': settings.pop('seed', None), 'data_set': run.facts.get('data_set')} | settings


def shown(table: pd.DataFrame) -> list[str]:
    """The columns COLUMNS as lines for the terminal."""
    formats = {
        'seconds': '{:,.0f}'.format,
        'best_validation_top_1': '{:.1%}'.format,
        'test_top_1': '{:.1%}'.format,
        'best_validation_log_loss': '{:.3f}'.format,
        'test_log_loss': '{:.3f}'.format,
    }
    short = table[list(COLUMNS)].rename(columns=lambda name: name.removeprefix('best_').replace('_', ' '))
    short_formats = {key.removeprefix('best_').replace('_', ' '): made for key, made in formats.items()}
    return short.to_string(index=False, formatters=short_formats, na_rep='–').splitlines()


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.compare_runs', __doc__)
    made.add_argument('--name', type=cli.plain_name, help='only runs on this data set')
    made.add_argument(
        '--sort', choices=list(COLUMNS), default='best_validation_top_1', help='default: %(default)s'
    )
    made.add_argument('--out', type=Path, metavar='DIR', default=paths.METRICS_DIR, help='default: metrics/')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    runs = [run for run in all_runs() if args.name in (None, run.facts.get('data_set'))]
    if not runs:
        raise UserError(f'{paths.shown(paths.METRICS_DIR)} holds no runs: train a model first')
    table = runs_table(runs).sort_values(args.sort, ascending=not COLUMNS[args.sort], na_position='last')
    for line in shown(table):
        say(line)
    with files.atomic(args.out / 'runs.csv') as stream:
        table.to_csv(stream, index=False, float_format='%.6g', lineterminator='\n')
    by_model = {run.model: run for run in runs}
    with files.atomic(args.out / 'runs.html') as stream:
        stream.write(page(table, list(COLUMNS), [by_model[model] for model in table['model']]))
    wrote(args.out / 'runs.csv', 'the same with every parameter')
    wrote(args.out / 'runs.html', 'the same as a page, with curves')
    next_step(f'open {shlex.quote(paths.shown(args.out / "runs.html"))}')


if __name__ == '__main__':
    errors.run(main)
