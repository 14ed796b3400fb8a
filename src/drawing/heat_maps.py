"""Matrices as heat maps, with names of rows and columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import columns
from src.drawing.style import FAINT, INK, PAPER, drawing, extent, short, title_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox


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
    """Write a PNG of `shares` [rows, columns], from 0 to 1, as a heat map; NaN is gray.

    The picture grows with the number of rows and columns. The color scale is that of the square root, so that
    2 % differs visibly from 0 next to 90 %. `cells` [rows, columns] are numbers to write into the cells;
    zeros are left out.
    """
    height, width = (_cell_size(len(names), cells is not None) for names in (rows, columns))
    with drawing(path, width * len(columns), height * len(rows), [*rows, *columns, title]) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        # Not `imshow`, which takes a gigabyte to enlarge the cells of a large map.
        colors, norm = _heat_colors()
        mesh = axes.pcolormesh(np.ma.masked_invalid(shares), cmap=colors, norm=norm)
        axes.invert_yaxis()
        _name_ticks(axes, rows, columns, height, width)
        if cells is not None:
            _write_cells(axes, cells, colors(norm(shares)), np.clip(14 * min(height, width), 9, 18))
        size = np.clip(0.8 * min(figure.get_size_inches()), 11, 16)  # large pictures are viewed scaled down
        axes.set_xlabel(column_title, fontsize=size)
        axes.set_ylabel(row_title, fontsize=size)
        around = extent(figure, axes)
        _color_bar(figure, mesh, around, scale_title)
        title_above(figure, around, title)


def _cell_size(number: int, written: bool) -> float:
    """The side of a cell in inches: enough for the number in it, or for a legible name next to it."""
    if written:
        return max(0.55, 4.4 / number)
    return min(0.17, 40 / number)  # 40 inches are 4,800 pixels: larger pictures are slow to open


def _heat_colors() -> tuple[Colormap, Normalize]:
    """White for 0, then a perceptually uniform scale from light to dark."""
    import matplotlib
    from matplotlib.colors import ListedColormap, PowerNorm

    colors = ListedColormap(matplotlib.colormaps['magma_r'](np.linspace(0, 0.94, 256)))
    return colors.with_extremes(under=PAPER, bad=FAINT), PowerNorm(0.5, vmin=1e-9, vmax=1)


def _name_ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str], height: float, width: float) -> None:
    """Write the names on the axes, on all four sides of a large map; none where they would be illegible."""
    size = min(10.0, 72 * 0.68 * min(height, width))
    legible = size >= 5
    letters = int(72 * width / (0.65 * size))  # a letter is 0.65 of the font size wide on average
    column_names, turn = _column_names(columns, letters)
    for axis, names in ((axes.yaxis, [short(name) for name in rows]), (axes.xaxis, column_names)):
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
    """Column names and their angle, for columns `letters` wide: horizontal in up to four lines if all fit,
    else vertical."""
    names = [short(name) for name in names]
    wrapped = [textwrap.wrap(name, max(letters, 1), break_long_words=False) for name in names]
    if all(len(lines) <= 4 and max(map(columns.width, lines), default=0) <= letters for lines in wrapped):
        return ['\n'.join(lines) for lines in wrapped], 0
    return names, 90


def _write_cells(axes: Axes, cells: np.ndarray, colors: np.ndarray, size: float) -> None:
    light = colors[..., :3] @ (0.299, 0.587, 0.114) > 0.55  # luma weights of ITU-R BT.601
    for row, column in zip(*np.nonzero(cells), strict=True):
        ink = INK if light[row, column] else PAPER
        number = f'{cells[row, column]:,}'
        at = {'ha': 'center', 'va': 'center_baseline'}
        axes.text(column + 0.5, row + 0.5, number, color=ink, fontsize=size, **at)


def _color_bar(figure: Figure, scale: ScalarMappable, around: Bbox, title: str) -> None:
    """Draw the color scale to the right of all labels."""
    width, height = figure.get_size_inches()
    tall = min(height, 5)
    axes = figure.add_axes(((around.x1 + 0.25) / width, 1 - tall / height, 0.16 / width, tall / height))
    bar = figure.colorbar(scale, cax=axes, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], format='{x:.0%}')
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9)
    bar.set_label(title, fontsize=10)
