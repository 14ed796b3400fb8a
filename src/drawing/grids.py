"""Grids of small pictures with captions, as one Pillow image: channels, filters, maps of importance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from src.drawing.fonts import writable
from src.drawing.sheets import (
    GAP,
    HEADING,
    MARGIN,
    SMALL,
    TEXT,
    Lines,
    _cut,
    _text_height,
    _wrap,
    _write_lines,
)
from src.drawing.style import INK, MUTED, PAPER

BETWEEN = 8  # pixels between cells
LEAST_WIDTH = 640  # of the whole picture, for the heading


@dataclass(frozen=True)
class Cell:
    """A picture [height, width, 3] uint8 of a grid, and a caption of one line."""

    picture: np.ndarray
    caption: str = ''


def grid(
    cells: Sequence[Cell],
    columns: int,
    side: int,
    title: str,
    note: str = '',
    beside: Cell | None = None,
) -> Image.Image:
    """Cells in rows of `columns`, each scaled to the height `side` in pixels; `beside` stands larger to their
    left. Small pictures are enlarged without smoothing, so that each of their pixels can be seen."""
    pictures = [_scaled(cell.picture, side) for cell in cells]
    wide = max((picture.width for picture in pictures), default=side) + BETWEEN
    caption = SMALL.line_height + 4 if any(cell.caption for cell in cells) else 0
    high = side + caption + BETWEEN
    large = _scaled(beside.picture, 2 * side) if beside else None
    left = MARGIN + (large.width + GAP if large else 0)
    rows = math.ceil(len(cells) / columns)
    width = max(left + columns * wide - BETWEEN + MARGIN, LEAST_WIDTH)
    heading: Lines = [(line, HEADING, INK) for line in _wrap(writable(title), HEADING, width - 2 * MARGIN, 2)]
    heading += [(line, TEXT, MUTED) for line in _wrap(writable(note), TEXT, width - 2 * MARGIN, 4)]
    top = MARGIN + _text_height(heading) + GAP
    least = large.height + SMALL.line_height + 4 if large else 0
    made = Image.new('RGB', (width, top + max(rows * high - BETWEEN, least) + MARGIN), PAPER)
    _write_lines(made, MARGIN, MARGIN, heading)
    if large:
        _put(made, large, MARGIN, top, beside.caption)
    for i, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        _put(made, picture, left + i % columns * wide, top + i // columns * high, cell.caption)
    return made


def _put(made: Image.Image, picture: Image.Image, left: int, top: int, caption: str) -> None:
    made.paste(picture, (left, top))
    text = _cut(writable(caption), SMALL, picture.width)
    _write_lines(made, left, top + picture.height + 2, [(text, SMALL, MUTED)])


def _scaled(picture: np.ndarray, height: int) -> Image.Image:
    image = Image.fromarray(picture)
    width = max(1, round(image.width * height / image.height))
    smooth = image.height > height
    return image.resize((width, height), Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)
