"""The flags of commands that load a backbone."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from src.common import consts, paths
from src.graph.changes import add_changes


def number_range(text: str) -> tuple[float, float]:
    """An argparse type: '-1,1' as a pair."""
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is no range such as -1,1')
    return low, high


def add_graph_flags(made: argparse.ArgumentParser) -> None:
    """The flags that say how a graph becomes a backbone."""
    made.add_argument(
        '--bottleneck',
        metavar='TENSOR',
        default=consts.BOTTLENECK_TENSOR,
        help='where the graph is cut (default: %(default)s)',
    )
    made.add_argument(
        '--pixel-range',
        type=number_range,
        metavar='LOW,HIGH',
        help='for a graph without an image decoder: range of its input pixels, such as --pixel-range=-1,1',
    )
    add_changes(made)


def add_backbone(made, default: Path | None = paths.IMAGENET_GRAPH_DEF) -> None:
    """The flags that name a backbone."""
    made.add_argument(
        '--backbone',
        type=Path,
        metavar='PB',
        default=default,
        help=f'frozen graph (default: {paths.shown(default) if default else "none, pictures only"})',
    )
    add_graph_flags(made)
