"""Matrices as colours, with names on both sides."""

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
    """A PNG of `shares` [rows, columns], 0 to 1, as colours; a row that is NaN is grey.

    The picture grows with the number of rows and columns. Small values are lifted (by their root), so
    that 2 % can be told from nothing next to 90 %. `cells` [rows, columns] are numbers to write into
    the cells, but for zeros.
    """
    height, width = (_cell_size(len(names), cells is not None) for names in (rows, columns))
    with drawing(path, width * len(columns), height * len(rows), [*rows, *columns, title]) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        # Not `imshow`, which takes a gigabyte to enlarge the cells of a large map.
        colours, norm = _heat_colours()
        mesh = axes.pcolormesh(np.ma.masked_invalid(shares), cmap=colours, norm=norm)
        axes.invert_yaxis()
        _name_ticks(axes, rows, columns, height, width)
        if cells is not None:
            _write_cells(axes, cells, colours(norm(shares)), np.clip(14 * min(height, width), 9, 18))
        size = np.clip(0.8 * min(figure.get_size_inches()), 11, 16)  # a large picture is looked at from afar
        axes.set_xlabel(column_title, fontsize=size)
        axes.set_ylabel(row_title, fontsize=size)
        around = extent(figure, axes)
        _colour_bar(figure, mesh, around, scale_title)
        title_above(figure, around, title)


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
    """Names for columns that are so many letters wide, and the angle to write them at: level in up to
    four lines if all fit, else upright."""
    names = [short(name) for name in names]
    wrapped = [textwrap.wrap(name, max(letters, 1), break_long_words=False) for name in names]
    if all(len(lines) <= 4 and max(map(columns.width, lines), default=0) <= letters for lines in wrapped):
        return ['\n'.join(lines) for lines in wrapped], 0
    return names, 90


def _write_cells(axes: Axes, cells: np.ndarray, colours: np.ndarray, size: float) -> None:
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
            fontsize=size,
        )


def _colour_bar(figure: Figure, scale: ScalarMappable, around: Bbox, title: str) -> None:
    """A colour scale to the right of all labels."""
    width, height = figure.get_size_inches()
    tall = min(height, 5)
    axes = figure.add_axes(((around.x1 + 0.25) / width, 1 - tall / height, 0.16 / width, tall / height))
    bar = figure.colorbar(scale, cax=axes, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], format='{x:.0%}')
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9)
    bar.set_label(title, fontsize=10)
