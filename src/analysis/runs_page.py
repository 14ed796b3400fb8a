"""Training runs as one self-contained HTML page: a sortable table, and charts on a common scale.

The table fits a window of 1,280 pixels: long names wrap, numbers do not.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from src.analysis.runs import MEASURES, Run
from src.drawing.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER

WIDTH, HEIGHT = 300, 170  # of a chart, in pixels
LEFT, BELOW, ABOVE = 38, 20, 8  # margins of a chart; those at the left and below hold its numbers
if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 300, 170  # of a chart, with room at the left and below for numbers
LEFT, BELOW, ABOVE = 38, 20, 8

STYLE = f"""
:root {{ color-scheme: light dark; --ink: {INK}; --muted: {MUTED}; --line: {FAINT}; --paper: {PAPER};
  --validation: {BLUE}; --train: {ORANGE}; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6eaee; --muted: #9aa7b4; --line: #38424d; --paper: #171c21; --validation: #6db1e4; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; }}
th, td {{ padding: .3rem .35rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: bottom; }}
td {{ white-space: nowrap; vertical-align: top; }}
tbody + tbody {{ border-top: 3px solid var(--muted); }}
th button {{ all: unset; cursor: pointer; font-weight: 600; }}
th button:focus-visible {{ outline: 2px solid; }}
th[aria-sort=ascending] button::after {{ content: " ▲"; }}
th[aria-sort=descending] button::after {{ content: " ▼"; }}
.runs {{ display: grid; grid-template-columns: repeat(auto-fill, minmax({WIDTH}px, 1fr)); gap: 1.5rem; }}
figure {{ margin: 0; }} figcaption {{ font-weight: 600; overflow-wrap: anywhere; }}
svg {{ width: 100%; height: auto; overflow: visible; }} svg text {{ fill: var(--muted); font-size: 11px; }}
svg line {{ stroke: var(--line); }} .muted {{ color: var(--muted); }}
.train {{ color: var(--train); }} .validation {{ color: var(--validation); }}
.key {{ border-bottom: 3px solid; }} .key span {{ color: var(--muted); }}
"""

SCRIPT = """
for (const head of document.querySelectorAll('th')) {
  head.firstChild.addEventListener('click', () => {
    const place = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute('aria-sort') !== 'ascending';
    for (const other of head.parentNode.children) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const value = row => row.children[place].dataset.value;
    for (const body of document.querySelectorAll('tbody')) {  // one for each data set
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = up ? [value(a), value(b)] : [value(b), value(a)];
        if (x === '' || y === '') return (value(a) === '') - (value(b) === '');
        return isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      });
      body.append(...rows);
    }
  });
}
"""


def page(table: pd.DataFrame, columns: Sequence[str], runs: Sequence[Run]) -> str:
    """The HTML of the page. `runs` are in the order of the rows of `table`, which are grouped by data set."""
    heads = ''.join(f'<th scope="col"><button>{_heading(name)}</button></th>' for name in columns)
    bodies = ''
    for _, group in table.groupby('data_set', sort=False):
        rows = (''.join(_cell(name, row[name]) for name in columns) for row in group.to_dict('records'))
        bodies += f'<tbody>{"".join(f"<tr>{row}</tr>" for row in rows)}</tbody>'
    charts = ''.join(
        f'<h2>{measure.capitalize()} over epochs</h2><div class="runs">{_charts(measure, runs)}</div>'
        for measure in MEASURES
    )
    style = STYLE + _text_style(table, columns)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training runs</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style>'
        f'<h1>Training runs</h1><div class="table" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f'{bodies}</table></div>{charts}<script>{SCRIPT}</script></html>\n'
    )


def text_of(name: str, value) -> str:
    """A value of the column `name` as text, a dash if it is missing."""
    if value is None or value != value:  # NaN
        return '–'
    if name.endswith('top_1'):
        return f'{value:.1%}'
    if isinstance(value, float):
        form = ',.3f' if 'loss' in name else ',.1f' if name == 'seconds' else ',.6g'
        return f'{value:{form}}'
    return str(value)


def _cell(name: str, value) -> str:
    text = text_of(name, value)
    shown = _breakable(text) if isinstance(value, str) else html.escape(text)
    return f'<td data-value="{"" if text == "–" else html.escape(str(value))}">{shown}</td>'


def _text_style(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """CSS for the columns of text: left-aligned, wrapping."""
    from pandas.api.types import is_numeric_dtype

    rule = '{ text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 5.5rem; }'
    places = [place for place, name in enumerate(columns, 1) if not is_numeric_dtype(table[name])]
    return ', '.join(f':is(th, td):nth-child({place})' for place in places) + f' {rule}'


def _breakable(name: str) -> str:
    """A name as HTML that may wrap after `_`, `/`, `.` and `-`."""
    return re.sub(r'([_/.-])(?=\w)', r'\1<wbr>', html.escape(name))


def _heading(name: str) -> str:
    """The header of a column."""
    return name.replace('_', ' ').replace('top 1', 'top-1')


def _charts(measure: str, runs: Sequence[Run]) -> str:
    """A chart for each run that has such curves, all with the same scale."""
    curves = [run.curves_of(measure) for run in runs]
    values = np.concatenate([[], *(curve.values for of_run in curves for curve in of_run.values())])
    if not len(values):
        return '<p class="muted">No run has this curve.</p>'
    ticks = round_values(1.0 if measure == 'accuracy' else float(np.quantile(values, 0.98)) or 1.0)
    return ''.join(
        f'<figure>{_chart(run, of_run, ticks, measure)}'
        f'<figcaption>{_breakable(run.model)}</figcaption>'
        f'<span class="muted">{html.escape(run.recipe)}: {_legend(of_run)}</span></figure>'
        for run, of_run in zip(runs, curves, strict=True)
        if of_run
    )


def round_values(high: float) -> list[float]:
    """About five round numbers from 0 to `high`, or to the next one beyond it."""
    from matplotlib.ticker import MaxNLocator

    return [float(value) for value in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, high)]


def _legend(curves: dict) -> str:
    return ', '.join(f'<span class="key {part}"><span>{part}</span></span>' for part in curves)


def _chart(run: Run, curves: dict, ticks: list[float], measure: str) -> str:
    """An SVG. Values above the last tick are drawn at the edge."""
    # A run that was evaluated only before its first step has a single point, at 0.
    last = max(curve.steps[-1] for curve in curves.values()) / run.steps_in_epoch or 1
    bottom, wide = HEIGHT - BELOW, WIDTH - LEFT - 8

    def y(value: float) -> float:
        return bottom - min(value, ticks[-1]) / ticks[-1] * (bottom - ABOVE)

    parts = []
    for value in ticks:
        text = f'{value:.0%}' if measure == 'accuracy' else f'{value:g}'
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for part, curve in curves.items():
        places = LEFT + wide * curve.steps / run.steps_in_epoch / last
        points = ' '.join(f'{x:.1f},{y(v):.1f}' for x, v in zip(places, curve.values, strict=True))
        line = f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="2"/>'
        end = f'<circle cx="{places[-1]:.1f}" cy="{y(curve.values[-1]):.1f}" r="3" fill="currentColor"/>'
        parts.append(f'<g class="{part}">{line}{end}</g>')
    for value in round_values(last):
        if value <= last:
            x = LEFT + wide * value / last
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{value:g}</text>')
    saved = run.score('validation', 'top_1' if measure == 'accuracy' else 'log_loss')
    note = f', validation of the saved model {saved:.4g}' if saved is not None else ''
    label = html.escape(f'{measure} of {run.model} over {last:.3g} epochs{note}')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
