"""The style of all pictures: colors, fonts, how names are written; and the context that saves a chart."""

from __future__ import annotations

import contextlib
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import files
from src.drawing.fonts import BASE, families, writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK, MUTED, FAINT, PAPER = '#1f2933', '#61707f', '#e3e7eb', '#ffffff'
BLUE, ORANGE = '#2f6f9f', '#e2924a'  # distinct for color-blind people and in grayscale
DPI = 120

STYLE = {
    'font.family': BASE,
    'font.size': 9,
    'text.color': INK,
    'text.parse_math': False,  # $ in names is not math
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

NAME_LENGTH = 40  # maximum, in characters
LEAST_LINE = 30  # characters of a title on one line


@contextlib.contextmanager
def drawing(path: Path, width: float, height: float, texts: Iterable[str] = ()) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, saved as the PNG `path` if the body raises nothing.

    `texts` are the names that will be written in it; they determine the fonts. The picture grows to contain
    what is outside the figure, such as long labels.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = STYLE | {'font.family': families(texts)}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure
        with files.atomic_path(path) as part:
            figure.savefig(part, format='png', dpi=DPI, bbox_inches='tight', pad_inches=0.25)


def extent(figure: Figure, axes: Axes) -> Bbox:
    """The bounding box of the axes with their labels, in inches from the figure's lower left corner."""
    return axes.get_tightbbox(figure.canvas.get_renderer()).transformed(figure.dpi_scale_trans.inverted())


def title_above(figure: Figure, around: Bbox, title: str) -> None:
    """Write the title above `around`, left-aligned with it. A title that is wider gets several lines."""
    width, height = figure.get_size_inches()
    text = figure.text(
        around.x0 / width,
        (around.y1 + 0.2) / height,
        writable(title),
        fontsize=np.clip(width, STYLE['axes.titlesize'], 24),  # large pictures are viewed scaled down
        fontweight=STYLE['axes.titleweight'],
        va='bottom',
    )
    written = text.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi
    fitting = int(len(text.get_text()) * (around.x1 - around.x0) / written)
    if fitting < len(text.get_text()):
        text.set_text(textwrap.fill(text.get_text(), max(fitting, LEAST_LINE)))


def legend_above(axes: Axes) -> None:
    """Put the legend above the axes as one line, left-aligned."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc='lower left', bbox_to_anchor=(0, 1), ncols=len(labels), borderaxespad=0.2
    )


def readable(name: str) -> str:
    """A class name with spaces for underscores, on one line, in characters that some font has."""
    return writable(' '.join(name.replace('_', ' ').split()))


def short(name: str) -> str:
    """A `readable` name of at most NAME_LENGTH characters."""
    name = readable(name)
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1].rstrip() + '…'
