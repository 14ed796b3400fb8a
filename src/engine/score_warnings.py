"""Warnings after training: scores that are not reliable, and classes without training photos."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from src.common import consts
from src.common.files import count, listed
from src.records.dataset import Records, labelled
from src.scoring.kinds import CROSS_VALIDATION, learned_from

FEW = 30  # photos of a split; with fewer, one photo moves the accuracy by more than three points
SIGNIFICANCE = 0.05
CERTAINTY = 1.64  # standard deviations: 95 of 100 such data sets have FEW photos in each split
# The score that is compared with chance: the first of these that exists.
COMPARED = ('test', CROSS_VALIDATION, 'validation', 'train')
NAMED = 5  # classes listed, at most


def warnings(records: Records, facts: Mapping[str, Any], scores: Mapping[str, dict]) -> list[str]:
    """Warning lines for a model, from its facts (model.json) and its scores by part."""
    lines = [_unscored(scores), _untrained(records, learned_from(facts)), _at_chance(records, scores)]
    lines += [_few(part, of_part['examples']) for part, of_part in scores.items()]
    needs = [_needs(records)] if any(lines[1:]) else []
    return [f'warning: {line}' for line in lines if line] + needs


def at_chance(scores: Mapping[str, float]) -> bool:
    """Whether a score is not significantly better than always guessing the most frequent class (one-sided
    binomial test, 5 %)."""
    from scipy.special import bdtrc

    hits = round(scores['top_1'] * scores['examples'])
    chance = scores['most_frequent']
    # bdtrc(k, n, p) is the probability of more than k hits.
    return hits == 0 or chance >= 1 or bdtrc(hits - 1, scores['examples'], chance) > SIGNIFICANCE


def untrained(records: Records, learned: Sequence[str]) -> list[str]:
    """The classes without a photo in the splits `learned`."""
    missing = records.manifest.get('untrained')
    read = list(learned) if missing is None else [split for split in learned if split != 'train']
    missing = set(records.classes if missing is None else missing)
    for _, labels, _ in labelled(records, read, {}, 2048) if missing else ():
        missing -= {records.classes[label] for label in np.unique(labels)}
    return [name for name in records.classes if name in missing]


def _unscored(scores: Mapping[str, dict]) -> str:
    if set(scores) != {'train'}:
        return ''
    return (
        'these are training scores, which do not tell how the model does on other photos; for a head, '
        '--all-splits --folds 5 estimates that by cross-validation'
    )


def _untrained(records: Records, learned: Sequence[str]) -> str:
    missing = untrained(records, learned)
    if not missing:
        return ''
    return f'classes without training photos cannot be predicted: {listed(missing, NAMED)}'


def _at_chance(records: Records, scores: Mapping[str, dict]) -> str:
    part = next((part for part in COMPARED if part in scores), None)
    if part is None or not at_chance(scores[part]):
        return ''
    found = scores[part]
    advice = 'check --pixel-range, and whether the backbone was trained on similar photos'
    if not records.has_bottlenecks:
        advice = 'train longer, or add photos'
    photos = count(found['examples'], 'photo')
    if found['examples'] < FEW:  # too few to draw conclusions about the backbone
        return (
            f'{part} top-1 of {found["top_1"]:.1%} is not distinguishable from chance on {photos}: always '
            f'guessing the most frequent class gives {found["most_frequent"]:.1%}'
        )
    return (
        f'{part} top-1 of {found["top_1"]:.1%} is at chance: on {photos} it is not distinguishable from '
        f'always guessing the most frequent class ({found["most_frequent"]:.1%}); {advice}'
    )


def _few(part: str, examples: int) -> str:
    if examples >= FEW:
        return ''
    photos = count(examples, 'photo')
    return f'{part} has {photos}, fewer than {FEW}: each is {1 / examples:.1%} of the accuracy'


def _needs(records: Records) -> str:
    """The number of photos that a class needs for FEW photos in each split."""
    if records.manifest.get('split_by', 'hash') != 'hash':
        return f'a class needs at least {FEW} training photos, and each split {FEW} photos in all'
    share = min(consts.TEST_SHARE, consts.VALIDATION_SHARE)
    deviations = CERTAINTY * math.sqrt(share * (1 - share))
    # Solves whole * share - deviations * sqrt(whole) = FEW, the lower bound of a binomial count.
    whole = ((deviations + math.sqrt(deviations**2 + 4 * share * FEW)) / (2 * share)) ** 2
    each = max(FEW, math.ceil(whole / len(records.classes)))
    photos = f'{each:,} photos ({each * len(records.classes):,} in all)'
    return (
        f'a class needs about {photos}, so that a hash puts {FEW} into each split; split folders of your own '
        f'need {FEW} photos each'
    )
