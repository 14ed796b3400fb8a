"""Pixels as pictures. Those of one backbone are one picture [N, height, width, 3]. Joined backbones take
pictures of several sizes, and their pixels are all of these in one column, [N, P, 1, 3]:

    pixels [N, 150,528 + 202,800, 1, 3] ◄──► pictures [N, 224, 224, 3] and [N, 260, 260, 3]

All functions take TensorFlow's tensors and NumPy's arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from src.common.tf1 import tf
from src.graph.preprocessing.find import Preprocessing

Pixels = TypeVar('Pixels')  # tf.Tensor or np.ndarray


def pictures_in(pixels: Pixels, preprocessing: Preprocessing) -> list[Pixels]:
    """The pictures [N, h, w, 3] in some pixels, one for each size."""
    if not preprocessing.sizes:
        return [pixels]
    reshape = tf.reshape if tf.is_tensor(pixels) else np.reshape
    ends = np.cumsum([0, *(height * width for height, width in preprocessing.sizes)]).tolist()
    return [
        reshape(pixels[:, begin:end], (-1, *size, 3))
        for size, (begin, end) in zip(preprocessing.sizes, pairwise(ends), strict=True)
    ]


def as_pixels(pictures: Sequence[Pixels], preprocessing: Preprocessing) -> Pixels:
    """The pixels that hold these pictures, one for each size: the inverse of `pictures_in`."""
    if not preprocessing.sizes:
        (pixels,) = pictures
        return pixels
    tensors = tf.is_tensor(pictures[0])
    reshape, concatenate = (tf.reshape, tf.concat) if tensors else (np.reshape, np.concatenate)
    columns = [
        reshape(picture, (-1, height * width, 1, 3))
        for picture, (height, width) in zip(pictures, preprocessing.sizes, strict=True)
    ]
    return concatenate(columns, 1)


def mirrored(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """The pixels [N, height, width, 3] of the mirrored pictures: left and right are exchanged."""

    def mirror(picture: Pixels) -> Pixels:
        return tf.reverse(picture, [2]) if tf.is_tensor(picture) else picture[:, :, ::-1]

    return as_pixels([mirror(picture) for picture in pictures_in(pixels, preprocessing)], preprocessing)
