"""The backbones of a conversion on a worker, whose files may be local or remote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from src.common.errors import UserError
from src.common.files import sha256
from src.data_preparation.beam.files import RecordsFolder, Remote, local_copy
from src.data_preparation.conversion.bottlenecks import BOTH, PLAIN, Extractor
from src.data_preparation.samples import shown
from src.graph.backbones import Backbone, load_as
from src.graph.joined.facts import int8_of, members, widths_of
from src.graph.joined.join import join_backbones


def load(pbs: Sequence[Path | Remote], facts: Mapping[str, Any]) -> Backbone:
    """The backbones in these files, as one. Raises UserError when one is missing or not the launcher's."""
    backbones = []
    for pb, one in zip(pbs, members(facts), strict=True):
        with local_copy(pb) as path:
            if path.exists() and sha256(path) != one['sha256']:
                raise UserError(
                    f'{shown(pb)} is a different file on the workers: put it where all of them can read it'
                )
            backbones.append(load_as(one, path, trusted=True))  # the launcher has checked it
    return join_backbones(backbones)


def extractor_of(
    pbs: Sequence[Path | Remote], manifest: Mapping[str, Any], folder: RecordsFolder
) -> Extractor:
    """What computes the bottlenecks of a manifest; their int8 models are in `folder`. Raises UserError as
    `load` does, and for an int8 model that has changed."""
    facts, ends = manifest['backbone'], BOTH if manifest.get('mirrored') else PLAIN
    with ExitStack() as copies:  # of the int8 models, which are read at once
        models = []
        for model in int8_of(facts).values():
            place = folder.place / model['file']
            models.append(copies.enter_context(local_copy(place)))
            if sha256(models[-1]) != model['sha256']:
                raise UserError(f'{shown(place)} has changed: convert again with --overwrite')
        return Extractor(load(pbs, facts), manifest['precision'], ends, widths_of(facts), models)
