"""Text in terminal columns: a Chinese character takes two columns, a combining accent none."""

from __future__ import annotations

from collections.abc import Sequence


def width(text: str) -> int:
    """The columns that `text` takes; the number of characters if it has control characters."""
    if text.isascii() and text.isprintable():
        return len(text)
    from wcwidth import wcswidth  # takes hundredths of a second

    columns = wcswidth(text)
    return len(text) if columns < 0 else columns


def ljust(text: str, columns: int) -> str:
    """`text` padded with spaces on the right to a width of `columns`."""
    return text + ' ' * (columns - width(text))


def rjust(text: str, columns: int) -> str:
    """`text` padded with spaces on the left to a width of `columns`."""
    return ' ' * (columns - width(text)) + text


def table(rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> list[str]:
    """Rows of cells as lines: `numeric` columns right-aligned, others left-aligned, two spaces between."""
    parts = []
    for cells, right in zip(zip(*rows, strict=True), numeric, strict=True):
        widest = max(map(width, cells))
        parts.append([rjust(cell, widest) if right else ljust(cell, widest) for cell in cells])
    return ['  '.join(line).rstrip() for line in zip(*parts, strict=True)]
