"""What a score is called: a training score, partly one, or a held-out score.

A score on photos that a model was trained on says little about photos that it has not seen, so it is called a
training score wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.common import consts

TRAINING, PARTLY, HELD_OUT = 'training score', 'partly training score', 'held-out score'
CROSS_VALIDATION = 'cross-validation'  # the key of these scores beside those of the splits


def learned_from(facts: Mapping[str, Any]) -> list[str]:
    """The splits that a model was trained on. `facts` are those of model.json, metrics/<model>.json or the
    frozen file's model_info. Models of earlier versions do not note it: it follows from their settings."""
    if 'learned_from' in facts:
        return list(facts['learned_from'])
    settings = facts.get('settings') or {}
    splits = {'train', *(['validation'] if settings.get('with_validation') else [])}
    splits |= set(consts.SPLITS) if settings.get('all_splits') else set()
    return [split for split in consts.SPLITS if split in splits]


def kind_of_score(splits: Sequence[str], learned: Sequence[str]) -> str:
    """TRAINING, PARTLY or HELD_OUT: a score over `splits`, of a model that was trained on `learned`."""
    inside = [split in learned for split in splits]
    return TRAINING if all(inside) else PARTLY if any(inside) else HELD_OUT


def with_kind(name: str, kind: str) -> str:
    """'test (training score)', or 'test' alone for a held-out score."""
    return name if kind == HELD_OUT else f'{name} ({kind})'


def by_kind(scores: Mapping[str, dict]) -> dict[str, dict]:
    """Scores by split, with the split `train` renamed to 'training score'."""
    return {TRAINING if split == 'train' else split: values for split, values in scores.items()}
