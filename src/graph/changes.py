"""What a user asks to be changed in a graph before it serves as a backbone.

Such changes alter what the graph computes, so they are recorded in the facts of the backbone: whoever
loads it again, to freeze it or on another machine, loads it the same way.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.graph.preprocessing.placeholders import Value, value_flag


@dataclass(frozen=True)
class Changes:
    """`input_size` is (height, width) for a graph that takes images of any size; `values` are (tensor, value)
    for placeholders that become constants; `inference_mode` turns training off in it."""

    input_size: tuple[int, int] | None = None
    values: tuple[tuple[str, Value], ...] = ()
    inference_mode: bool = False

    def facts(self) -> dict[str, Any]:
        """The changes for JSON; only those that were asked for, so a backbone without any has no entry."""
        told: dict[str, Any] = {}
        if self.input_size:
            told['input_size'] = list(self.input_size)
        if self.values:
            told['set'] = dict(sorted(self.values))
        if self.inference_mode:
            told['inference_mode'] = True
        return {'changes': told} if told else {}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Changes:
        """The changes that a backbone's facts name; none in those of earlier versions."""
        told = facts.get('changes') or {}
        size = told.get('input_size')
        values = tuple(sorted(told.get('set', {}).items()))
        return Changes(size and tuple(size), values, told.get('inference_mode', False))


NO_CHANGES = Changes()


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
