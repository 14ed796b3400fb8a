"""The settings of distillations: a small student network learns the bottlenecks of a large frozen graph, or a
head on a small backbone learns the class probabilities of a large classifier."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from src.common.cli import real_number, size_of_batch, whole_number
from src.graph import precision as precision_choices
from src.models.students import BLOCK, STUDENTS
from src.recipes.recipe import PixelRecipe, as_in, setting

FIRST_SIDE, GROWTH = 64, 16  # pixels
MOST_VIEWS = 10_000  # of a photo
# The side of the finished backbone as a share of the side in training. After a training with 112 pixels, 144
# and 160 pixels gave better scores than 112 and 128 (docs/pocket.md).
GAIN = 9 / 7


def _side(text: str) -> int:
    """An argparse type: a whole number that is a multiple of BLOCK."""
    side = whole_number(BLOCK)(text)
    if side % BLOCK:
        raise argparse.ArgumentTypeError(f'{text} is not a multiple of {BLOCK}')
    return side


class WithViews:
    """Settings of which some say how views are drawn."""

    @property
    def view_settings(self) -> dict[str, float]:
        """Those, as arguments of images/views.draw."""
        return {name: getattr(self, name) for name in ('least_area', 'light', 'mixing')}


@dataclass(frozen=True)
class DistillRecipe(WithViews):
    """A student network, the views that it sees, and its training."""

    student: str = setting('resnet_deep', 'network of the student', choices=sorted(STUDENTS))
    side: int = setting(
        112, f'height and width of its input in pixels, a multiple of {BLOCK}', type=_side, metavar='PIXELS'
    )
    first_side: int | None = setting(
        None,
        f'side in the first steps; it grows to --side by {GROWTH} pixels at a time, each side for about as '
        'long, so that most steps are fast (Tan and Le 2021, arXiv:2104.00298)',
        type=_side,
        metavar='PIXELS',
        default_text=f'{FIRST_SIDE}, or a smaller --side',
    )
    final_side: int | None = setting(
        None,
        'height and width of the input of the finished backbone: crops show things larger than whole photos '
        'do, so a larger side than in training gives better bottlenecks (Touvron et al. 2019)',
        type=_side,
        metavar='PIXELS',
        default_text='9/7 of --side',
    )
    stored_side: int = setting(
        224,
        'photos are kept at this size (of their shorter side) to draw views from',
        type=whole_number(8),
        metavar='PIXELS',
    )
    views: int = setting(
        12,
        'views of each photo: the photo itself and random ones',
        type=whole_number(1, MOST_VIEWS),
        metavar='N',
    )
    fresh_views: bool = setting(
        False,
        'draw new views in every epoch and ask the teacher at every step, instead of --views that are '
        'computed once and stored',
    )
    least_area: float = setting(
        0.25, "smallest share of a photo's area in a view", type=real_number(0.01, 1.001)
    )
    light: float = setting(
        0.2, 'change of brightness, contrast and colors by up to this share', type=real_number(0, 1)
    )
    mixing: float = setting(
        0.5, 'share of the views that are mixed with another photo', type=real_number(0, 1.001)
    )
    class_weight: float = setting(
        1.0,
        "weight of the Kullback-Leibler divergence from the teacher's class probabilities, where it has any",
        type=real_number(0, 1000),
    )
    temperature: float = setting(1.0, 'temperature of both class probabilities', type=real_number(0.01, 100))
    epochs: float = setting(105, 'passes over the photos', type=real_number(0.001, 100_000))
    batch_size: int = setting(128, 'views in a step', type=size_of_batch)
    optimiser: str = as_in(PixelRecipe, 'optimiser', 'muon')
    learning_rate: float = as_in(PixelRecipe, 'learning_rate', 0.03)
    momentum: float = as_in(PixelRecipe, 'momentum')
    schedule: str = as_in(PixelRecipe, 'schedule', 'linear')
    warmup: float = as_in(PixelRecipe, 'warmup', 0.02)
    weight_decay: float = as_in(PixelRecipe, 'weight_decay')
    averaging: float = as_in(PixelRecipe, 'averaging')
    precision: str = as_in(PixelRecipe, 'precision')
    seed: int = as_in(PixelRecipe, 'seed')

    def side_at(self, progress: float) -> int:
        """The side of the student's input after a share of the steps, from 0 to 1. Each side is trained with
        for about as long, so that small ones have more steps."""
        first = self.first_side or min(FIRST_SIDE, self.side)
        sides = np.array([*range(first, self.side, GROWTH), self.side])
        ends = np.cumsum(1 / sides**2)
        return int(sides[np.searchsorted(ends[:-1], progress * ends[-1], 'right')])

    @property
    def side_of_backbone(self) -> int:
        """The side of the finished backbone's input: `final_side`, or GAIN times that of the training."""
        return self.final_side or round(GAIN * self.side / BLOCK) * BLOCK


@dataclass(frozen=True)
class DistilledHeadRecipe(WithViews):
    """The views from which a head learns the class probabilities of a teacher, and its penalty."""

    stored_side: int = as_in(DistillRecipe, 'stored_side')
    views: int = as_in(DistillRecipe, 'views', 4)
    least_area: float = as_in(DistillRecipe, 'least_area')
    light: float = as_in(DistillRecipe, 'light')
    mixing: float = as_in(DistillRecipe, 'mixing', 0.0)
    l2: float | None = setting(
        None,
        'factor of half the squared weights in the loss',
        type=real_number(0, 10_000),
        default_text='chosen on held-out photos',
    )
    precision: str = setting(
        'auto', 'precision that teacher and backbone compute in', choices=precision_choices.CHOICES
    )
    seed: int = as_in(DistillRecipe, 'seed')
