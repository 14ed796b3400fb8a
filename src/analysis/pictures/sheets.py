"""Many photos on one sheet, each with its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.analysis.pictures.style import INK, MUTED, PAPER, spoken
from src.common import files
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage

SIDE, GAP, MARGIN = 240, 24, 40  # pixels: a tile, between tiles, around them
TEXT_LINES = 2  # of a title or subtitle, before it is cut


@dataclass(frozen=True)
class Tile:
    """A picture of a contact sheet with its texts; `picture` is an encoded file, or
    [height, width, 3] uint8, or None where there is none. `source` is where to find it, one line."""

    picture: bytes | np.ndarray | None
    title: str
    subtitle: str = ''
    source: str = ''


def contact_sheet(tiles: Sequence[Tile], path: Path, columns: int, title: str = '', note: str = '') -> None:
    """A JPEG with the tiles in rows of `columns`, each picture whole and upright with its texts below.

    A picture that is missing or damaged is a grey tile. Texts that are too long wrap, then are cut.
    """
    fonts = _Fonts()
    width = 2 * MARGIN + columns * (SIDE + GAP) - GAP
    heading = [(line, fonts.heading, INK) for line in _wrap(title, fonts.heading, width - 2 * MARGIN, 3)]
    heading += [(line, fonts.text, MUTED) for line in _wrap(note, fonts.text, width - 2 * MARGIN, 3)]
    rows = [
        [(tile, _caption(tile, fonts)) for tile in tiles[i : i + columns]]
        for i in range(0, len(tiles), columns)
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
    # Without chroma subsampling, which would fray the letters.
    files.write_picture(path, sheet, format='JPEG', quality=90, subsampling=0)


class _Fonts:
    """Matplotlib's DejaVu Sans for Pillow, which has no such font of its own."""

    def __init__(self):
        import matplotlib

        folder = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
        self.text = ImageFont.truetype(folder / 'DejaVuSans.ttf', 15)
        self.small = ImageFont.truetype(folder / 'DejaVuSans.ttf', 12)
        self.bold = ImageFont.truetype(folder / 'DejaVuSans-Bold.ttf', 15)
        self.heading = ImageFont.truetype(folder / 'DejaVuSans-Bold.ttf', 24)


# Text of a contact sheet, ready to be written: each line with its font and colour.
Lines = list[tuple[str, ImageFont.FreeTypeFont, str]]


def _caption(tile: Tile, fonts: _Fonts) -> Lines:
    title = _wrap(spoken(tile.title), fonts.bold, SIDE, TEXT_LINES)
    subtitle = _wrap(spoken(tile.subtitle), fonts.text, SIDE, TEXT_LINES)
    lines = [(line, fonts.bold, INK) for line in title]
    lines += [(line, fonts.text, MUTED) for line in subtitle]
    if source := ' '.join(tile.source.split()):
        lines.append((_cut_start(source, fonts.small, SIDE), fonts.small, MUTED))
    return lines


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int, most: int) -> list[str]:
    """`text` as at most `most` lines that are no wider than `width`; what is left over becomes '…'."""
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


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '…') > width:
        text = text[:-1].rstrip()
    return text + '…'


def _cut_start(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """As `_cut`, from the left: names of files mostly differ at their end."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength('…' + text) > width:
        text = text[1:]
    return '…' + text


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    return round(1.2 * sum(font.getmetrics()))


def _text_height(lines: Lines) -> int:
    return sum(_line_height(font) for _, font, _ in lines)


def _write_lines(sheet: Image.Image, left: int, top: int, lines: Lines) -> None:
    draw = ImageDraw.Draw(sheet)
    for text, font, colour in lines:
        draw.text((left, top), text, fill=colour, font=font)
        top += _line_height(font)


def _thumbnail(picture: bytes | np.ndarray | None) -> Image.Image:
    """The whole picture, centred on a pale square of SIDE; grey where there is none to show."""
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
