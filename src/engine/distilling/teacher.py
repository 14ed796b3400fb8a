"""The teacher of a distillation: one frozen graph, or several whose bottlenecks are concatenated. The
backbone of a head that learns from the same views answers in the same way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.backbones import Backbone
from src.graph.bottleneck_session import open_session
from src.graph.class_tail import ClassTail, class_tail
from src.graph.joined.facts import without_places
from src.images.views import Views, render

LARGEST = float(np.finfo(np.float16).max)
AT_ONCE = 16  # views


class Teacher:
    """Bottlenecks, and class logits of those that have a classifier behind them.

    precision: what the graphs compute in, 'float32' or 'bfloat16'.
    role: what they are called in messages, 'teacher' or 'backbone'.

    The methods are thread-safe. Raises UserError for a graph that joins several backbones: its pixels are no
    picture.
    """

    def __init__(self, backbones: Sequence[Backbone], precision: str, role: str = 'teacher'):
        self.backbones, self.precision, self.role = list(backbones), precision, role
        for one in backbones:
            if one.preprocessing.width == 1:
                raise UserError(f'{paths.shown(one.path)} joins several backbones: give a {role} with one')
        self.width = sum(backbone.width for backbone in backbones)
        self._sessions: list[tuple[tf.Session, Any]] = []
        self._opening = threading.Lock()

    def say_loaded(self) -> None:
        """Print a line for each graph."""
        for one in self.backbones:
            say(f'{paths.shown(one.path)}: {self.role} loaded ({self.precision})')

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What identifies the graphs, as JSON."""
        return [without_places(backbone.facts()) for backbone in self.backbones]

    @cached_property
    def tails(self) -> list[tuple[slice, ClassTail]]:
        """The classifiers, each with its place in the concatenated bottlenecks."""
        found, begin = [], 0
        for backbone in self.backbones:
            end = begin + backbone.width
            if tail := class_tail(backbone):
                found.append((slice(begin, end), tail))
            begin = end
        return found

    def answers(self, photos: Sequence[np.ndarray], views: Views) -> np.ndarray:
        """The bottlenecks of views, [N, width] float16. Raises UserError when they exceed its range, and for
        NaN."""
        parts = (views[begin : begin + AT_ONCE] for begin in range(0, len(views), AT_ONCE))
        rows = np.concatenate([self._rows(photos, part) for part in parts])
        if not np.abs(rows).max() < LARGEST:  # also NaN
            fault = 'are NaN for some photos' if np.isnan(rows).any() else 'exceed the range of float16'
            raise UserError(f'the bottlenecks of the {self.role} {fault}: cut it elsewhere')
        return rows.astype(np.float16)

    def close(self) -> None:
        for session, _ in self._sessions:
            session.close()

    def _rows(self, photos: Sequence[np.ndarray], views: Views) -> np.ndarray:
        with self._opening:  # at the first use only: stored answers need no session
            self._sessions = self._sessions or [open_session(one, self.precision) for one in self.backbones]
        found = []
        for backbone, (_, run) in zip(self.backbones, self._sessions, strict=True):
            size = backbone.preprocessing.height, backbone.preprocessing.width
            found.append(run(render(photos, views, size).astype(np.float32)))
        return np.concatenate(found, 1)
