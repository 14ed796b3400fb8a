"""Which splits a model learned from, and what a score on them is called.

A score on photos that a model learned from says little about photos that it has not seen: it is called a
training score wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.common import consts

TRAINING, PARTLY, HELD_OUT = 'training score', 'partly training score', 'held-out score'


def learned_from(facts: Mapping[str, Any]) -> list[str]:
    """The splits that a model learned from, by model.json, metrics/<model>.json or the frozen file's
    model_info. Models of earlier versions do not say it: it follows from their settings."""
    if 'learned_from' in facts:
        return list(facts['learned_from'])
    settings = facts.get('settings') or {}
    splits = {'train', *(['validation'] if settings.get('with_validation') else [])}
    splits |= set(consts.SPLITS) if settings.get('all_splits') else set()
    return [split for split in consts.SPLITS if split in splits]


def kind_of_score(splits: Sequence[str], learned: Sequence[str]) -> str:
    """What a score over some splits is called, for a model that learned from the splits `learned`."""
    inside = [split in learned for split in splits]
    return TRAINING if all(inside) else PARTLY if any(inside) else HELD_OUT


def with_kind(name: str, kind: str) -> str:
    """'test', but 'test (training score)'."""
    return name if kind == HELD_OUT else f'{name} ({kind})'


def by_kind(scores: Mapping[str, dict]) -> dict[str, dict]:
    """Scores by part, with the part `train` renamed to 'training score'."""
    return {TRAINING if part == 'train' else part: told for part, told in scores.items()}


CROSS_VALIDATION = 'cross-validation'  # how these scores are named beside those of the splits
