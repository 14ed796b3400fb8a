"""What a user can ask to change in a graph when it is loaded as a backbone, and the flags of these commands.

The changes alter what the graph computes. They are recorded in the facts of the backbone, so that it is
loaded in the same way when it is frozen, or on another machine.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common import consts, paths
from src.graph.preprocessing.placeholders import Value, value_flag


@dataclass(frozen=True)
class Changes:
    """Changes of a graph.

    input_size: (height, width) of the pixels, for a graph that accepts images of any size.
    values: (tensor, value) for placeholders that become constants.
    inference_mode: whether a graph saved in training mode is rewritten for inference.
    """

    input_size: tuple[int, int] | None = None
    values: tuple[tuple[str, Value], ...] = ()
    inference_mode: bool = False

    def facts(self) -> dict[str, Any]:
        """The requested changes for JSON, under 'changes'; empty when there are none."""
        changes: dict[str, Any] = {}
        if self.input_size:
            changes['input_size'] = list(self.input_size)
        if self.values:
            changes['set'] = dict(sorted(self.values))
        if self.inference_mode:
            changes['inference_mode'] = True
        return {'changes': changes} if changes else {}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Changes:
        """The changes in the facts of a backbone; facts of earlier versions have none."""
        changes = facts.get('changes') or {}
        size = changes.get('input_size')
        values = tuple(sorted(changes.get('set', {}).items()))
        return Changes(size and tuple(size), values, changes.get('inference_mode', False))


NO_CHANGES = Changes()


def number_range(text: str) -> tuple[float, float]:
    """An argparse type: '-1,1' as a pair of finite numbers, the first one lower."""
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a range such as -1,1')
    return low, high


def add_graph_flags(made: argparse.ArgumentParser) -> None:
    """Add the flags that say how a graph is loaded as a backbone."""
    made.add_argument(
        '--bottleneck',
        metavar='TENSOR',
        default=consts.BOTTLENECK_TENSOR,
        help='tensor where the graph is cut (default: %(default)s)',
    )
    made.add_argument(
        '--pixel-range',
        type=number_range,
        metavar='LOW,HIGH',
        help='for a graph without an image decoder: range of its input pixels, such as --pixel-range=-1,1',
    )
    made.add_argument(
        '--input-size',
        type=_size_flag,
        metavar='HEIGHT,WIDTH',
        help='for a graph that accepts pixels of any size, such as --input-size 224,224',
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


def add_backbone(made, default: Path | None = paths.IMAGENET_GRAPH_DEF) -> None:
    """Add --backbone and the flags of `add_graph_flags`."""
    made.add_argument(
        '--backbone',
        type=Path,
        metavar='PB',
        default=default,
        help=f'frozen graph (default: {paths.shown(default) if default else "none, pictures only"})',
    )
    add_graph_flags(made)


def changes_of(args: argparse.Namespace) -> Changes:
    """The changes that the parsed flags ask for."""
    return Changes(args.input_size, tuple(sorted(dict(args.set).items())), args.inference_mode)


def _size_flag(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.split(','))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHT,WIDTH, such as 224,224')
    return height, width
