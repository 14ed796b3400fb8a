"""A dog: its build, its coat, and the parts that all poses have in common.

Body coordinates: y = 0 is the ground, y points down, the dog looks to the right, and an average dog is 1
high at the withers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from src.drawn_dogs.breeds import TAIL_AT_REST, TAILS, Breed
from src.drawn_dogs.canvas import Canvas, coverage, noise
from src.drawn_dogs.shapes import Frame, limb, mix, oval, rgb, shaggy

DARK = rgb('#241c1a')
WHITE = rgb('#efe8dc')
COLLARS = ('#b8402f', '#2f6b8a', '#d9a441', '#4c7a4a', '#7b4a86', '#2c2c34')


@dataclass
class Dog:
    """One dog on a canvas. `frame` converts body coordinates to pixels."""

    breed: Breed
    canvas: Canvas
    frame: Frame
    rng: np.random.Generator
    main: np.ndarray
    mark: np.ndarray
    trims: set[str]
    coat: np.ndarray  # [3, H, W] colors of the fur; each part takes them from its place in the picture
    collar: np.ndarray | None

    @classmethod
    def create(cls, breed: Breed, canvas: Canvas, frame: Frame, rng: np.random.Generator) -> Dog:
        """A dog of the breed with random build, colors and details."""
        build = {
            part: getattr(breed, part) * rng.normal(1, 0.07)
            for part in ('leg', 'length', 'depth', 'bulk', 'head', 'muzzle', 'ear', 'shag')
        }
        main, mark = (_tinted(rng.choice(colors), rng) for colors in (breed.coats, breed.marks))
        trims = {trim for trim in breed.trims if rng.random() < 0.8}
        collar = rgb(rng.choice(COLLARS)) if rng.random() < 0.35 else None
        dog = cls(replace(breed, **build), canvas, frame, rng, main, mark, trims, canvas.pixels, collar)
        dog.coat = dog.fur()
        return dog

    @property
    def unit(self) -> float:
        """Pixels for a length of 1 in body coordinates."""
        return self.frame.scale

    def fur(self) -> np.ndarray:
        """The colors of the coat over the whole picture, [3, H, W]."""
        size, unit, rng = self.canvas.size, self.unit, self.rng
        share = PATTERNS[self.breed.pattern](size, unit, rng)
        hair = noise(size, (max(1.2, unit * 0.012), max(2.5, unit * 0.04)), rng)
        coat = mix(self.main, self.mark, np.asarray(share, np.float32))
        return coat * (1 + np.float32(0.035 + 0.4 * self.breed.shag) * hair)

    def part(
        self, shapes, relief: float, marks=(), fade=None, contact=0.0, dim=1.0, shag=1.0, coat=None
    ) -> None:
        """Draw a part with `Canvas.body`; all lengths, also the blurs in `marks`, are in body coordinates."""
        place, unit = self.frame, self.unit
        self.canvas.body(
            [place(shaggy(shape, self.breed.shag * shag, self.rng)) for shape in shapes],
            self.coat if coat is None else coat,
            relief=max(1.5, relief * unit),
            marks=[([place(s) for s in drawn], paint, blur * unit) for drawn, paint, blur in marks],
            fade=None if fade is None else [place(point)[0] for point in fade],
            contact=contact,
            dim=dim,
        )

    def leg(self, *points, paw: float = 0.05, fade=None, dim: float = 1.0) -> None:
        """Draw a leg through (x, y, radius) points from top to ankle, with a paw pointing forward."""
        x, y, r = points[-1]
        foot = oval(x + paw * 0.5, y + r * 0.35, r * 1.1 + paw * 0.5, r * 0.95)
        marks = []
        top = -self.breed.leg
        for trim, height, color in (('pale_legs', 0.8, mix(self.main, WHITE, 0.4)), ('socks', 0.38, WHITE)):
            if trim in self.trims:
                marks.append(([_band(x, top * height, 0.2)], color, 0.02 if trim == 'socks' else 0.07))
        self.part([limb(*points), foot], 0.05, marks, fade, dim=dim, shag=0.4)
        toes = [
            limb((x + paw * k, y + r * 0.3, 0.006), (x + paw * k + 0.006, y + r * 1.05, 0.006))
            for k in (0.75, 1.3)
        ]
        self.canvas.flat([self.frame(toe) for toe in toes], DARK, opacity=0.35)

    def tail(self, x: float, y: float, angle: float = 0.0, resting: bool = False) -> None:
        """Draw the tail from its root (x, y); `resting` lays it on the ground."""
        points, shag = TAILS[self.breed.tail]
        if resting and self.breed.tail not in ('stub', 'curled'):
            points, angle = TAIL_AT_REST, 0.0
        wag = self.rng.normal(0, 0.12)
        local = Frame(x, y, 1.0 * (self.breed.depth + 0.6), angle + wag)
        shape = local(limb(*points))
        marks = []
        if 'tip' in self.trims:
            tx, ty = shape[-1, :2]
            marks.append(([oval(tx, ty, 0.12, 0.12)], WHITE, 0.015))
        if self.breed.pattern == 'saddle':
            sx, sy = shape[len(shape) // 3, :2]
            marks.insert(0, ([oval(sx, sy - 0.02, 0.2, 0.16)], self.mark, 0.05))
        contact = 0.3 if self.breed.tail == 'curled' else 0.0
        self.part([shape], 0.05, marks, contact=contact, shag=shag)


def _band(x: float, y: float, half: float) -> np.ndarray:
    return np.float64([(x - half, y), (x + half, y), (x + half, 0.2), (x - half, 0.2)])


def _tinted(color: str, rng: np.random.Generator) -> np.ndarray:
    """The color, randomly a little lighter or darker, warmer or cooler."""
    return np.float32(np.clip(rgb(color) * rng.normal(1, 0.07) * rng.normal(1, 0.013, (3, 1, 1)), 0, 1))


# Patterns: the share of the second color at each pixel [H, W], for a dog of `unit` pixels.


def _patches(size, unit: float, rng) -> np.ndarray:
    return np.clip((noise(size, (unit * 0.42, unit * 0.36), rng) - rng.normal(0.1, 0.2)) * 5 + 0.5, 0, 1)


def _spots(size, unit: float, rng) -> np.ndarray:
    """Spots made of two overlapping discs, so that few are round."""
    number = int(size[0] * size[1] / unit**2 * rng.uniform(22, 48))
    spots = rng.uniform(0, 1, (number, 3)) * (*size, 1)
    spots[:, 2] = unit * (0.008 + 0.042 * spots[:, 2] ** 2)
    steps = [np.float64([dx, dy, 0]) * spots[:, 2:] * 0.6 for dx, dy in rng.normal(0, 1, (2, 2))]
    return coverage([np.vstack([spots + step for step in steps])], (0, 0, *size), 0.5)


def _brindle(size, unit: float, rng) -> np.ndarray:
    x = np.arange(size[0], dtype=np.float32)[None, :] / unit
    warp = noise(size, (unit * 0.2, unit * 0.2), rng)
    gaps = noise(size, (unit * 0.12, unit * 0.3), rng)
    stripes = np.sin(x * 2 * np.pi * rng.uniform(11, 16) + 2.4 * warp)
    return np.clip(stripes * 0.5 + 0.4 * gaps + 0.15, 0, 0.7)


def _grizzle(size, unit: float, rng) -> np.ndarray:
    fine = np.clip(0.3 + 0.3 * noise(size, (unit * 0.03, unit * 0.07), rng), 0, 0.8)
    return fine + 0.18 * noise(size, (unit * 0.4, unit * 0.3), rng)


def _plain(size, unit: float, rng) -> np.ndarray:
    return np.clip(0.18 * noise(size, (unit * 0.3, unit * 0.3), rng) + 0.1, 0, 0.4)


PATTERNS = {
    'patches': _patches,
    'spots': _spots,
    'brindle': _brindle,
    'grizzle': _grizzle,
    'plain': _plain,
    'saddle': lambda size, unit, rng: np.zeros(size[::-1]),  # the pose draws the saddle
}
