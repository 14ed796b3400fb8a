"""Smooth outlines, and colors.

A *shape* is an array [N, 2] of points around an area, or [N, 3] of (x, y, radius): overlapping discs along
a line. A color is float32 [3, 1, 1], RGB from 0 to 1. Colors that vary over the picture are [3, H, W]:
NumPy is three times as fast with the planes first as with [H, W, 3].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import ImageColor

TURNS = np.linspace(0, 2 * np.pi, 28, endpoint=False)
CIRCLE = np.stack([np.cos(TURNS), np.sin(TURNS)])


def rgb(name: str) -> np.ndarray:
    """The color of a name such as '#c08040'."""
    return np.float32(ImageColor.getrgb(name)).reshape(3, 1, 1) / 255


def mix(a, b, share):
    """Linear interpolation: `a` where `share` is 0, `b` where it is 1."""
    mixed = np.subtract(b, a)
    mixed = np.multiply(mixed, share)
    mixed += a
    return mixed


@lru_cache
def _weights(steps: int) -> np.ndarray:
    """[steps, 4]: weights of four neighboring points for the points between the middle two, on a Catmull-Rom
    spline (https://en.wikipedia.org/wiki/Cubic_Hermite_spline)."""
    t = np.linspace(0, 1, steps, endpoint=False)
    return 0.5 * np.stack(
        [2 * t**2 - t - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1
    )


def curve(points, closed: bool, steps: int = 7) -> np.ndarray:
    """A smooth line through points [N, columns], with `steps` points for each of them."""
    p = np.asarray(points, np.float64)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    line = _weights(steps) @ np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], 1)  # [spans, steps, columns]
    line = line.reshape(-1, p.shape[1])
    return line if closed else np.concatenate([line, p[-2:-1]])


def blob(*points) -> np.ndarray:
    """A smooth closed outline through (x, y) points."""
    return curve(points, closed=True)


def limb(*points) -> np.ndarray:
    """Overlapping discs along a smooth line through (x, y, radius) points."""
    p = np.asarray(points, np.float64)
    length, width = np.hypot(*np.diff(p[:, :2], axis=0).T).mean(), p[:, 2].mean()
    line = curve(p, closed=False, steps=int(np.clip(length / (0.5 * width), 4, 30)))
    line[:, 2] = np.maximum(line[:, 2], 0.25 * p[:, 2].min())
    return line


def oval(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> np.ndarray:
    """An ellipse around (x, y) with radii `rx` and `ry`, rotated by `angle` in radians."""
    u, v = CIRCLE * ((rx,), (ry,))
    return np.stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)], 1)


def shaggy(shape: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """The shape with random tufts of about `length` along its edge."""
    if length <= 0:
        return shape
    if shape.shape[1] == 3:
        tufts = np.repeat(shape, 3, axis=0)
        angle = rng.uniform(0, 2 * np.pi, len(tufts))
        reach = tufts[:, 2] + length * rng.uniform(-0.4, 0.35, len(tufts))
        tufts[:, 0] += reach * np.cos(angle)
        tufts[:, 1] += reach * np.sin(angle)
        tufts[:, 2] = length * rng.uniform(0.4, 0.65, len(tufts))
        return np.vstack([shape, tufts])
    step = np.roll(shape, -1, 0) - np.roll(shape, 1, 0)
    outward = np.stack([step[:, 1], -step[:, 0]], 1) / (np.hypot(*step.T)[:, None] + 1e-6)
    turn = shape[:, 0] @ np.roll(shape[:, 1], -1) - shape[:, 1] @ np.roll(shape[:, 0], -1)
    return shape + outward * np.sign(turn) * length * rng.uniform(-0.35, 1.0, (len(shape), 1)) ** 2


@dataclass(frozen=True)
class Frame:
    """A transformation of coordinates: scaled, rotated, mirrored if `flip`, and moved to (x, y)."""

    x: float
    y: float
    scale: float
    angle: float = 0.0
    flip: bool = False

    def __call__(self, shape) -> np.ndarray:
        placed = np.array(shape, np.float64, ndmin=2) * self.scale
        along, down = placed[:, 0].copy(), placed[:, 1].copy()
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        placed[:, 0] = self.x + (along * cos - down * sin) * (-1 if self.flip else 1)
        placed[:, 1] = self.y + along * sin + down * cos
        return placed

    def inner(self, x: float, y: float, scale: float, angle: float = 0.0) -> Frame:
        """The frame of coordinates within this one's, such as those of the head on the body."""
        (px, py) = self((x, y))[0]
        return Frame(px, py, self.scale * scale, self.angle + angle, self.flip)
