"""Backgrounds and foregrounds of the pictures.

A background is a function of the canvas, a random generator and `floor`, the y of the dog's feet in pixels;
it fills the whole canvas.
"""

from __future__ import annotations

import numpy as np

from src.drawn_dogs.canvas import Canvas, gradient
from src.drawn_dogs.indoors import room
from src.drawn_dogs.scenery import (
    GREENS,
    fill_ground,
    fill_sky,
    grainy,
    grow_grass,
    pick,
    rect,
)
from src.drawn_dogs.shapes import blob, limb, mix, oval, rgb


def meadow(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.25, 0.45)
    fill_sky(canvas, rng, horizon)
    green = pick(rng, GREENS)
    for k in range(3):
        tops = [
            (x, horizon + h * (0.05 * k + rng.normal(0, 0.035))) for x in np.linspace(-0.1 * w, 1.1 * w, 5)
        ]
        far = mix(green, rgb('#b5cdd3'), 0.55 - 0.2 * k)
        canvas.flat([blob(*tops, (1.3 * w, 1.5 * h), (-0.3 * w, 1.5 * h))], far, blur=0.8)
    fill_ground(canvas, rng, horizon + h * 0.12, green, green * 0.72, grain=0.06)
    grow_grass(canvas, rng, horizon + h * 0.15, h, 70, green)
    petals = [
        oval(rng.uniform(0, w), rng.uniform(floor - h * 0.15, h), 2.2, 1.6)
        for _ in range(rng.integers(0, 22))
    ]
    if petals:
        canvas.flat(petals, pick(rng, ('#f4e9c1', '#e7a0a8', '#e9c349', '#c9b3e0', '#fbf6ee')), blur=0.4)


def beach(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.3, 0.5)
    shore = horizon + h * rng.uniform(0.1, 0.2)
    fill_sky(canvas, rng, horizon)
    sea = pick(rng, ('#4f8fa8', '#5c9fb0', '#6a93a8', '#3f7f95'))
    fill_ground(canvas, rng, horizon, sea, mix(sea, rgb('#d6e8e4'), 0.5), grain=0.03)
    sand = pick(rng, ('#e3cda0', '#d9bd92', '#ead9b5', '#cfb68d'))
    edge = [(x, shore + rng.normal(0, 2.5)) for x in np.linspace(-0.1 * w, 1.1 * w, 6)]
    canvas.flat(
        [blob(*[(x, y - 3) for x, y in edge], (1.3 * w, 1.6 * h), (-0.3 * w, 1.6 * h))],
        rgb('#f5f5ef'),
        blur=1.2,
    )
    colors = grainy(canvas.size, ((shore, sand), (h, sand * 0.88)), rng, 0.05)
    canvas.flat([blob(*edge, (1.3 * w, 1.6 * h), (-0.3 * w, 1.6 * h))], colors, blur=1.5)


def street(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    curb = floor - h * rng.uniform(0.1, 0.22)
    canvas.pixels[:] = rgb('#c8c4bd')
    x = -rng.uniform(0, 60)
    while x < w:
        wide = rng.uniform(70, 130)
        house = pick(rng, ('#b58a70', '#c9b79c', '#9aa3a0', '#a8756a', '#d3c6b0', '#86919c'))
        canvas.flat([rect(x, -1, x + wide, curb)], house)
        pane = pick(rng, ('#5d6f7b', '#48545c', '#8fa6b0'))
        rows = np.arange(curb - h * 0.25, -40, -h * 0.27)
        columns = np.arange(x + 12, x + wide - 20, 34)
        panes = [rect(cx, ry - h * 0.15, cx + 18, ry) for ry in rows for cx in columns]
        if panes:
            canvas.flat([s + (s - s.mean(0)) * 0.2 for s in panes], house * 1.18)
            canvas.flat(panes, pane)
        x += wide
    paving = pick(rng, ('#9c9890', '#8d8c8a', '#aaa198'))
    fill_ground(canvas, rng, curb, paving, paving * 0.9, grain=0.05)
    canvas.flat([rect(-1, curb - 2, w + 1, curb + 2)], paving * 1.15)
    joints = [
        limb((w * 0.5 + (x - w * 0.5) * 0.6, curb + 2, 0.4), (x + (x - w * 0.5), h + 2, 0.8))
        for x in np.linspace(-w, 2 * w, 11)
    ]
    canvas.flat(joints, paving * 0.75, opacity=0.6)
    if rng.random() < 0.5:
        x = rng.uniform(0.05, 0.95) * w
        canvas.flat([rect(x - 3, -1, x + 3, curb + 4), oval(x, curb + 4, 8, 3)], rgb('#3c4444'))


def snow(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.2, 0.4)
    sky = pick(rng, ('#aebfce', '#c5ccd3', '#9fb6cf', '#d9c7c6'))
    canvas.pixels[:] = gradient(canvas.size, ((0, sky * 0.92), (horizon, mix(sky, rgb('#f4f2f0'), 0.6))))
    for _ in range(rng.integers(4, 12)):
        x, size = rng.uniform(0, w), rng.uniform(0.2, 0.55) * h
        fir = mix(rgb('#3f5a50'), sky, rng.uniform(0.1, 0.55))
        for k in range(3):
            y, half = horizon + 6 - size * (0.28 * k), size * (0.26 - 0.06 * k)
            canvas.flat([np.float64([(x - half, y), (x, y - size * 0.45), (x + half, y)])], fir, blur=0.7)
            cap = [(x - half * 0.4, y - size * 0.28), (x, y - size * 0.46), (x + half * 0.3, y - size * 0.3)]
            canvas.flat([np.float64(cap)], rgb('#eef1f4'), blur=0.8, opacity=0.8)
    white = rgb('#e6ebf0')
    tops = [(x, horizon + rng.normal(0, 4)) for x in np.linspace(-0.1 * w, 1.1 * w, 5)]
    canvas.flat([blob(*tops, (1.3 * w, 1.6 * h), (-0.3 * w, 1.6 * h))], white * 0.97, blur=1)
    fill_ground(canvas, rng, horizon + 12, white, mix(white, rgb('#b9c9dc'), 0.5), grain=0.025)


def forest(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.12, 0.25)
    air = pick(rng, ('#b9c9a0', '#8fa886', '#cdb98a', '#9fb5a8'))
    canvas.pixels[:] = gradient(canvas.size, ((0, air * 0.65), (horizon, air)))
    for depth in (0.7, 0.4, 0.1):
        bark = mix(pick(rng, ('#4a3b30', '#5d4a3a', '#6b6055')), air, depth)
        half = 9 - 7 * depth
        trunks = [
            limb((x, -5, half), (x + rng.normal(0, 4), horizon + 8, half * 1.2)) for x in rng.uniform(0, w, 4)
        ]
        canvas.flat(trunks, bark, blur=0.5 + depth)
        leaves = np.stack([rng.uniform(0, w, 26), rng.uniform(-10, h * 0.3, 26), rng.uniform(4, 15, 26)], 1)
        canvas.flat(
            [leaves],
            mix(pick(rng, ('#4f6f3f', '#6d8a45', '#b07a35', '#8a5a30')), air, depth),
            blur=1.5,
            opacity=0.7,
        )
    earth = pick(rng, ('#6f6a45', '#7a6248', '#5f6b42', '#8a6a45'))
    fill_ground(canvas, rng, horizon, mix(earth, air, 0.35), earth * 0.85, grain=0.1)
    for color in ('#b5793a', '#7f8f4a', '#8f4f2f'):
        spots = [
            oval(rng.uniform(0, w), rng.uniform(horizon, h), 2.4, 1.3, rng.uniform(0, 3)) for _ in range(14)
        ]
        canvas.flat(spots, rgb(color), opacity=0.7)


def garden(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    lawn = floor - h * rng.uniform(0.1, 0.25)
    fill_sky(canvas, rng, lawn)
    top = lawn - h * rng.uniform(0.3, 0.6)
    board = pick(rng, ('#c3ad8e', '#8f7b66', '#e6e1d6', '#7e95a0', '#a9896a'))
    step = rng.uniform(14, 24)
    canvas.flat([rect(-1, top + 12, w + 1, lawn)], board * 0.72)
    for x in np.arange(rng.uniform(-step, 0), w, step):
        right = x + step * 0.9
        shape = [(x, top + 5), (x + step * 0.45, top), (right, top + 5), (right, lawn), (x, lawn)]
        canvas.flat([np.float64(shape)], board * rng.uniform(0.92, 1.06))
    bush = pick(rng, ('#4f7045', '#5f8050', '#44614a'))
    for _ in range(rng.integers(1, 4)):
        x = rng.uniform(0, w)
        puffs = np.stack(
            [x + rng.normal(0, 18, 16), lawn - rng.uniform(0, 26, 16), rng.uniform(6, 13, 16)], 1
        )
        canvas.flat([puffs], bush, blur=1)
        blooms = np.column_stack([puffs[:9, 0], puffs[:9, 1] - 3, np.full(9, 2.2)])
        canvas.flat([blooms], pick(rng, ('#e48c9a', '#f0d36b', '#f2efe6', '#b48ac4')))
    green = pick(rng, GREENS)
    fill_ground(canvas, rng, lawn, green, green * 0.8, grain=0.05)
    grow_grass(canvas, rng, lawn, h, 60, green)


PLACES = (meadow, beach, room, street, snow, forest, garden)


def foreground(place, canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    """Draw what is in front of the dog: grass at its feet, falling snow, sometimes a ball or a twig."""
    w, h = canvas.size
    if place in (meadow, garden, forest):
        blades, green = rng.integers(0, 45), pick(rng, GREENS)
        tall = rng.uniform(6, 22)
        grow_grass(canvas, rng, floor + h * 0.02, floor + h * 0.1, blades, green, tall)
    if place is snow and rng.random() < 0.7:
        flakes = np.stack([rng.uniform(0, w, 60), rng.uniform(0, h, 60), rng.uniform(0.5, 2.2, 60)], 1)
        canvas.flat([flakes], rgb('#fbfcfd'), blur=0.5, opacity=0.85)
    if rng.random() < 0.14:
        x, r = w * rng.uniform(0.15, 0.85), h * rng.uniform(0.05, 0.085)
        ball = pick(rng, ('#c8433a', '#3f7fa8', '#d8b23f', '#77a84f'))
        y = floor + h * 0.03 - r * 0.8
        canvas.shade([oval(x, y + r, r * 1.1, r * 0.3)], 2, 0.4)
        canvas.body([oval(x, y, r, r)], ball, relief=r * 0.6, dog=False)
    if place is not room and rng.random() < 0.1:
        _branch(canvas, rng)


def _branch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A blurred twig with leaves close to the camera, from the left or the right edge."""
    w, h = canvas.size
    side = rng.integers(2)
    along = np.linspace(0, 1, 9)
    x = np.abs(side * w - along * w * rng.uniform(0.35, 0.6))
    y = h * (rng.uniform(0.05, 0.7) + along * rng.normal(0.1, 0.12))
    canvas.flat([np.stack([x, y, np.full(9, 2.0)], 1)], rgb('#5a4a38'), blur=1.5)
    leaves = [oval(x[k], y[k] + rng.normal(0, 7), 10, 4.5, rng.uniform(-1, 1)) for k in range(9)]
    canvas.flat(leaves, pick(rng, (*GREENS, '#b07a35')) * 0.85, blur=1.5, opacity=0.95)
