"""How benchmarks print what they found."""

from __future__ import annotations

from collections.abc import Sequence


def as_text(title: str, lines: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """For a terminal: names to the left, figures to the right."""
    # A remark in place of figures may be as long as it likes.
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
    """A section of a document."""
    ruler = ['---', *['---:'] * (len(columns) - 1)]
    table = ['| ' + ' | '.join(row) + ' |' for row in (columns, ruler, *rows)]
    return '\n\n'.join([f'## {title}', *lines, '\n'.join(table)]) + '\n'
