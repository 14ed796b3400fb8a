"""Random views of photos: a crop, perhaps mirrored, in other light, perhaps mixed with another photo.

    views = draw(rows, 3, seed=1, photos=len(photos), least_area=0.25)  # view 3 of each photo in rows
    pixels = render(photos, views, 128)                                 # uint8 [N, 128, 128, 3]

A view is a handful of numbers that depend on seed, photo and number of the view alone, so that networks of
different input sizes can be given the same view at any time. This module does not import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

# Draws of a view, each from a place of its own: two crops (4 numbers each, and whether it is mirrored), light
# (brightness, contrast, three channels), mixing (whether, with which photo, in which share).
CROPS, LIGHT, MIXING = (0, 5), 10, 15
GRAY = 128  # contrast changes the distance from it
CHANNELS = 3
ASPECT = 4 / 3  # largest ratio of the sides of a crop, where the photo is a square


@dataclass(frozen=True)
class Views:
    """N views.

    rows: [N, 2] int64, the photo and the photo that is mixed in.
    boxes: [N, 2, 4] float64, left, upper, right and lower edge of the two crops as shares of the sides.
    mirrored: [N, 2] bool.
    share: [N] float64, the weight of the photo that is mixed in; 0: none is.
    tables: [N, 3, 256] uint8, the new value of each value of each channel.
    """

    rows: np.ndarray
    boxes: np.ndarray
    mirrored: np.ndarray
    share: np.ndarray
    tables: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, some: slice) -> Views:
        return Views(*(getattr(self, field.name)[some] for field in fields(self)))


def draw(
    rows: np.ndarray,
    view: int | np.ndarray,
    seed: int,
    photos: int,
    least_area: float = 1.0,
    light: float = 0.0,
    mixing: float = 0.0,
) -> Views:
    """The view number `view` (one number, or one for each photo) of the photos `rows` [N], of `photos` in
    all. View 0 is the photo itself.

    least_area: the smallest share of a photo's area that a crop has; the largest is 1.
    light: brightness and contrast change by up to this share, each channel by up to half of it.
    mixing: the share of views that are mixed with a view of another photo; the weight of that one is uniform
        from 0 to 1 (Beyer et al. 2022, arXiv:2106.05237).
    """
    rows = np.asarray(rows, np.int64)
    drawn = uniform(seed, rows, view, 18)
    whole = np.broadcast_to(np.asarray(view) == 0, len(rows))
    boxes, mirrored = zip(*(_crop(drawn[:, place : place + 5], least_area) for place in CROPS), strict=True)
    boxes, mirrored = np.stack(boxes, 1), np.stack(mirrored, 1)
    boxes[whole, 0], mirrored[whole, 0] = (0, 0, 1, 1), False
    mixed, other, share = (drawn[:, MIXING + place] for place in range(3))
    others = np.minimum((other * photos).astype(np.int64), photos - 1)
    share = np.where((mixed < mixing) & ~whole, share, 0)
    tables = _tables(np.where(whole[:, None], 0, 2 * drawn[:, LIGHT:MIXING] - 1) * light)
    return Views(np.stack([rows, others], 1), boxes, mirrored, share, tables)


def render(photos: Sequence[np.ndarray], views: Views, side: int | tuple[int, int]) -> np.ndarray:
    """The pixels of views, [N, height, width, 3] uint8, resized with antialiasing as `new_preprocessing` of
    graph/preprocessing/prepend.py does it. `photos` gives each photo as [h, w, 3] uint8 by its row."""
    height, width = (side, side) if isinstance(side, int) else side
    made = np.empty((len(views), height, width, CHANNELS), np.uint8)
    for place, share in enumerate(views.share):
        parts = [_cropped(photos, views, place, part, (width, height)) for part in range(2 if share else 1)]
        picture = Image.blend(*parts, share) if share else parts[0]
        made[place] = picture.point(views.tables[place].ravel().tolist())
    return made


def uniform(seed: int, rows: np.ndarray, view: int | np.ndarray, number: int) -> np.ndarray:
    """Random numbers from 0 to 1, [N, number] float64, that depend on seed, row and view alone: SplitMix64
    (Steele, Lea and Flood 2014, https://doi.org/10.1145/2660193.2660195) of a counter."""
    key = np.zeros(len(rows), np.uint64)
    for part in (seed, view, rows):
        key = _scrambled(key + np.asarray(part).astype(np.uint64))
    with np.errstate(over='ignore'):
        counters = key[:, None] + np.arange(1, number + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (_scrambled(counters) >> np.uint64(11)) * 2.0**-53


def _scrambled(x: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64."""
    with np.errstate(over='ignore'):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _crop(drawn: np.ndarray, least_area: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, 4] and whether they are mirrored [N], from five random numbers each."""
    area = least_area + (1 - least_area) * drawn[:, 0]
    ratio = ASPECT ** (2 * drawn[:, 1] - 1)
    sides = np.minimum(1, np.sqrt(np.stack([area * ratio, area / ratio], 1)))
    corner = drawn[:, 2:4] * (1 - sides)
    return np.concatenate([corner, corner + sides], 1), drawn[:, 4] < 0.5


def _tables(light: np.ndarray) -> np.ndarray:
    """The tables of `Views` from changes [N, 5]: brightness, contrast, and three channels."""
    values = np.arange(256.0)
    gains = 1 + light[:, 2:] / 2
    contrast, brightness = 1 + light[:, 1, None, None], GRAY * light[:, 0, None, None]
    changed = GRAY + (values - GRAY) * contrast + brightness
    return np.rint(np.clip(changed * gains[:, :, None], 0, 255)).astype(np.uint8)


def _cropped(photos, views: Views, place: int, part: int, size: tuple[int, int]) -> Image.Image:
    photo = photos[views.rows[place, part]]
    height, width = photo.shape[:2]
    box = views.boxes[place, part] * (width, height, width, height)
    picture = Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, tuple(box))
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if views.mirrored[place, part] else picture
