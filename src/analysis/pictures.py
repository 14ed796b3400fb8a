"""The one place that draws: heat maps, bar charts and contact sheets in one style.

    with drawing(path, width=8, height=4) as figure:     # a PNG, written whole or not at all
        figure.add_subplot().plot(steps, losses)

Charts are Matplotlib's, on its Agg canvas and without pyplot, so that no window system is needed and
a notebook's own figures are left alone. Matplotlib takes half a second to load: functions that need
it import it. Text may hold any character of DejaVu Sans (Latin, Greek, Cyrillic, Hebrew, Arabic, not
Chinese, Japanese or Korean); others show as boxes.
"""

from __future__ import annotations

import contextlib
import logging
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.common import files
from src.images.decode import BadImage, decode_with_pillow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK, MUTED, FAINT, PAPER = '#1f2933', '#61707f', '#e3e7eb', '#ffffff'
BLUE, ORANGE = '#2f6f9f', '#e2924a'  # told apart by colour-blind eyes, and in grey
DPI = 120

STYLE = {
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'text.color': INK,
    'text.parse_math': False,  # a $ in a name is a $
    'axes.titlesize': 13,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.titlepad': 12,
    'axes.labelcolor': MUTED,
    'axes.edgecolor': FAINT,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.prop_cycle': "cycler('color', ['#2f6f9f', '#e2924a', '#5b8c5a', '#9c5c8f', '#61707f'])",
    'grid.color': FAINT,
    'xtick.color': MUTED,
    'ytick.color': MUTED,
    'xtick.labelcolor': INK,
    'ytick.labelcolor': INK,
    'legend.frameon': False,
    'figure.facecolor': PAPER,
    'savefig.facecolor': PAPER,
}

NAME_LENGTH = 40  # letters of a name before it is cut


@contextlib.contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches in our style; it becomes the PNG `path` when the body ends well.

    The picture grows to hold what stands outside the figure, such as long labels, so nothing is cut.
    """
    # It warns on standard error of caches it builds, and of characters that the font lacks.
    logging.getLogger('matplotlib').setLevel(logging.ERROR)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure
        with files.atomic_path(path) as part:
            figure.savefig(part, format='png', dpi=DPI, bbox_inches='tight', pad_inches=0.25)


def heat_map(
    shares: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    title: str,
    row_title: str,
    column_title: str,
    scale_title: str,
    cells: np.ndarray | None = None,
) -> None:
    """A PNG of `shares` [rows, columns], 0 to 1, as colours; a row that is NaN is grey.

    The picture grows with the number of rows and columns. Small values are lifted (by their root), so
    that 2 % can be told from nothing next to 90 %. `cells` [rows, columns] are numbers to write into
    the cells, but for zeros.
    """
    height, width = (_cell_size(len(names), cells is not None) for names in (rows, columns))
    with drawing(path, width * len(columns), height * len(rows)) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        # Not `imshow`, which takes a gigabyte to enlarge the cells of a large map.
        colours, norm = _heat_colours()
        mesh = axes.pcolormesh(np.ma.masked_invalid(shares), cmap=colours, norm=norm)
        axes.invert_yaxis()
        _name_ticks(axes, rows, columns, height, width)
        if cells is not None:
            _write_cells(axes, cells, colours(norm(shares)))
        axes.set_xlabel(column_title, fontsize=11)
        axes.set_ylabel(row_title, fontsize=11)
        around = _extent(figure, axes)
        _colour_bar(figure, mesh, around, scale_title)
        _title_above(figure, around, title)


def bar_chart_pairs(
    pairs: Sequence[tuple[str, str, int, int]], path: Path, title: str, legend: tuple[str, str], x_title: str
) -> None:
    """A PNG with a bar for each pair (left name, right name, left number, right number), from the top
    down; the two numbers are stacked in two colours, which `legend` explains."""
    with drawing(path, 6.5, 0.32 * len(pairs) + 0.3) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        places = range(len(pairs))
        left, right = (np.array([pair[i] for pair in pairs]) for i in (2, 3))
        axes.barh(places, left, height=0.68, color=BLUE, label=legend[0])
        axes.barh(places, right, left=left, height=0.68, color=ORANGE, label=legend[1])
        for place, (a, b) in enumerate(zip(left, right, strict=True)):
            told = f'{a:,} + {b:,}' if b else f'{a:,}'
            axes.annotate(
                told, (a + b, place), (5, 0), textcoords='offset points', va='center_baseline', color=MUTED
            )
        axes.set_yticks(places, [f'{_short(pair[0])}  ·  {_short(pair[1])}' for pair in pairs])
        axes.set_ylim(len(pairs) - 0.4, -0.6)
        axes.tick_params(length=0)
        axes.spines['bottom'].set_visible(False)
        axes.grid(axis='x')
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(x_title)
        _legend_above(axes)
        _title_above(figure, _extent(figure, axes), title)


@dataclass(frozen=True)
class Tile:
    """A picture of a contact sheet with its two texts; `picture` is an encoded file, or
    [height, width, 3] uint8, or None where there is none."""

    picture: bytes | np.ndarray | None
    title: str
    subtitle: str = ''


SIDE, GAP, MARGIN = 240, 24, 40  # pixels: a tile, between tiles, around them
TEXT_LINES = 2  # of a title or subtitle, before it is cut


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
    with files.atomic_path(path) as part:
        # Without chroma subsampling, which would fray the letters.
        sheet.save(part, format='JPEG', quality=90, subsampling=0)


def _cell_size(number: int, written: bool) -> float:
    """Inches of a cell's side: room for its number, or for its name beside it while that is legible."""
    if written:
        return max(0.55, 4.4 / number)
    return min(0.17, 40 / number)  # 40 inches are 4,800 pixels; twice that would be a burden to open


def _heat_colours() -> tuple[Colormap, Normalize]:
    """White for nothing, then from light to dark, even to the eye."""
    import matplotlib
    from matplotlib.colors import ListedColormap, PowerNorm

    colours = ListedColormap(matplotlib.colormaps['magma_r'](np.linspace(0, 0.94, 256)))
    return colours.with_extremes(under=PAPER, bad=FAINT), PowerNorm(0.5, vmin=1e-9, vmax=1)


def _name_ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str], height: float, width: float) -> None:
    """Names on the axes, on all four sides of a large map, none where they would be too small to read."""
    size = min(10.0, 72 * 0.68 * min(height, width))
    legible = size >= 5
    column_names, turn = _column_names(columns, int(72 * width / (0.65 * size)))  # a letter is about so wide
    for axis, names in ((axes.yaxis, [_short(name) for name in rows]), (axes.xaxis, column_names)):
        axis.set_ticks(np.arange(len(names)) + 0.5 if legible else [], names if legible else [])
        axis.set_ticks(np.arange(1, len(names)) if legible else [], minor=True)  # lines between the cells
    axes.tick_params(which='both', length=0)
    axes.tick_params(labelsize=size)
    axes.tick_params(axis='x', labelrotation=turn)
    if max(len(rows), len(columns)) > 40:
        axes.tick_params(labeltop=True, labelright=True)
    axes.grid(which='minor', linewidth=0.5)
    axes.set_axisbelow(False)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _column_names(names: Sequence[str], letters: int) -> tuple[list[str], int]:
    """Names for columns that are so many letters wide, and the angle to write them at: level in up to
    three lines if all fit, else upright."""
    wrapped = [textwrap.wrap(_spoken(name), max(letters, 1), break_long_words=False) for name in names]
    if all(len(lines) <= 3 and max(map(len, lines), default=0) <= letters for lines in wrapped):
        return ['\n'.join(lines) for lines in wrapped], 0
    return [_short(name) for name in names], 90


def _write_cells(axes: Axes, cells: np.ndarray, colours: np.ndarray) -> None:
    light = colours[..., :3] @ (0.299, 0.587, 0.114) > 0.55  # how bright red, green and blue seem
    for row, column in zip(*np.nonzero(cells), strict=True):
        ink = INK if light[row, column] else PAPER
        axes.text(
            column + 0.5,
            row + 0.5,
            f'{cells[row, column]:,}',
            ha='center',
            va='center_baseline',
            color=ink,
            fontsize=9,
        )


def _extent(figure: Figure, axes: Axes) -> Bbox:
    """Where the axes with all their labels lie, in inches from the figure's lower left corner."""
    return axes.get_tightbbox(figure.canvas.get_renderer()).transformed(figure.dpi_scale_trans.inverted())


def _colour_bar(figure: Figure, scale: ScalarMappable, around: Bbox, title: str) -> None:
    """A colour scale to the right of all labels."""
    width, height = figure.get_size_inches()
    tall = min(height, 5)
    axes = figure.add_axes(((around.x1 + 0.25) / width, 1 - tall / height, 0.16 / width, tall / height))
    bar = figure.colorbar(scale, cax=axes, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], format='{x:.0%}')
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9)
    bar.set_label(title, fontsize=10)


def _legend_above(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc='lower left', bbox_to_anchor=(0, 1), ncols=len(labels), borderaxespad=0.2
    )


def _title_above(figure: Figure, around: Bbox, title: str) -> None:
    """The title above everything, flush with the labels on the left, so that it has the whole width."""
    width, height = figure.get_size_inches()
    figure.text(
        around.x0 / width,
        (around.y1 + 0.2) / height,
        title,
        fontsize=np.clip(width, STYLE['axes.titlesize'], 24),  # a large picture is looked at from afar
        fontweight=STYLE['axes.titleweight'],
        va='bottom',
    )


def _spoken(name: str) -> str:
    """A class name as people write it, on one line."""
    return ' '.join(name.replace('_', ' ').split())


def _short(name: str) -> str:
    name = _spoken(name)
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1].rstrip() + '…'


class _Fonts:
    """Matplotlib's DejaVu Sans for Pillow, which has no such font of its own."""

    def __init__(self):
        import matplotlib

        folder = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
        self.text = ImageFont.truetype(folder / 'DejaVuSans.ttf', 15)
        self.bold = ImageFont.truetype(folder / 'DejaVuSans-Bold.ttf', 15)
        self.heading = ImageFont.truetype(folder / 'DejaVuSans-Bold.ttf', 24)


# Text of a contact sheet, ready to be written: each line with its font and colour.
Lines = list[tuple[str, ImageFont.FreeTypeFont, str]]


def _caption(tile: Tile, fonts: _Fonts) -> Lines:
    title = _wrap(_spoken(tile.title), fonts.bold, SIDE, TEXT_LINES)
    subtitle = _wrap(_spoken(tile.subtitle), fonts.text, SIDE, TEXT_LINES)
    return [(line, fonts.bold, INK) for line in title] + [(line, fonts.text, MUTED) for line in subtitle]


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
