"""Pairs of classes as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.drawing.fonts import LEFT_TO_RIGHT
from src.drawing.style import BLUE, MUTED, ORANGE, drawing, extent, legend_above, short, title_above


def bar_chart_pairs(
    pairs: Sequence[tuple[str, str, int, int]], path: Path, title: str, legend: tuple[str, str], x_title: str
) -> None:
    """Write a PNG with a bar for each pair (name, name, number, number), the first on top. The two numbers
    are stacked in two colors, named by `legend`."""
    names = [name for pair in pairs for name in pair[:2]]
    with drawing(path, 6.5, 0.32 * len(pairs) + 0.3, [*names, title]) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        places = range(len(pairs))
        left, right = (np.array([pair[i] for pair in pairs]) for i in (2, 3))
        axes.barh(places, left, height=0.68, color=BLUE, label=legend[0])
        axes.barh(places, right, left=left, height=0.68, color=ORANGE, label=legend[1])
        for place, (a, b) in enumerate(zip(left, right, strict=True)):
            text = f'{a:,} + {b:,}' if b else f'{a:,}'
            axes.annotate(
                text, (a + b, place), (5, 0), textcoords='offset points', va='center_baseline', color=MUTED
            )
        axes.set_yticks(places, [f'{LEFT_TO_RIGHT}{short(a)}  ·  {short(b)}' for a, b, *_ in pairs])
        _count_axes(axes, len(pairs), x_title)
        legend_above(axes)
        title_above(figure, extent(figure, axes), title)


def bar_chart_groups(
    names: Sequence[str], series: Mapping[str, Sequence[int]], path: Path, title: str, x_title: str
) -> None:
    """Write a PNG with a group of bars for each name, one bar for each series, the first on top."""
    thick = 0.76 / len(series)
    with drawing(path, 6.5, (0.2 + 0.16 * len(series)) * len(names) + 0.3, [*names, title]) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        for i, (label, numbers) in enumerate(series.items()):
            places = np.arange(len(names)) - 0.38 + (i + 0.5) * thick
            bars = axes.barh(places, numbers, height=0.92 * thick, color=(BLUE, ORANGE)[i % 2], label=label)
            axes.bar_label(bars, [f'{number:,}' for number in numbers], padding=5, color=MUTED)
        axes.set_yticks(range(len(names)), [f'{LEFT_TO_RIGHT}{short(name)}' for name in names])
        _count_axes(axes, len(names), x_title)
        if len(series) > 1:
            legend_above(axes)
        title_above(figure, extent(figure, axes), title)


def _count_axes(axes, rows: int, x_title: str) -> None:
    """Axes of horizontal bars that show counts, the first of `rows` on top."""
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.spines['bottom'].set_visible(False)
    axes.grid(axis='x')
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.xaxis.set_major_formatter('{x:,.0f}')
    axes.set_xlabel(x_title)
