"""Line charts of training curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.drawing.style import BLUE, INK, MUTED, ORANGE, drawing, extent, legend_above, title_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Panel:
    """One chart: its title, its lines (x [N], y [N]) by name, and whether y is shown in percent. `saved` is
    the point of the saved model: x, y (None: unknown) and y as text."""

    title: str
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]
    percent: bool = False
    saved: tuple[float, float | None, str] | None = None


def line_charts(panels: list[Panel], path: Path, title: str, x_title: str, note: str = '') -> None:
    """Write a PNG with the charts side by side, and a note below them. The line `validation` is emphasized,
    and the saved model marked."""
    with drawing(path, 5.2 * len(panels), 3.6, [title]) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
            axis.set_xlabel(x_title)
        around = extent(figure, axes[0])
        title_above(figure, around, title)
        if note:
            width, height = figure.get_size_inches()
            figure.text(around.x0 / width, (around.y0 - 0.1) / height, note, color=MUTED, va='top')


def _draw(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for name, (x, y) in panel.lines.items():
        strong = name == 'validation'
        axes.plot(x, y, color=BLUE if strong else ORANGE, linewidth=2 if strong else 1.4, label=name)
    if panel.saved:
        x, y, text = panel.saved
        label = f'saved model {text}'.rstrip()
        axes.axvline(x, color=INK, linewidth=1, linestyle='--', label=label if y is None else None)
        if y is not None:
            axes.plot(x, y, 'o', color=INK, markersize=5, label=label)
    axes.set_title(panel.title, fontsize=10, loc='left', pad=24)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as the ticks need
    axes.grid(axis='y')
    legend_above(axes)
