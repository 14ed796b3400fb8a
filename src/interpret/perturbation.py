"""Whether to believe a map of importance: deletion and insertion curves against random masks.

Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421: the probability of the class should fall fast when the
most important pixels are deleted first, and rise fast when they are inserted first. Pixels are taken in cells
of a grid. The random masks are those of the map itself, moved by a random distance and mirrored at random: of
the same sizes and shapes, in other places. (Single random cells would be an unequal contest: scattered holes
disturb a network more than one hole of the same size.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

GRID = 14  # cells in a row and in a column
STEPS = 10  # masks of a curve
RANDOM_ORDERS = 6
SEED = 1  # of the random masks
BLUR = 10  # the picture that pixels are inserted into has 1 / BLUR of the resolution

Probability = Callable[[np.ndarray], np.ndarray]  # pixels [N, height, width, 3] to [N]


@dataclass(frozen=True)
class Curves:
    """Probability of the class [STEPS + 1] after each share of the cells was deleted, and was inserted."""

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_score(self) -> float:
        """Area under the deletion curve: small for a map to believe."""
        return _area(self.deletion)

    @property
    def insertion_score(self) -> float:
        """Area under the insertion curve: large for a map to believe."""
        return _area(self.insertion)


@dataclass(frozen=True)
class Verdict:
    """The curves of a map, and those of random orders of the same cells."""

    curves: Curves
    random: list[Curves]

    @property
    def random_deletion(self) -> float:
        """Mean deletion score of the random masks."""
        return float(np.mean([curves.deletion_score for curves in self.random]))

    @property
    def random_insertion(self) -> float:
        """Mean insertion score of the random masks."""
        return float(np.mean([curves.insertion_score for curves in self.random]))

    @property
    def deletion_better(self) -> bool:
        """Whether the deletion score is below the mean of the random masks."""
        return self.curves.deletion_score < self.random_deletion

    @property
    def insertion_better(self) -> bool:
        """Whether the insertion score is above the mean of the random masks."""
        return self.curves.insertion_score > self.random_insertion


def order_of(importance: np.ndarray) -> np.ndarray:
    """The cells [GRID * GRID], the most important first, of a map [h, w] of any size."""
    image = Image.fromarray(importance.astype(np.float32))
    resample = Image.Resampling.BOX if min(importance.shape) >= GRID else Image.Resampling.BICUBIC
    return np.argsort(-np.asarray(image.resize((GRID, GRID), resample)).ravel(), kind='stable')


def moved_orders(order: np.ndarray, seed: int, number: int = RANDOM_ORDERS) -> list[np.ndarray]:
    """`number` copies of an order of cells, each moved around the edges by a random distance, and mirrored at
    random."""
    random = np.random.default_rng(seed)
    ranks = np.argsort(order).reshape(GRID, GRID)
    moved = []
    for _ in range(number):
        distance = divmod(int(random.integers(1, GRID * GRID)), GRID)  # not (0, 0)
        copy = np.roll(ranks, distance, (0, 1))
        moved.append(np.argsort(copy[:, :: random.choice([-1, 1])].ravel()))
    return moved


def judge(importance: np.ndarray, pixels: np.ndarray, gray: float, probability: Probability) -> Verdict:
    """The curves of the map `importance` [h, w] of any size, and those of the random masks."""
    order = order_of(importance)
    random = [curves_of(other, pixels, gray, probability) for other in moved_orders(order, SEED)]
    return Verdict(curves_of(order, pixels, gray, probability), random)


def curves_of(order: np.ndarray, pixels: np.ndarray, gray: float, probability: Probability) -> Curves:
    """Delete cells of `pixels` [height, width, 3] in this order (they become `gray`), and insert them in this
    order into a blurred copy."""
    taken = _masks(order, *pixels.shape[:2])
    deleted = np.where(taken[..., None], np.float32(gray), pixels)
    inserted = np.where(taken[..., None], pixels, _blurred(pixels))
    found = probability(np.concatenate([deleted, inserted]).astype(np.float32))
    return Curves(found[: len(taken)], found[len(taken) :])


def _masks(order: np.ndarray, height: int, width: int) -> np.ndarray:
    """[STEPS + 1, height, width]: which pixels are taken after each step; none at first, all at last."""
    ranks = np.empty(GRID * GRID, int)
    ranks[order] = np.arange(GRID * GRID)
    rows, columns = (np.arange(size) * GRID // size for size in (height, width))
    rank_of_pixel = ranks.reshape(GRID, GRID)[rows][:, columns]
    numbers = np.linspace(0, GRID * GRID, STEPS + 1).round()
    return rank_of_pixel[None] < numbers[:, None, None]


def _blurred(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    small = max(1, width // BLUR), max(1, height // BLUR)
    channels = []
    for i in range(pixels.shape[2]):
        channel = Image.fromarray(np.ascontiguousarray(pixels[..., i]))
        channel = channel.resize(small, Image.Resampling.BOX).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        channels.append(np.asarray(channel))
    return np.stack(channels, -1)


def _area(curve: np.ndarray) -> float:
    """Area under a curve over shares from 0 to 1, by trapezoids."""
    return float((curve[1:] + curve[:-1]).mean() / 2)
