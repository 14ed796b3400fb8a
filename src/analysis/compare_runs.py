"""Compare all training runs: recipe, settings, time and scores, ranked within each data set.

    python -m src.analysis.compare_runs
    python -m src.analysis.compare_runs --sort seconds --name cifar10

Scores are those of the saved models, on all photos of a split. Prints a table, and writes metrics/runs.csv
with every setting, temperatures and calibration errors, and metrics/runs.html: a self-contained page with the
curves of the runs and a table that can be sorted by a click on a header.
"""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.analysis.runs import Run, all_runs
from src.analysis.runs_page import page, text_of
from src.common import cli, columns, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name, similar
from src.common.progress import next_step, say, wrote
from src.records.next_commands import similar_data_sets
from src.records.trainings import distilled_by
from src.scoring.kinds import CROSS_VALIDATION, learned_from

if TYPE_CHECKING:
    import pandas as pd

PARTS = ('validation', 'test', CROSS_VALIDATION)
CALIBRATION_ERROR = 'calibration_error'  # in the CSV alone
# The columns of scores: part and measure.
SCORES = {
    f'{part.replace("-", "_")}_{measure}': (part, measure)
    for part in PARTS
    for measure in ('top_1', 'log_loss')
}
COLUMNS = ('model', 'data_set', 'backbone', 'recipe', 'seconds', 'epochs', *SCORES, 'seed')
# Columns that the terminal does not repeat in each row if all runs have the same value.
COMMON = ('backbone', 'recipe', 'seed')
WIDTH = 120  # characters of a line in the terminal
RECIPE_WIDTH = 20  # minimum


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each run: COLUMNS, the training scores, then all settings."""
    import pandas as pd

    names = data_set_names(runs)
    table = pd.DataFrame([_row(run, name) for run, name in zip(runs, names, strict=True)])
    scores = [name for name in table if name.endswith(('top_1', 'log_loss'))]
    return table.astype(dict.fromkeys(scores, float))  # None becomes NaN


def data_set_names(runs: Sequence[Run]) -> list[str]:
    """The data set of each run. Where runs used other photos or classes under the same name, their scores
    cannot be compared, so the numbers of classes and photos are added to the name."""
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
    row = {
        'model': run.model,
        'data_set': data_set,
        'backbone': run.backbone,
        'recipe': run.recipe,
        'seconds': run.facts.get('seconds'),
        'epochs': round(run.facts.get('steps', 0) / run.steps_in_epoch, 1),
    }
    settings = {key: value for key, value in run.settings.items() if key != 'epochs'}
    row |= {name: run.score(part, measure) for name, (part, measure) in SCORES.items()}
    row |= {'seed': settings.pop('seed', None), 'learned_from': ' '.join(learned_from(run.facts))}
    row |= {f'training_score_{measure}': run.score('train', measure) for measure in ('top_1', 'log_loss')}
    row |= {
        f'{part.replace("-", "_")}_{CALIBRATION_ERROR}': run.score(part, CALIBRATION_ERROR) for part in PARTS
    }
    return row | {'temperature': run.facts.get('calibration', {}).get('temperature')} | settings


def ranked(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows grouped by data set, in each group the best first by the column `by`."""
    rows = table.sort_values(by, ascending=not by.endswith('top_1'), na_position='last', kind='stable')
    return rows.sort_values('data_set', kind='stable', ignore_index=True)


def columns_of(table: pd.DataFrame) -> list[str]:
    """The columns of the page: those of cross-validation only if a run has it."""
    return [n for n in COLUMNS if not n.startswith('cross_validation') or table[n].notna().any()]


def printed(table: pd.DataFrame) -> list[str]:
    """The table as lines for the terminal, at most WIDTH wide unless names are very long.

    The data sets are headings. Columns of COMMON that have the same value in all rows are a line below. The
    recipe is the last column and wraps.
    """
    import pandas as pd

    common = [name for name in COMMON if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    names = [name for name in columns_of(table) if name not in ('data_set', 'recipe', *common)]
    rows = [list(titles) for titles in zip(*map(_header, names), strict=True)]
    rows += [[text_of(name, row[name]) for name in names] for row in table.to_dict('records')]
    lines = columns.table(rows, [pd.api.types.is_numeric_dtype(table[name]) for name in names])
    if 'recipe' not in common:
        lines = _with_recipes(lines, list(table['recipe']))
    out = lines[:2]
    for place, data_set in enumerate(table['data_set']):
        if place == 0 or data_set != table['data_set'][place - 1]:
            out += ['', f'data set {data_set}']
        out.append(lines[2 + place])
    same = [f'{name} {text_of(name, table[name][0])}' for name in common if pd.notna(table[name][0])]
    return [*out, '', 'all runs: ' + ', '.join(same)] if same else out


def _with_recipes(lines: Sequence[str], recipes: Sequence[str]) -> list[str]:
    """Add the recipes as last column, which wraps, to two header lines and a line for each recipe. Where less
    than RECIPE_WIDTH is left, each recipe is below its row instead."""
    top, bottom, *rows = lines
    left = max(map(columns.width, lines)) + 2
    if below := WIDTH - left < RECIPE_WIDTH:
        left = 4
    else:
        bottom = columns.ljust(bottom, left) + 'recipe'
    fill = textwrap.TextWrapper(WIDTH - left, break_long_words=False, break_on_hyphens=False)
    for place, recipe in enumerate(recipes):
        first, *rest = fill.wrap(f'recipe {recipe}' if below else recipe)
        row = f'{rows[place]}\n    ' if below else columns.ljust(rows[place], left)
        rows[place] = f'\n{" " * left}'.join([row + first, *rest])
    return [top, bottom, *rows]


def _header(name: str) -> tuple[str, str]:
    """The two lines of a column's header: 'val' above 'top-1'."""
    part, measure = SCORES.get(name, ('', name))
    short = {'validation': 'val', CROSS_VALIDATION: 'CV', 'top_1': 'top-1', 'log_loss': 'loss'}
    return short.get(part, part), short.get(measure, measure)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.compare_runs', __doc__)
    made.add_argument('--name', type=plain_name, help='data set (default: all)')
    cli.add_model(made, default='all; may be given several times', action='append')
    ranks = f'column to rank by: {", ".join(COLUMNS)} (default: %(default)s)'
    made.add_argument('--sort', choices=COLUMNS, default='validation_top_1', metavar='COLUMN', help=ranks)
    made.add_argument('--out', type=Path, metavar='DIR', default=paths.METRICS_DIR, help='default: metrics/')
    return made.parse_args(argv)


def _only(runs: Sequence[Run], models: Sequence[str]) -> list[Run]:
    """The runs of some models. Raises UserError for a model without a run, with similar names."""
    by_model = {run.model: run for run in runs}
    for model in models:
        if model not in by_model:
            if command := distilled_by(model):
                raise UserError(f'there is no run of {model}: {command}, which trained it, writes no scores')
            raise UserError(f'there is no run of {model}: train it first{similar(model)}')
    return [by_model[model] for model in dict.fromkeys(models)]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    runs = [run for run in all_runs() if args.name in (None, run.facts.get('data_set'))]
    if args.model:
        runs = _only(runs, [model.name for model in args.model])
    if not runs:
        on = f' on {args.name}' if args.name else ''
        near = similar_data_sets(args.name) if args.name else ''
        raise UserError(f'{paths.shown(paths.METRICS_DIR)} holds no runs{on}: train a model first{near}')
    table = ranked(runs_table(runs), args.sort)
    for line in printed(table):
        say(line)
    with files.atomic(args.out / 'runs.csv') as stream:
        table.to_csv(stream, index=False, float_format='%.6g', lineterminator='\n')
    by_model = {run.model: run for run in runs}
    with files.atomic(args.out / 'runs.html') as stream:
        stream.write(page(table, columns_of(table), [by_model[model] for model in table['model']]))
    page_path = args.out / 'runs.html'
    wrote(args.out / 'runs.csv', f'{count(len(runs), "run")} with every setting', [page_path])
    wrote(page_path, 'the table and the curves as a page')
    next_step(f'open {shlex.quote(paths.shown(args.out / "runs.html"))}')


if __name__ == '__main__':
    errors.run(main)
