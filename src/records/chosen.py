"""Choose among the backbones of some records: by name for a training, by SHA-256 for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from src.common import paths
from src.common.errors import UserError
from src.graph.joined.facts import joined, members, name_of
from src.records.dataset import Records
from src.records.next_commands import to_add


def using(records: Records, names: Sequence[str] | None) -> Records:
    """The records with the bottlenecks of the backbones of these names only, in this order; with all of them
    for None. Raises UserError for names that the records do not hold, and for one that is given twice."""
    if not names:
        return records
    records.width  # noqa: B018  (raises for records without a backbone)
    held = {name_of(one): one for one in members(records.manifest['backbone'])}
    if unknown := [name for name in names if name not in held]:
        raise UserError(
            f'{paths.shown(records.folder)} holds no bottlenecks of {unknown[0]}, only of {", ".join(held)}'
        )
    if len(set(names)) < len(names):
        raise UserError(f'--backbones {" ".join(names)}: name each backbone once')
    return _with(records, [held[name] for name in names])


def of_model(records: Records, backbone: Mapping[str, Any]) -> Records:
    """The records with the bottlenecks that a model takes, by the facts of its backbone. Raises UserError
    when they lack some, with the command that adds these."""
    if lacking := missing(records, backbone):
        raise UserError(
            f'{paths.shown(records.folder)} holds no bottlenecks of '
            f'{", ".join(one["file"] for one in lacking)}: to add them run '
            f'{to_add(records.manifest["name"], lacking)}'
        )
    held = {one['sha256']: one for one in members(records.manifest['backbone'])}
    return _with(records, [held[one['sha256']] for one in members(backbone)])


def missing(records: Records, backbone: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The facts of those backbones of a model that the records hold no bottlenecks of."""
    held = {one['sha256'] for one in members(records.manifest['backbone'])}
    return [one for one in members(backbone) if one.get('sha256') not in held]


def facts_of(records: Records) -> dict[str, Any] | None:
    """The facts of the backbone for a model: without the fields of these records."""
    backbone = records.manifest['backbone']
    plain = [{key: value for key, value in one.items() if key != 'field'} for one in members(backbone)]
    return joined(plain) if plain else None


def _with(records: Records, backbones: Sequence[Mapping[str, Any]]) -> Records:
    return replace(records, manifest=records.manifest | {'backbone': joined(backbones)})
