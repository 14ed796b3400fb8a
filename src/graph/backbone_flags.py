"""The flags of commands that load a backbone."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from src.common import consts, paths
from src.graph.changes import Changes
from src.graph.preprocessing.placeholders import value_flag


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


def add_changes(made: argparse.ArgumentParser) -> None:
    """The flags for changes of a graph."""
    made.add_argument(
        '--input-size',
        type=_size_flag,
        metavar='HEIGHT,WIDTH',
        help='for a graph that takes pixels of any size, such as --input-size 224,224',
    )
    made.add_argument(
        '--set',
        type=value_flag,
        action='append',
        default=[],
        metavar='TENSOR=VALUE',
        help='value of another placeholder, such as --set keep_prob:0=1; may be repeated',
    )
    made.add_argument(
        '--inference-mode',
        action='store_true',
        help='for a graph saved in training mode: batch norms use their moving averages, dropout is removed',
    )


def changes_of(args: argparse.Namespace) -> Changes:
    """The changes that the flags ask for."""
    return Changes(args.input_size, tuple(sorted(dict(args.set).items())), args.inference_mode)


def _size_flag(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.split(','))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHT,WIDTH, such as 224,224')
    return height, width
