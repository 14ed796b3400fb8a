"""Contact sheets: many photos in one picture, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from src.common import files
from src.drawing import fonts
from src.drawing.fonts import writable
from src.drawing.style import INK, MUTED, PAPER, readable
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage

SIDE, GAP, MARGIN = 240, 24, 40  # pixels: side of a tile, space between tiles, border
TEXT_LINES = 2  # maximum of a title or subtitle
# Of a whole line, so that '31% ' is left of a Hebrew name. Pillow without libraqm takes no direction.
DIRECTION = 'ltr' if features.check('raqm') else None


@dataclass(frozen=True)
class Tile:
    """A picture of a contact sheet with its caption.

    `picture` is an encoded file, or pixels [height, width, 3] uint8, or None if it is missing; `source` is
    the name of its file.
    """

    picture: bytes | np.ndarray | None
    title: str
    subtitle: str = ''
    source: str = ''


def contact_sheet(tiles: Sequence[Tile], path: Path, columns: int, title: str = '', note: str = '') -> None:
    """Write a JPEG with the tiles in rows of `columns`: whole, upright pictures with captions below.

    A missing or damaged picture is a gray tile. Long texts wrap, then are truncated.
    """
    width = 2 * MARGIN + columns * (SIDE + GAP) - GAP
    inner = width - 2 * MARGIN
    heading = [(line, HEADING, INK) for line in _wrap(writable(title), HEADING, inner, 3)]
    heading += [(line, TEXT, MUTED) for line in _wrap(note, TEXT, inner, 3)]
    rows = [
        [(tile, _caption(tile)) for tile in tiles[i : i + columns]] for i in range(0, len(tiles), columns)
    ]
    top = MARGIN + _text_height(heading) + (GAP if heading else 0)
    heights = [SIDE + 8 + max(_text_height(caption) for _, caption in row) + GAP for row in rows]
    sheet = Image.new('RGB', (width, top + sum(heights) - GAP + MARGIN), PAPER)
    _write_lines(sheet, MARGIN, MARGIN, heading)
    for row, height in zip(rows, heights, strict=True):
        for column, (tile, caption) in enumerate(row):
            left = MARGIN + column * (SIDE + GAP)
            sheet.paste(_thumbnail(tile.picture), (left, top))
            _write_lines(sheet, left, top + SIDE + 8, caption)
        top += height
    # Without chroma subsampling, which would blur the letters.
    files.write_picture(path, sheet, format='JPEG', quality=90, subsampling=0)


class Face:
    """A font size and weight, in all font families that a text needs."""

    def __init__(self, size: int, bold: bool = False):
        self.size, self.bold = size, bold
        self._fonts: dict[str, ImageFont.FreeTypeFont] = {}

    def getlength(self, text: str) -> float:
        """The width of a text in pixels."""
        return sum(self._font(name).getlength(part) for part, name in fonts.runs(text))

    @property
    def line_height(self) -> int:
        return round(1.2 * sum(self._font(fonts.BASE).getmetrics()))

    def write(self, draw: ImageDraw.ImageDraw, left: float, top: float, text: str, color: str) -> None:
        baseline = top + self._font(fonts.BASE).getmetrics()[0]
        for part, name in fonts.runs(text):
            draw.text(
                (left, baseline), part, fill=color, font=self._font(name), anchor='ls', direction=DIRECTION
            )
            left += self._font(name).getlength(part)

    def _font(self, name: str) -> ImageFont.FreeTypeFont:
        if name not in self._fonts:
            path, place = fonts.font_file(name, self.bold)
            self._fonts[name] = ImageFont.truetype(path, self.size, place)
        return self._fonts[name]


TEXT, SMALL, BOLD, HEADING = Face(15), Face(12), Face(15, bold=True), Face(24, bold=True)
# The lines of a text, each with its face and color.
Lines = list[tuple[str, Face, str]]


def _caption(tile: Tile) -> Lines:
    title = _wrap(readable(tile.title), BOLD, SIDE, TEXT_LINES)
    subtitle = _wrap(readable(tile.subtitle), TEXT, SIDE, TEXT_LINES)
    lines = [(line, BOLD, INK) for line in title]
    lines += [(line, TEXT, MUTED) for line in subtitle]
    if source := writable(' '.join(tile.source.split())):
        # File names mostly differ at their end.
        lines.append((_cut(source, SMALL, SIDE, keep_end=True), SMALL, MUTED))
    return lines


def _wrap(text: str, font: Face, width: int, most: int) -> list[str]:
    """`text` in at most `most` lines of at most `width` pixels; the rest is replaced by '…'."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most:
        if len(lines) == most - 1:
            return [*lines, _cut(' '.join(words), font, width)]
        line = words.pop(0)
        while words and font.getlength(f'{line} {words[0]}') <= width:
            line += ' ' + words.pop(0)
        lines.append(_cut(line, font, width))
    return lines


def _cut(text: str, font: Face, width: int, keep_end: bool = False) -> str:
    """`text`, truncated at its end or start with '…' if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '…') > width:
        text = text[1:] if keep_end else text[:-1].rstrip()
    return f'…{text}' if keep_end else f'{text}…'


def _text_height(lines: Lines) -> int:
    return sum(face.line_height for _, face, _ in lines)


def _write_lines(sheet: Image.Image, left: int, top: int, lines: Lines) -> None:
    draw = ImageDraw.Draw(sheet)
    for text, face, color in lines:
        face.write(draw, left, top, text, color)
        top += face.line_height


def _thumbnail(picture: bytes | np.ndarray | None) -> Image.Image:
    """The whole picture, centered on a pale square of SIDE; a gray square if it is missing or damaged."""
    try:
        pixels = decode_with_pillow(picture) if isinstance(picture, bytes) else picture
    except BadImage:
        pixels = None
    if pixels is None:
        return Image.new('RGB', (SIDE, SIDE), '#c3cad1')
    image = Image.fromarray(pixels)
    scale = SIDE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    tile = Image.new('RGB', (SIDE, SIDE), '#f1f3f5')
    tile.paste(image.resize(size, Image.Resampling.LANCZOS), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return tile
