"""Weighted sums of rows and columns: what most of TensorFlow's ways of resizing are made of.

A row of the result is the sum of some rows of the picture, its taps, each times a weight. TensorFlow adds
them one after the other in float32; so does this module, for all rows of the result at once, and the sums
are equal to the last digit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Taps(NamedTuple):
    """Which rows (or columns) of a picture are added for each one of the result, in order.

    places: [taps, size of the result] int64. weights: the same shape, float32; 0 where there are fewer taps.
    """

    places: np.ndarray
    weights: np.ndarray

    def trimmed(self) -> Taps:
        """The same without last taps that have no weight."""
        used = np.flatnonzero(self.weights.any(1)).max(initial=0) + 1
        return Taps(self.places[:used], self.weights[:used])


def summed_rows(picture: np.ndarray, taps: Taps) -> np.ndarray:
    """The weighted sums [height of the result, w, 3] float32 of the rows of a picture [h, w, 3]."""
    rows = _summed(picture.reshape(len(picture), -1), taps)
    return rows.reshape(len(rows), *picture.shape[1:])


def summed_columns(picture: np.ndarray, taps: Taps) -> np.ndarray:
    """The weighted sums [h, width of the result, 3] float32 of the columns of a picture [h, w, 3]."""
    # A column of the picture becomes a row, as NumPy takes whole rows fast.
    height, width, channels = picture.shape
    columns = np.empty((width, channels, height), picture.dtype)
    result = np.empty((height, taps.places.shape[1], channels), np.float32)
    for channel in range(channels):  # four times as fast as to copy three numbers at a time
        columns[:, channel] = picture[..., channel].T
    sums = _summed(columns.reshape(width, -1), taps).reshape(-1, channels, height)
    for channel in range(channels):
        result[..., channel] = sums[:, channel].T
    return result


def _summed(rows: np.ndarray, taps: Taps) -> np.ndarray:
    """The weighted sums of the rows of a matrix."""
    total = np.zeros((taps.places.shape[1], rows.shape[1]), np.float32)
    product = np.empty_like(total)
    taken = product if rows.dtype == product.dtype else np.empty(total.shape, rows.dtype)
    for places, weights in zip(taps.places, taps.weights, strict=True):
        np.take(rows, places, 0, taken, 'clip')
        if taken is not product:
            product[:] = taken
        product *= weights[:, None]
        total += product
    return total
