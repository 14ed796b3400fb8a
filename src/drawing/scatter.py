"""Scatter plots, side by side with common axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.drawing.style import drawing, extent, legend_above, title_above

# The points of one plot by series: x [N], y [N].
Series = Mapping[str, tuple[np.ndarray, np.ndarray]]


def scatter_plots(plots: Sequence[Series], path: Path, title: str, x_title: str, y_title: str) -> None:
    """Write a PNG with a plot for each group of series; later series are drawn over earlier ones."""
    with drawing(path, 5 * len(plots), 5, [title]) as figure:
        axes = figure.subplots(1, len(plots), squeeze=False, sharex=True, sharey=True)[0]
        for axis, series in zip(axes, plots, strict=True):
            for name, (x, y) in series.items():
                # Where many photos have one size, the point is darker.
                axis.scatter(x, y, s=14, alpha=0.35, linewidths=0, label=f'{name} ({len(x):,})')
            axis.set_xlabel(x_title)
            axis.grid(True)
            axis.xaxis.set_major_formatter('{x:,.0f}')
            axis.yaxis.set_major_formatter('{x:,.0f}')
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
            legend_above(axis)
        axes[0].set_ylabel(y_title)
        title_above(figure, extent(figure, axes[0]), title)
