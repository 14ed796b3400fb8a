"""TensorFlow's ResizeBilinear, ResizeNearestNeighbor, ResizeBicubic and ResizeArea.

Sources: tensorflow/core/util/image_resizer_state.h and resize_*_op.cc of tensorflow/core/kernels/image
(https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/kernels/image). All functions take a
picture [h, w, 3] of 8-bit integers or float32 and return [height, width, 3] float32.

align_corners: the corner pixels of both pictures are the same.
half_pixel_centers: the pixels are sampled at their centers; otherwise at their upper left corners, as
    TensorFlow did at first.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from src.images.resizing.taps import Taps, summed_columns, summed_rows

NUMBER, HALF = np.float32, np.float32(0.5)
STEPS = 1 << 10  # the weights of ResizeBicubic are computed for so many positions between two pixels
LEAST_SUM = NUMBER(1000 * 2.0**-126)


def bilinear(
    picture: np.ndarray, height: int, width: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray:
    """Interpolates between four pixels."""
    old_height, old_width = picture.shape[:2]
    if (old_height, old_width) == (height, width):
        return picture.astype(NUMBER)
    upper, lower, down = _between(old_height, height, align_corners, half_pixel_centers)
    left, right, along = _channels_between(old_width, width, align_corners, half_pixel_centers)
    rows, kept = np.unique(np.concatenate([upper, lower]), return_inverse=True)
    used = picture.reshape(old_height, -1)
    used = used if len(rows) == old_height else used[rows]
    first, second = (np.take(used, places, 1).astype(NUMBER, copy=False) for places in (left, right))
    across = _lerp(first, second, along)
    resized = _lerp(across[kept[:height]], across[kept[height:]], down[:, None])
    return resized.reshape(height, width, 3)


def nearest(
    picture: np.ndarray, height: int, width: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray:
    """Takes the nearest pixel."""
    rows, columns = (
        _nearest(old, new, align_corners, half_pixel_centers)
        for old, new in zip(picture.shape, (height, width), strict=False)
    )
    return picture[rows][:, columns].astype(NUMBER)


def bicubic(
    picture: np.ndarray, height: int, width: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray:
    """Interpolates between 16 pixels."""
    rows = summed_rows(picture, _cubic(picture.shape[0], height, align_corners, half_pixel_centers))
    return summed_columns(rows, _cubic(picture.shape[1], width, align_corners, half_pixel_centers))


def area(picture: np.ndarray, height: int, width: int, align_corners: bool) -> np.ndarray:
    """The mean of the pixels that a pixel of the result covers."""
    columns = summed_columns(picture, _covered(picture.shape[1], width, align_corners))
    sums = summed_rows(columns, _covered(picture.shape[0], height, align_corners))
    factors = (_factor(picture.shape[axis], new, align_corners) for axis, new in ((0, height), (1, width)))
    return sums * (NUMBER(1) / np.multiply(*factors))


def _factor(old: int, new: int, align_corners: bool) -> np.float32:
    """How many pixels of the picture there are for one of the result."""
    if align_corners and new > 1 and old > 1:
        return NUMBER(old - 1) / NUMBER(new - 1)
    return NUMBER(old) / NUMBER(new)


def _positions(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Where the pixels of the result lie in the picture, [new] float32."""
    factor, numbers = _factor(old, new, align_corners), np.arange(new, dtype=NUMBER)
    return (numbers + HALF) * factor - HALF if half_pixel_centers else numbers * factor


@lru_cache(maxsize=256)
def _between(
    old: int, new: int, align_corners: bool, half_pixel_centers: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels between which each of the result lies, and how far from the first, 0 to 1."""
    positions = _positions(old, new, align_corners, half_pixel_centers)
    below = np.floor(positions)
    first, second = np.maximum(below, 0), np.minimum(np.ceil(positions), NUMBER(old - 1))
    return first.astype(np.int64), second.astype(np.int64), positions - below


@lru_cache(maxsize=256)
def _channels_between(
    old: int, new: int, align_corners: bool, half_pixel_centers: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_between` for a row of pixels of three channels, [3 * new]."""
    first, second, share = _between(old, new, align_corners, half_pixel_centers)
    places = [(3 * place[:, None] + np.arange(3)).ravel() for place in (first, second)]
    return *places, np.repeat(share, 3)


def _lerp(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """first + (second - first) * share, in the memory of `second`."""
    second -= first
    second *= share
    second += first
    return second


def _nearest(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    factor, numbers = _factor(old, new, align_corners), np.arange(new, dtype=NUMBER)
    positions = (numbers + HALF) * factor if half_pixel_centers else numbers * factor
    # C's `roundf` rounds a half up, `np.rint` to the even number.
    whole = np.floor(positions.astype(np.float64) + 0.5) if align_corners else np.floor(positions)
    return np.clip(whole, 0, old - 1).astype(np.int64)


@lru_cache(maxsize=256)
def _cubic(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> Taps:
    positions = _positions(old, new, align_corners, half_pixel_centers)
    below = np.floor(positions)
    steps = np.rint((positions - below) * NUMBER(STEPS)).astype(np.int64)
    near, far = _cubic_weights(-0.5 if half_pixel_centers else -0.75)
    weights = np.stack([far[steps], near[steps], near[STEPS - steps], far[STEPS - steps]])
    wanted = below.astype(np.int64) + np.arange(-1, 3)[:, None]
    places = np.clip(wanted, 0, old - 1)
    if half_pixel_centers:  # pixels beyond the edge have no weight; otherwise the edge is repeated
        weights[places != wanted] = 0
        total = ((weights[0] + weights[1]) + weights[2]) + weights[3]
        enough = np.abs(total) >= LEAST_SUM
        weights *= np.where(enough, NUMBER(1) / np.where(enough, total, NUMBER(1)), NUMBER(1))
    return Taps(places, weights)


@lru_cache
def _cubic_weights(a: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights [STEPS + 1] float32 of a pixel nearer than 1, and of one at a distance of 1 to 2. `a` is
    the parameter of cubic convolution (Keys 1981, doi:10.1109/TASSP.1981.1163711)."""
    x = (np.arange(STEPS + 1) / STEPS).astype(NUMBER).astype(np.float64)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = (x + 1).astype(NUMBER).astype(np.float64)
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near.astype(NUMBER), far.astype(NUMBER)


@lru_cache(maxsize=256)
def _covered(old: int, new: int, align_corners: bool) -> Taps:
    """The pixels that each pixel of the result covers, by the share that is covered."""
    factor, numbers = _factor(old, new, align_corners), np.arange(new + 1).astype(NUMBER)
    begins, ends = numbers[:-1] * factor, numbers[1:] * factor
    first, last = np.floor(begins).astype(np.int64), np.ceil(ends).astype(np.int64)
    places = first + np.arange(int((last - first).max()))[:, None]
    here, after = places.astype(NUMBER), (places + 1).astype(NUMBER)
    cut_before = np.where(after > ends, factor, after - begins)
    cut_after = np.where(after > ends, ends - here, NUMBER(1))
    weights = np.where(here < begins, cut_before, cut_after).astype(NUMBER)
    weights[places >= last] = 0
    return Taps(np.clip(places, 0, old - 1), weights)
