"""What a user asks to be changed in a graph before it serves as a backbone.

Such changes alter what the graph computes, so they are recorded in the facts of the backbone: whoever
loads it again, to freeze it or on another machine, loads it the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.graph.preprocessing.placeholders import Value


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
