"""Heads of dogs, seen from the front and from the side.

Head coordinates: the skull is a circle of radius 1 around (0, 0), y points down, and in a side view the dog
looks to the right. `head` gives the other functions a `dog` whose frame converts head coordinates to pixels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from src.drawn_dogs.breeds import EARS, UPRIGHT_EARS
from src.drawn_dogs.dogs import DARK, WHITE, Dog
from src.drawn_dogs.shapes import blob, limb, mix, oval, rgb, shaggy

PINK = rgb('#d98880')


def head(dog: Dog, x: float, y: float, front: bool, scale: float = 1.0) -> None:
    """Draw the head around (x, y) in body coordinates, with a small random tilt."""
    tilt = dog.rng.normal(0, 0.12)
    breed = replace(dog.breed, shag=dog.breed.shag / dog.breed.head * 0.8)
    face = replace(dog, breed=breed, frame=dog.frame.inner(x, y, dog.breed.head * scale, tilt))
    (_front_face if front else _side_face)(face)


def _face_marks(dog: Dog, eyes, muzzle, stripe) -> list:
    """The markings of the head as (shapes, color, blur): dark crown, dark mask, pale brows, white blaze."""
    marks = []
    if 'hood' in dog.trims:
        marks.append(([oval(0, -1.0, 1.2, 0.62)], dog.mark, 0.16))
    if 'mask' in dog.trims:
        dark = [muzzle] + [oval(x, y, 0.3, 0.26) for x, y in eyes]
        marks.append((dark, mix(dog.mark, DARK, 0.4), 0.12))
    if 'pips' in dog.trims:
        brows = [oval(x + 0.02, y - 0.3, 0.13, 0.09) for x, y in eyes]
        marks.append((brows, mix(dog.main, WHITE, 0.25), 0.04))
    if 'blaze' in dog.trims:
        marks.append(([stripe], WHITE, 0.06))
    return marks


def _head_coat(dog: Dog) -> np.ndarray:
    """The colors of the head: those of the coat, or for most dogs of some breeds one color."""
    if dog.breed.face == 'coat' or dog.rng.random() < 0.25:
        return dog.coat
    return mix(dog.coat, dog.main if dog.breed.face == 'main' else dog.mark, np.float32(0.88))


def _ear_color(dog: Dog) -> np.ndarray:
    if dog.breed.pattern in ('plain', 'grizzle'):
        return mix(dog.main, dog.mark, 0.6) * 0.85
    return dog.main * 0.8 if dog.breed.ear_in == 'main' else dog.mark


def _front_face(dog: Dog) -> None:
    rng, breed = dog.rng, dog.breed
    turn = float(np.clip(rng.normal(0, 0.45), -1, 1))
    m = breed.muzzle
    coat = _head_coat(dog)
    eyes = [(side * 0.43 + turn * 0.2, -0.14) for side in (-1, 1)]
    cx, low = turn * 0.3, 0.82 + 0.22 * m
    wide = 0.62 - 0.14 * m if breed.muzzle > 0.4 else 0.68
    muzzle = blob(
        (cx, -0.02), (cx + wide * 0.7, 0.14), (cx + wide, 0.48), (cx + wide * 0.72, low - 0.08),
        (cx, low + 0.03), (cx - wide * 0.72, low - 0.08), (cx - wide, 0.48), (cx - wide * 0.7, 0.14),
    )  # fmt: skip
    stripe = blob((turn * 0.1, -1.0), (turn * 0.2 + 0.13, -0.5), (cx + 0.2, 0.1), (cx, 1.0), (cx - 0.2, 0.1),
                  (turn * 0.2 - 0.13, -0.5))  # fmt: skip
    _ears(dog, front=True, over=False, turn=turn)
    skull = blob(
        (0, -0.93), (0.5, -0.84), (0.86, -0.42), (0.93, 0.08), (0.76, 0.52), (0.42, 0.84),
        (0, 0.95), (-0.42, 0.84), (-0.76, 0.52), (-0.93, 0.08), (-0.86, -0.42), (-0.5, -0.84),
    ) * (1.14 - 0.2 * min(m, 0.7), 1)  # fmt: skip
    marks = _face_marks(dog, eyes, muzzle, stripe)
    dog.part([skull], 0.42, marks, contact=0.45, coat=coat)
    if rng.random() < 0.35:
        _tongue(dog, cx, low - 0.2)
    paint = _muzzle_color(dog)
    if paint is not None:
        marks = [([oval(cx, 0.5, 1, 1)], paint, 0.0)]
    dog.part([muzzle], 0.24, marks, coat=coat, shag=_beard(dog), fade=((cx, -0.1), (cx, 0.34)))
    if m < 0.4:
        folds = [
            limb((cx - k * 0.2, -0.16, 0.02), (cx - k * 0.5, 0.12, 0.035), (cx - k * 0.62, 0.42, 0.02))
            for k in (-1, 1)
        ]
        dog.canvas.flat([dog.frame(fold) for fold in folds], DARK, blur=0.5, opacity=0.45)
    _eyes(dog, eyes, 0.145)
    _nose(dog, cx + turn * 0.06, 0.12 + 0.2 * m, 0.2, 0.145, low - 0.28)
    _ears(dog, front=True, over=True, turn=turn)


def _side_face(dog: Dog) -> None:
    breed = dog.breed
    m = 0.95 * breed.muzzle - 0.08
    coat = _head_coat(dog)
    heavy = 0.16 if breed.muzzle < 0.4 else 0.0
    skull = blob(
        (-0.8, 0.42), (-0.95, -0.2), (-0.45, -0.86), (0.25, -0.86), (0.66, -0.46), (0.82, -0.2),
        (0.82 + 0.6 * m, -0.14), (0.84 + m, -0.1), (0.94 + m, 0.14), (0.86 + m, 0.44 + heavy),
        (0.74 + 0.6 * m, 0.62 + heavy), (0.5, 0.76), (0.1, 0.9), (-0.4, 0.86),
    )  # fmt: skip
    muzzle = blob((0.75, -0.3), (0.9 + m, -0.3), (1.1 + m, 0.3), (0.8 + m, 0.8), (0.7, 0.8), (0.62, 0.2))
    eyes = [(0.4, -0.24)]
    stripe = blob(
        (0.1, -1.0), (0.75, -0.55), (0.9 + m, -0.3), (1 + m, 0.7), (0.9, 0.8), (0.9, 0.05), (0.6, -0.4)
    )
    if not EARS[breed.ears][2]:
        _ears(dog, front=False, over=False, turn=0.22)
    marks = _face_marks(dog, eyes, muzzle, stripe)
    if _muzzle_color(dog) is not None:
        marks.append(([muzzle], _muzzle_color(dog), 0.1))
    if dog.rng.random() < 0.25:
        _tongue(dog, 0.62 + 0.8 * m, 0.42)
    shapes = [skull]
    if 'beard' in dog.trims:
        shapes.append(shaggy(oval(0.72 + 0.6 * m, 0.5, 0.42, 0.36), 0.2, dog.rng))
    dog.part(shapes, 0.32, marks, contact=0.45, coat=coat)
    mouth = limb((0.9 + m, 0.26, 0.022), (0.74 + 0.7 * m, 0.42 + heavy, 0.03), (0.52 + 0.2 * m, 0.38, 0.022))
    dog.canvas.flat([dog.frame(mouth)], DARK, opacity=0.75)
    _eyes(dog, eyes, 0.14)
    nose = dog.frame(oval(0.84 + m, -0.02, 0.15, 0.135, 0.3))
    dog.canvas.flat([nose], DARK)
    dog.canvas.flat([dog.frame(oval(0.86 + m, -0.08, 0.055, 0.03))], rgb('#8d8a90'), blur=0.4, opacity=0.8)
    _ears(dog, front=False, over=True, turn=0.0)


def _beard(dog: Dog) -> float:
    return 2.0 if 'beard' in dog.trims else 0.6


def _muzzle_color(dog: Dog) -> np.ndarray | None:
    if 'pale_muzzle' in dog.trims or 'beard' in dog.trims:
        return mix(dog.main, WHITE, 0.6)
    if 'mask' in dog.trims:
        return mix(dog.mark, DARK, 0.5)
    return None


def _ears(dog: Dog, front: bool, over: bool, turn: float) -> None:
    """Draw the ears if they hang over the head (`over`), or if they stand behind it (not `over`)."""
    outline, side_outline, hangs = EARS[dog.breed.ears]
    if hangs != over:
        return
    size, color = dog.breed.ear, _ear_color(dog)
    coat = mix(dog.coat, color, 0.75)
    root = np.float64((0.66, -0.5) if front else (-0.25, -0.5))
    for side in (-1, 1) if front else ((0, 1) if turn else (1,)):
        points = np.float64(outline if front else side_outline)
        points = (points - root) * size * dog.rng.normal(1, 0.04) + root
        if front:
            points = points * (side, 1) * (1 + 0.12 * side * turn, 1)
        elif side == 0:
            points = np.add(points, (0.3, 0.04))
        dim = 0.75 if side == 0 else 1.0
        shape = blob(*points)
        dog.part([shape], 0.16, contact=0.35 if over else 0.0, coat=coat, dim=dim, shag=0.4)
        if dog.breed.ears in UPRIGHT_EARS and (front or side):
            middle = shape.mean(0)
            inner = middle + (shape - middle) * (0.5, 0.62) + (0, 0.06)
            paint = mix(PINK, color, 0.35)
            dog.canvas.flat([dog.frame(inner)], paint, blur=0.05 * dog.unit, opacity=0.6)


def _eyes(dog: Dog, places, size: float) -> None:
    iris = rgb(dog.rng.choice(('#4a2c1a', '#5b3a1e', '#6e4a22', '#3a2618')))
    flat, frame = dog.canvas.flat, dog.frame
    glance = dog.rng.normal(0, 0.1)

    def discs(dx, dy, radius):
        return [frame(oval(x + dx * size, y + dy * size, radius * size, radius * size)) for x, y in places]

    flat(discs(0, 0, 1.22), DARK, blur=0.25, opacity=0.85)
    flat(discs(0, 0, 1), iris)
    flat(discs(glance, 0, 0.62), DARK * 0.5)
    flat(discs(-0.3, -0.36, 0.34), WHITE)
    flat(discs(0.35, 0.42, 0.17), WHITE, opacity=0.6)
    if 'beard' in dog.trims:
        brows = [shaggy(oval(x, y - size * 1.7, size * 2.1, size * 0.9), 0.1, dog.rng) for x, y in places]
        dog.canvas.body([frame(brow) for brow in brows], mix(dog.coat, WHITE, 0.25), relief=2.0)


def _nose(dog: Dog, x: float, y: float, rx: float, ry: float, mouth: float) -> None:
    flat, frame = dog.canvas.flat, dog.frame
    lips = [
        limb((x, y, 0.026), (x, mouth, 0.026)),
        limb((x, mouth, 0.026), (x + 0.18, mouth + 0.1, 0.028), (x + 0.36, mouth + 0.02, 0.015)),
        limb((x, mouth, 0.026), (x - 0.18, mouth + 0.1, 0.028), (x - 0.36, mouth + 0.02, 0.015)),
    ]
    flat([frame(lip) for lip in lips], DARK, opacity=0.8)
    tip = blob(
        (x - rx, y - ry * 0.5), (x, y - ry), (x + rx, y - ry * 0.5), (x + rx * 0.6, y + ry * 0.6),
        (x, y + ry), (x - rx * 0.6, y + ry * 0.6),
    )  # fmt: skip
    flat([frame(tip)], DARK)
    shine = oval(x - rx * 0.25, y - ry * 0.5, rx * 0.4, ry * 0.2)
    flat([frame(shine)], rgb('#a5a2a8'), blur=0.5, opacity=0.75)


def _tongue(dog: Dog, x: float, y: float) -> None:
    lolling = limb((x, y, 0.15), (x + 0.02, y + 0.32, 0.16), (x + 0.03, y + 0.42, 0.13))
    dog.canvas.body([dog.frame(lolling)], rgb('#e0787a'), relief=0.12 * dog.unit)
