"""Line charts of training curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.drawing.style import BLUE, ORANGE, drawing, extent, legend_above, title_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Panel:
    """One chart: its title, its lines (x [N], y [N]) by name, and whether y is shown in percent."""

    title: str
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]
    percent: bool = False


def line_charts(panels: list[Panel], path: Path, title: str, x_title: str) -> None:
    """Write a PNG with the charts side by side. The line `validation` is emphasized and its best point
    marked: the highest of a chart in percent, else the lowest."""
    with drawing(path, 5.2 * len(panels), 3.6, [title]) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
            axis.set_xlabel(x_title)
        title_above(figure, extent(figure, axes[0]), title)


def _draw(axes: Axes, panel: Panel) -> None:
    form = '{:.1%}'.format if panel.percent else '{:.3f}'.format
    for name, (x, y) in panel.lines.items():
        strong = name == 'validation'
        axes.plot(x, y, color=BLUE if strong else ORANGE, linewidth=2 if strong else 1.4, label=name)
        if strong and len(y):
            best = int(np.argmax(y) if panel.percent else np.argmin(y))
            axes.plot(x[best], y[best], 'o', color=BLUE, markersize=5, label=f'best {form(y[best])}')
    axes.set_title(panel.title, fontsize=10, loc='left', pad=24)
    if panel.percent:
        from matplotlib.ticker import PercentFormatter

        axes.yaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as the ticks need
    axes.grid(axis='y')
    legend_above(axes)
