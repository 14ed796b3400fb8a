"""Text in terminal columns: a Chinese character takes two columns, a combining accent none. Control
characters, which file names may hold, are shown as escapes."""

from __future__ import annotations

from collections.abc import Sequence

_CONTROL = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}
_UNUSUAL = {code: escape for code, escape in _CONTROL.items() if chr(code) not in '\n\t'}


def escaped(text: str) -> str:
    """`text` with escapes in place of control characters, which a terminal would obey; line breaks and tabs
    stay."""
    return text.translate(_UNUSUAL)


def on_one_line(text: str) -> str:
    """`text`, such as a file name, with escapes in place of line breaks and tabs too."""
    return text.translate(_CONTROL)


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
