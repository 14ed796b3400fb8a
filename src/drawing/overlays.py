"""A map of importance as colors over a picture, with Pillow alone: a server needs no Matplotlib for it."""

from __future__ import annotations

import numpy as np
from PIL import Image

# From Matplotlib's inferno, at 0, 1/8, ... 1 (https://bids.github.io/colormap/).
HEAT = np.array(
    [
        [0, 0, 4],
        [33, 12, 74],
        [87, 16, 110],
        [138, 34, 106],
        [188, 55, 84],
        [227, 89, 51],
        [249, 140, 10],
        [249, 201, 50],
        [252, 255, 164],
    ]
)
STRENGTH = 0.75  # opacity of the largest value
PALE = 0.6  # share of gray in the picture below


def heat_colors(values: np.ndarray) -> np.ndarray:
    """Colors [..., 3] float32, 0 to 255, of values 0 to 1 of any shape."""
    places = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(values, places, HEAT[:, i]) for i in range(3)], -1).astype(np.float32)


def scaled(values: np.ndarray) -> np.ndarray:
    """A map divided by its largest value, negative values as 0; all 0 if no value is positive."""
    positive = np.maximum(values, 0).astype(np.float32)
    highest = positive.max(initial=0)
    return positive / highest if highest > 0 else positive


def overlay(picture: np.ndarray, values: np.ndarray) -> Image.Image:
    """The picture [height, width, 3] uint8 in pale colors, with the map [h, w] over it: the larger a value,
    the brighter and the less transparent. A map without positive values leaves the picture as it is."""
    height, width = picture.shape[:2]
    if not (values > 0).any():
        return Image.fromarray(picture)
    heat = Image.fromarray(scaled(values)).resize((width, height), Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(heat), 0, 1)
    gray = np.asarray(Image.fromarray(picture).convert('L'), np.float32)[..., None]
    below = PALE * gray + (1 - PALE) * picture
    opacity = STRENGTH * np.minimum(1, 1.5 * heat)[..., None]
    return Image.fromarray(np.uint8(np.clip(below * (1 - opacity) + heat_colors(heat) * opacity, 0, 255)))
