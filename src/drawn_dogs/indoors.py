"""The indoor background: a room with a sofa or a window."""

from __future__ import annotations

import numpy as np

from src.drawn_dogs.canvas import Canvas, gradient
from src.drawn_dogs.scenery import fill_ground, pick, rect
from src.drawn_dogs.shapes import blob, limb, oval, rgb


def room(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    """Wall, wooden floor, sofa or window, and sometimes a rug."""
    w, h = canvas.size
    skirting = floor - h * rng.uniform(0.12, 0.28)
    wall = pick(rng, ('#d9cfc0', '#b7c4bd', '#c9b8a8', '#a9b6c6', '#d8b9a0', '#e4dfd3', '#8fa396'))
    canvas.pixels[:] = gradient(canvas.size, ((0, wall * 0.9), (skirting, wall)))
    if rng.random() < 0.4:
        step = rng.uniform(14, 30)
        stripes = [rect(x, -1, x + step / 2, skirting) for x in np.arange(rng.uniform(-step, 0), w, step)]
        canvas.flat(stripes, wall * 0.93, opacity=0.7)
    wood = pick(rng, ('#a97c50', '#8a6242', '#c09a6b', '#7a6a5c'))
    fill_ground(canvas, rng, skirting, wood * 0.9, wood * 1.05, grain=0.03)
    planks = [
        limb((w * 0.5 + (x - w * 0.5) * 0.5, skirting, 0.4), (x + (x - w * 0.5), h + 2, 0.7))
        for x in np.linspace(-w, 2 * w, 15)
    ]
    canvas.flat(planks, wood * 0.6, opacity=0.5)
    canvas.flat([rect(-1, skirting - 6, w + 1, skirting + 1)], wall * 1.08)
    (_sofa if rng.random() < 0.5 else _window)(canvas, rng, skirting)
    if rng.random() < 0.6:
        rug = pick(rng, ('#a84f45', '#4d6a7d', '#c9b590', '#6d7f5b', '#7d5b75'))
        canvas.flat([oval(w / 2, floor, w * 0.55, h * 0.11)], rug * 0.85, blur=0.6)
        canvas.flat([oval(w / 2, floor, w * 0.5, h * 0.09)], rug, blur=0.6)


def _sofa(canvas: Canvas, rng, floor: float) -> None:
    w, h = canvas.size
    cloth = pick(rng, ('#7b8f8a', '#8c5f55', '#c2a878', '#5f6b86', '#9a8f80', '#a9656f'))
    x, half = w * rng.uniform(0.3, 0.7), w * rng.uniform(0.35, 0.55)
    top, seat = floor - h * rng.uniform(0.38, 0.5), floor - h * 0.2
    back = blob((x - half, seat + 10), (x - half, top + 6), (x - half * 0.9, top), (x, top + 2),
        (x + half * 0.9, top),
                (x + half, top + 6), (x + half, seat + 10))  # fmt: skip
    canvas.body([back], cloth * 0.9, relief=12, dog=False)
    canvas.body([rect(x - half, seat, x + half, floor + 3)], cloth, relief=9, dog=False)
    canvas.body(
        [limb((x + k * half, seat - 8, 13), (x + k * half, floor, 13)) for k in (-1, 1)],
        cloth * 1.05,
        relief=7,
        dog=False,
    )
    pillow = pick(rng, ('#d9a441', '#e3d9c6', '#5c7f8a', '#b4574a'))
    px = x + half * rng.uniform(-0.6, 0.6)
    canvas.body(
        [blob((px - 20, seat - 24), (px + 18, seat - 28), (px + 22, seat + 4), (px - 17, seat + 6))],
        pillow,
        relief=7,
        dog=False,
    )


def _window(canvas: Canvas, rng, floor: float) -> None:
    w, h = canvas.size
    x, y = w * rng.uniform(0.15, 0.6), floor - h * rng.uniform(0.65, 0.8)
    wide, high = w * rng.uniform(0.25, 0.4), h * rng.uniform(0.35, 0.45)
    canvas.flat(
        [rect(x - 5, y - 5, x + wide + 5, y + high + 5)], pick(rng, ('#f1ece2', '#6d5540', '#e8e4dc'))
    )
    view = gradient(
        canvas.size, ((0, rgb('#a9cbe2')), (y + high * 0.6, rgb('#e6eee8')), (y + high, rgb('#9db882')))
    )
    canvas.flat([rect(x, y, x + wide, y + high)], view)
    canvas.flat(
        [
            rect(x + wide / 2 - 2, y, x + wide / 2 + 2, y + high),
            rect(x, y + high / 2 - 2, x + wide, y + high / 2 + 2),
        ],
        rgb('#ece7dd'),
    )
    cloth = pick(rng, ('#b4574a', '#d8c9a8', '#6f8a94', '#8d9a6b'))
    for left in (x - 14, x + wide - 8):
        canvas.flat([rect(left, y - 9, left + 22, y + high + 12)], cloth)
        canvas.flat([rect(left + k, y - 9, left + k + 3, y + high + 12) for k in (3, 10, 16)], cloth * 0.85)
