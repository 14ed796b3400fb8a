"""How benchmarks print and save their results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common import files
from src.common.progress import say, wrote


def add_output(made: argparse.ArgumentParser) -> None:
    """The flags of `show`."""
    made.add_argument('--json', type=Path, metavar='FILE', help='write all figures to FILE')
    made.add_argument('--markdown', action='store_true', help='print a section of Markdown')


def show(
    args: argparse.Namespace,
    title: str,
    lines: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    results: dict,
) -> None:
    """Print a table below some lines, and write `results` to the file of --json if it is given."""
    table = as_markdown if args.markdown else as_text
    say(table(title, lines, columns, rows))
    if args.json:
        files.write_json(args.json, results)
        wrote(args.json, 'all figures')


def as_text(title: str, lines: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text for a terminal: names left-aligned, figures right-aligned."""
    # A remark in place of figures may be wider than its column.
    measured = [row for row in rows if any(row[2:])]
    widths = [max(len(row[i]) for row in (columns, *measured)) for i in range(len(columns))]
    widths[0] = max(len(row[0]) for row in (columns, *rows))

    def line(row: Sequence[str]) -> str:
        figures = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return '   '.join([row[0].ljust(widths[0]), *figures]).rstrip()

    return '\n'.join([title, *lines, '', line(columns), *map(line, rows)])


def as_markdown(
    title: str, lines: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """A section of Markdown."""
    ruler = ['---', *['---:'] * (len(columns) - 1)]
    table = ['| ' + ' | '.join(row) + ' |' for row in (columns, ruler, *rows)]
    return '\n\n'.join([f'## {title}', *lines, '\n'.join(table)]) + '\n'
