"""Elements that several backgrounds share: sky, ground, grass, and random colors."""

from __future__ import annotations

import numpy as np

from src.drawn_dogs.canvas import Canvas, gradient, noise
from src.drawn_dogs.shapes import rgb

SKIES = (('#8fbfe0', '#dcecf2'), ('#a9c4d6', '#eef0ea'), ('#7fa6cf', '#f3e3cf'), ('#b9c3cc', '#e6e6e2'))
GREENS = ('#7fa653', '#6b9148', '#93ad5a', '#5d8550', '#a3b266')


def pick(rng: np.random.Generator, colors) -> np.ndarray:
    """A random one of the colors, a little lighter or darker."""
    return rgb(rng.choice(colors)) * np.float32(rng.normal(1, 0.05))


def rect(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.float64([(left, top), (right, top), (right, bottom), (left, bottom)])


def fill_sky(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    high, low = map(rgb, SKIES[rng.integers(len(SKIES))])
    canvas.pixels[:] = gradient(canvas.size, ((0, high), (horizon, low)))
    w = canvas.size[0]
    for _ in range(rng.integers(0, 4)):
        x, y, size = rng.uniform(0, w), rng.uniform(0, horizon * 0.6), rng.uniform(12, 30)
        puffs = np.stack(
            [x + rng.normal(0, size, 7), y + rng.normal(0, size * 0.18, 7), rng.uniform(0.2, 0.45, 7) * size],
            1,
        )
        canvas.flat([puffs], rgb('#f8f8f5'), blur=3, opacity=0.75)


def fill_ground(canvas: Canvas, rng, top: float, far, near, grain: float) -> None:
    """Fill everything below `top` with a gradient from `far` to `near` and noise of strength `grain`."""
    w, h = canvas.size
    top = int(np.clip(top, 0, h - 2))
    canvas.pixels[:, top:] = grainy((w, h - top), ((0, far), (h - top, near)), rng, grain)


def grainy(size, stops, rng, grain: float) -> np.ndarray:
    """A vertical gradient [3, H, W] with horizontal noise of strength `grain`."""
    return gradient(size, stops) * (1 + noise(size, (5, 1.6), rng) * np.float32(grain))


def grow_grass(
    canvas: Canvas, rng, top: float, bottom: float, number: int, color, height: float = 7.0
) -> None:
    """Draw `number` blades of grass, triangles in two shades, that start between `top` and `bottom`."""
    if number < 2:
        return
    w = canvas.size[0]
    x, y = rng.uniform(0, w, number), rng.uniform(top, bottom, number)
    tip, tall = rng.normal(0, height * 0.35, number), height * rng.uniform(0.5, 1.3, number)
    half = 0.5 + height * 0.06
    blades = [
        np.float64([(x[k] - half, y[k]), (x[k] + tip[k], y[k] - tall[k]), (x[k] + half, y[k])])
        for k in range(number)
    ]
    canvas.flat(blades[::2], color * 0.78, opacity=0.9)
    canvas.flat(blades[1::2], color * 1.12, opacity=0.9)
