"""Load the backbone, or the joined backbones, that a manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.graph.backbones import Backbone, load_as
from src.graph.joined.facts import members
from src.graph.joined.join import join_backbones


def backbone_of(facts: Mapping[str, Any], optimized: bool = True) -> Backbone:
    """The backbone that a manifest names, or all of them as one; without `optimized`, as released. Raises
    UserError when a file is missing or has changed."""
    return join_backbones([_one(facts, optimized) for facts in members(facts)])


def _one(facts: Mapping[str, Any], optimized: bool) -> Backbone:
    if 'path' not in facts:
        raise UserError(
            f'the facts of the backbone {facts["file"]} do not say where it is: convert the photos anew with '
            '--overwrite, and train again'
        )
    path = paths.located(paths.ROOT / facts['path'])
    if path.is_file() and files.sha256(path) != facts['sha256']:
        raise UserError(
            f'{paths.shown(path)} has changed since the bottlenecks were computed: put the old file back, '
            'or convert and train again'
        )
    return load_as(facts, path, optimized)
