"""Which settings of a recipe flags changed, so that a run is not called by the name of an unchanged
recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from src.common import consts
from src.recipes.find import Recipe, recipes
from src.recipes.recipe import HeadRecipe

HEAD = 'head'  # the name of a run with the defaults of consts.py, without a recipe
FEW = 3  # changes that are listed


def changes(recipe: Recipe, name: str) -> dict[str, Any]:
    """The fields of `recipe` that differ from the recipe `name`, with their values. For a head `name` may be
    '': the defaults of consts.py on any data set."""
    return _differing(asdict(recipe), name)


def changes_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The same for a run, from model.json or metrics/<model>.json; for runs of versions that did not note it,
    compared with the recipes of this version."""
    if 'changed' in facts:
        return facts['changed']
    settings = facts.get('settings', {}) | {'data_set': facts.get('data_set')}
    name = used(facts)
    if getattr(recipes().get(name), 'precision', None) == 'auto':
        settings = {key: value for key, value in settings.items() if key != 'precision'}
    return _differing(settings, '' if name == HEAD else name)


def used(facts: dict[str, Any]) -> str:
    """The name of the recipe that a run used. The recipe for heads on Stanford Dogs equals the defaults, and
    is not named for other data sets."""
    name = facts.get('recipe') or ''
    of_head = isinstance(recipes().get(name), HeadRecipe)
    return HEAD if not name or (of_head and recipes()[name].data_set != facts.get('data_set')) else name


def in_words(name: str, changed: dict[str, Any]) -> str:
    """'cifar10/cnn_deep, changed: epochs 5, seed 2'."""
    words = [f'{key.replace("_", " ")} {_short(value)}' for key, value in list(changed.items())[:FEW]]
    if len(changed) > FEW:
        words.append(f'{len(changed) - FEW} more')
    return name + (', changed: ' + ', '.join(words) if words else '')


def _differing(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings that differ from the recipe `name`, or from the defaults of heads without a name."""
    if name:
        base = asdict(recipes()[name]) if name in recipes() else {}
    else:
        base = {key: value for key, value in asdict(HeadRecipe()).items() if key != 'data_set'}
        base = base if 'layers' in settings else {}
    return {
        key: settings[key]
        for key, value in base.items()
        if key in settings and not _same(key, settings[key], value)
    }


def _same(key: str, value: Any, base: Any) -> bool:
    if key == 'layers':  # the ends follow the data
        return value is None or _own(value) == _own(base or consts.HEAD_MODEL_LAYERS)
    if key == 'blocks':  # they follow from the records
        return True
    if key in ('l2', 'steps'):  # None: of consts.py
        return value == base or {value, base} == {None, getattr(consts, key.upper())}
    return value == base


def _own(layers: Sequence[int]) -> tuple[list[int], bool]:
    """What of the layers of a head does not follow the data: hidden layers; whether the last has one unit."""
    return list(layers[1:-1]), list(layers[-1:]) == [1]


def _short(value: Any) -> str:
    return '-'.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
