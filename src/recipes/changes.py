"""What flags changed of a recipe, so that a run does not bear the name of one that was not used."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from src.common import consts
from src.recipes.find import Recipe, recipes
from src.recipes.recipe import HeadRecipe

HEAD = 'head'  # how a run is named that used no recipe but the defaults of consts.py
FEW = 3  # changes that are named one by one


def changes(recipe: Recipe, name: str) -> dict[str, Any]:
    """The fields of `recipe` that differ from the recipe `name`, with their values. For a head `name` may be
    '': then from the defaults of consts.py, on whatever data set."""
    return _differing(asdict(recipe), name)


def changes_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The same of a run by what metrics/<model>.json says; estimated for runs of versions that did not note
    it, from today's recipes."""
    if 'changed' in facts:
        return facts['changed']
    told = facts.get('settings', {}) | {'data_set': facts.get('data_set')}
    name = used(facts)
    if getattr(recipes().get(name), 'precision', None) == 'auto':
        told = {key: value for key, value in told.items() if key != 'precision'}
    return _differing(told, '' if name == HEAD else name)


def used(facts: dict[str, Any]) -> str:
    """The name of the recipe that a run used. The one for heads on Stanford Dogs is nothing but the defaults
    elsewhere, and is not named there."""
    name = facts.get('recipe') or ''
    of_head = isinstance(recipes().get(name), HeadRecipe)
    return HEAD if not name or (of_head and recipes()[name].data_set != facts.get('data_set')) else name


def in_words(name: str, changed: dict[str, Any]) -> str:
    """'cifar10/cnn_deep, changed: epochs 5, seed 2'."""
    told = [f'{key.replace("_", " ")} {_short(value)}' for key, value in list(changed.items())[:FEW]]
    if len(changed) > FEW:
        told.append(f'{len(changed) - FEW} more')
    return name + (', changed: ' + ', '.join(told) if told else '')


def _differing(told: dict[str, Any], name: str) -> dict[str, Any]:
    """The values in `told` that differ from the recipe `name`, or from the defaults of heads without one."""
    if name:
        base = asdict(recipes()[name]) if name in recipes() else {}
    else:
        base = {key: value for key, value in asdict(HeadRecipe()).items() if key != 'data_set'}
        base = base if 'layers' in told else {}
    return {key: told[key] for key, value in base.items() if key in told and not _same(key, told[key], value)}


def _same(key: str, value: Any, base: Any) -> bool:
    if key == 'layers':  # the ends follow the data
        hidden = list(base or consts.HEAD_MODEL_LAYERS)[1:-1]
        return value is None or list(value)[1:-1] == hidden
    return value == base


def _short(value: Any) -> str:
    return '-'.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
