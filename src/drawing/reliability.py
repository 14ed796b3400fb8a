"""The reliability diagram: how often predictions of each confidence are right.

Niculescu-Mizil and Caruana 2005, https://doi.org/10.1145/1102351.1102430.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.drawing.style import BLUE, INK, MUTED, ORANGE, drawing, extent, legend_above, title_above
from src.scoring.calibration import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reliability_diagram(bins: Reliability, classes: int, path: Path, title: str, note: str) -> None:
    """Write a PNG with the accuracy of each bin of predictions, beside their mean confidence, and the number
    of predictions below, with a `note`. The confidence of a prediction of N classes is at least 1 / N."""
    with drawing(path, 7.5, 6, [title]) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1], gridspec_kw={'hspace': 0.1})
        _draw_accuracy(upper, bins)
        _draw_counts(lower, bins)
        first = np.searchsorted(bins.edges[1:-1], 1 / classes)
        lower.set_xlim(bins.edges[first], 1)
        lower.xaxis.set_major_formatter('{x:.0%}')
        lower.set_xlabel('confidence: probability of the predicted class')
        around = extent(figure, upper)
        title_above(figure, around, title)
        width, height = figure.get_size_inches()
        below = extent(figure, lower).y0 - 0.1
        figure.text(around.x0 / width, below / height, note, color=MUTED, va='top')


def _draw_accuracy(axes: Axes, bins: Reliability) -> None:
    seen = bins.counts > 0
    left, width = bins.edges[:-1][seen], 1 / len(bins.counts)
    accuracy, confidence = bins.accuracy[seen], bins.confidence[seen]
    axes.bar(left, accuracy, width * 0.94, align='edge', color=BLUE, label='accuracy')
    axes.hlines(
        confidence, left, left + width * 0.94, color=ORANGE, linewidth=3, label='mean confidence', zorder=3
    )
    low, high = bins.interval[:, seen]
    axes.vlines(left + width * 0.47, low, high, color=INK, linewidth=1, label='95 % interval', zorder=4)
    axes.plot([0, 1], [0, 1], '--', color=MUTED, linewidth=1, zorder=2)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter('{x:.0%}')
    axes.set_ylabel('accuracy')
    axes.grid(axis='y')
    legend_above(axes)


def _draw_counts(axes: Axes, bins: Reliability) -> None:
    width = 1 / len(bins.counts)
    axes.bar(bins.edges[:-1], bins.counts, width * 0.94, align='edge', color=BLUE)
    for left, number in zip(bins.edges, bins.counts, strict=False):
        if number:
            at = (left + width * 0.47, number)
            axes.annotate(f'{number:,}', at, (0, 2), textcoords='offset points', ha='center', color=MUTED)
    axes.set_ylabel('predictions')
    axes.margins(y=0.25)
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    axes.yaxis.set_major_formatter('{x:,.0f}')
    axes.grid(axis='y')
