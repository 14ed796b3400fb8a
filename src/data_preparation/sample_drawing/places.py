"""Where the dogs of the sample pictures are, and what stands before them.

Every place is a function of the canvas, a random generator and `floor`, the height in pixels at which
the dog stands; it fills the whole canvas.
"""

from __future__ import annotations

import numpy as np

from src.data_preparation.sample_drawing.canvas import Canvas, gradient, noise
from src.data_preparation.sample_drawing.shapes import blob, limb, mix, oval, rgb

SKIES = (('#8fbfe0', '#dcecf2'), ('#a9c4d6', '#eef0ea'), ('#7fa6cf', '#f3e3cf'), ('#b9c3cc', '#e6e6e2'))
GREENS = ('#7fa653', '#6b9148', '#93ad5a', '#5d8550', '#a3b266')


def meadow(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.25, 0.45)
    _sky(canvas, rng, horizon)
    green = _pick(rng, GREENS)
    for k in range(3):
        tops = [
            (x, horizon + h * (0.05 * k + rng.normal(0, 0.035))) for x in np.linspace(-0.1 * w, 1.1 * w, 5)
        ]
        far = mix(green, rgb('#b5cdd3'), 0.55 - 0.2 * k)
        canvas.flat([blob(*tops, (1.3 * w, 1.5 * h), (-0.3 * w, 1.5 * h))], far, blur=0.8)
    _ground(canvas, rng, horizon + h * 0.12, green, green * 0.72, grain=0.06)
    _blades(canvas, rng, horizon + h * 0.15, h, 70, green)
    petals = [
        oval(rng.uniform(0, w), rng.uniform(floor - h * 0.15, h), 2.2, 1.6)
        for _ in range(rng.integers(0, 22))
    ]
    if petals:
        canvas.flat(petals, _pick(rng, ('#f4e9c1', '#e7a0a8', '#e9c349', '#c9b3e0', '#fbf6ee')), blur=0.4)


def beach(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.3, 0.5)
    shore = horizon + h * rng.uniform(0.1, 0.2)
    _sky(canvas, rng, horizon)
    sea = _pick(rng, ('#4f8fa8', '#5c9fb0', '#6a93a8', '#3f7f95'))
    _ground(canvas, rng, horizon, sea, mix(sea, rgb('#d6e8e4'), 0.5), grain=0.03)
    sand = _pick(rng, ('#e3cda0', '#d9bd92', '#ead9b5', '#cfb68d'))
    edge = [(x, shore + rng.normal(0, 2.5)) for x in np.linspace(-0.1 * w, 1.1 * w, 6)]
    canvas.flat(
        [blob(*[(x, y - 3) for x, y in edge], (1.3 * w, 1.6 * h), (-0.3 * w, 1.6 * h))],
        rgb('#f5f5ef'),
        blur=1.2,
    )
    colours = _grainy(canvas.size, ((shore, sand), (h, sand * 0.88)), rng, 0.05)
    canvas.flat([blob(*edge, (1.3 * w, 1.6 * h), (-0.3 * w, 1.6 * h))], colours, blur=1.5)


def room(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    skirting = floor - h * rng.uniform(0.12, 0.28)
    wall = _pick(rng, ('#d9cfc0', '#b7c4bd', '#c9b8a8', '#a9b6c6', '#d8b9a0', '#e4dfd3', '#8fa396'))
    canvas.pixels[:] = gradient(canvas.size, ((0, wall * 0.9), (skirting, wall)))
    if rng.random() < 0.4:
        step = rng.uniform(14, 30)
        stripes = [_rect(x, -1, x + step / 2, skirting) for x in np.arange(rng.uniform(-step, 0), w, step)]
        canvas.flat(stripes, wall * 0.93, opacity=0.7)
    wood = _pick(rng, ('#a97c50', '#8a6242', '#c09a6b', '#7a6a5c'))
    _ground(canvas, rng, skirting, wood * 0.9, wood * 1.05, grain=0.03)
    planks = [
        limb((w * 0.5 + (x - w * 0.5) * 0.5, skirting, 0.4), (x + (x - w * 0.5), h + 2, 0.7))
        for x in np.linspace(-w, 2 * w, 15)
    ]
    canvas.flat(planks, wood * 0.6, opacity=0.5)
    canvas.flat([_rect(-1, skirting - 6, w + 1, skirting + 1)], wall * 1.08)
    (_sofa if rng.random() < 0.5 else _window)(canvas, rng, skirting)
    if rng.random() < 0.6:
        rug = _pick(rng, ('#a84f45', '#4d6a7d', '#c9b590', '#6d7f5b', '#7d5b75'))
        canvas.flat([oval(w / 2, floor, w * 0.55, h * 0.11)], rug * 0.85, blur=0.6)
        canvas.flat([oval(w / 2, floor, w * 0.5, h * 0.09)], rug, blur=0.6)


def street(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    kerb = floor - h * rng.uniform(0.1, 0.22)
    canvas.pixels[:] = rgb('#c8c4bd')
    x = -rng.uniform(0, 60)
    while x < w:
        wide = rng.uniform(70, 130)
        house = _pick(rng, ('#b58a70', '#c9b79c', '#9aa3a0', '#a8756a', '#d3c6b0', '#86919c'))
        canvas.flat([_rect(x, -1, x + wide, kerb)], house)
        pane = _pick(rng, ('#5d6f7b', '#48545c', '#8fa6b0'))
        rows = np.arange(kerb - h * 0.25, -40, -h * 0.27)
        columns = np.arange(x + 12, x + wide - 20, 34)
        panes = [_rect(cx, ry - h * 0.15, cx + 18, ry) for ry in rows for cx in columns]
        if panes:
            canvas.flat([s + (s - s.mean(0)) * 0.2 for s in panes], house * 1.18)
            canvas.flat(panes, pane)
        x += wide
    paving = _pick(rng, ('#9c9890', '#8d8c8a', '#aaa198'))
    _ground(canvas, rng, kerb, paving, paving * 0.9, grain=0.05)
    canvas.flat([_rect(-1, kerb - 2, w + 1, kerb + 2)], paving * 1.15)
    joints = [
        limb((w * 0.5 + (x - w * 0.5) * 0.6, kerb + 2, 0.4), (x + (x - w * 0.5), h + 2, 0.8))
        for x in np.linspace(-w, 2 * w, 11)
    ]
    canvas.flat(joints, paving * 0.75, opacity=0.6)
    if rng.random() < 0.5:
        x = rng.uniform(0.05, 0.95) * w
        canvas.flat([_rect(x - 3, -1, x + 3, kerb + 4), oval(x, kerb + 4, 8, 3)], rgb('#3c4444'))


def snow(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.2, 0.4)
    sky = _pick(rng, ('#aebfce', '#c5ccd3', '#9fb6cf', '#d9c7c6'))
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
    _ground(canvas, rng, horizon + 12, white, mix(white, rgb('#b9c9dc'), 0.5), grain=0.025)


def forest(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    horizon = floor - h * rng.uniform(0.12, 0.25)
    air = _pick(rng, ('#b9c9a0', '#8fa886', '#cdb98a', '#9fb5a8'))
    canvas.pixels[:] = gradient(canvas.size, ((0, air * 0.65), (horizon, air)))
    for depth in (0.7, 0.4, 0.1):
        bark = mix(_pick(rng, ('#4a3b30', '#5d4a3a', '#6b6055')), air, depth)
        half = 9 - 7 * depth
        trunks = [
            limb((x, -5, half), (x + rng.normal(0, 4), horizon + 8, half * 1.2)) for x in rng.uniform(0, w, 4)
        ]
        canvas.flat(trunks, bark, blur=0.5 + depth)
        leaves = np.stack([rng.uniform(0, w, 26), rng.uniform(-10, h * 0.3, 26), rng.uniform(4, 15, 26)], 1)
        canvas.flat(
            [leaves],
            mix(_pick(rng, ('#4f6f3f', '#6d8a45', '#b07a35', '#8a5a30')), air, depth),
            blur=1.5,
            opacity=0.7,
        )
    earth = _pick(rng, ('#6f6a45', '#7a6248', '#5f6b42', '#8a6a45'))
    _ground(canvas, rng, horizon, mix(earth, air, 0.35), earth * 0.85, grain=0.1)
    for colour in ('#b5793a', '#7f8f4a', '#8f4f2f'):
        spots = [
            oval(rng.uniform(0, w), rng.uniform(horizon, h), 2.4, 1.3, rng.uniform(0, 3)) for _ in range(14)
        ]
        canvas.flat(spots, rgb(colour), opacity=0.7)


def garden(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    w, h = canvas.size
    lawn = floor - h * rng.uniform(0.1, 0.25)
    _sky(canvas, rng, lawn)
    top = lawn - h * rng.uniform(0.3, 0.6)
    board = _pick(rng, ('#c3ad8e', '#8f7b66', '#e6e1d6', '#7e95a0', '#a9896a'))
    step = rng.uniform(14, 24)
    canvas.flat([_rect(-1, top + 12, w + 1, lawn)], board * 0.72)
    for x in np.arange(rng.uniform(-step, 0), w, step):
        right = x + step * 0.9
        shape = [(x, top + 5), (x + step * 0.45, top), (right, top + 5), (right, lawn), (x, lawn)]
        canvas.flat([np.float64(shape)], board * rng.uniform(0.92, 1.06))
    bush = _pick(rng, ('#4f7045', '#5f8050', '#44614a'))
    for _ in range(rng.integers(1, 4)):
        x = rng.uniform(0, w)
        puffs = np.stack(
            [x + rng.normal(0, 18, 16), lawn - rng.uniform(0, 26, 16), rng.uniform(6, 13, 16)], 1
        )
        canvas.flat([puffs], bush, blur=1)
        blooms = np.column_stack([puffs[:9, 0], puffs[:9, 1] - 3, np.full(9, 2.2)])
        canvas.flat([blooms], _pick(rng, ('#e48c9a', '#f0d36b', '#f2efe6', '#b48ac4')))
    green = _pick(rng, GREENS)
    _ground(canvas, rng, lawn, green, green * 0.8, grain=0.05)
    _blades(canvas, rng, lawn, h, 60, green)


PLACES = (meadow, beach, room, street, snow, forest, garden)


def foreground(place, canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    """What comes between the camera and the dog: grass at its feet, falling snow, now and then a ball,
    a twig or a post."""
    w, h = canvas.size
    if place in (meadow, garden, forest):
        blades = rng.integers(0, 45)
        _blades(
            canvas,
            rng,
            floor + h * 0.02,
            floor + h * 0.1,
            blades,
            _pick(rng, GREENS),
            height=rng.uniform(6, 22),
        )
    if place is snow and rng.random() < 0.7:
        flakes = np.stack([rng.uniform(0, w, 60), rng.uniform(0, h, 60), rng.uniform(0.5, 2.2, 60)], 1)
        canvas.flat([flakes], rgb('#fbfcfd'), blur=0.5, opacity=0.85)
    if rng.random() < 0.14:
        x, r = w * rng.uniform(0.15, 0.85), h * rng.uniform(0.05, 0.085)
        ball = _pick(rng, ('#c8433a', '#3f7fa8', '#d8b23f', '#77a84f'))
        y = floor + h * 0.03 - r * 0.8
        canvas.shade([oval(x, y + r, r * 1.1, r * 0.3)], 2, 0.4)
        canvas.body([oval(x, y, r, r)], ball, relief=r * 0.6, dog=False)
    if place is not room and rng.random() < 0.1:
        _branch(canvas, rng)


def _branch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A leafy twig close to the camera, out of focus, that reaches in from the left or the right."""
    w, h = canvas.size
    side = rng.integers(2)
    along = np.linspace(0, 1, 9)
    x = np.abs(side * w - along * w * rng.uniform(0.35, 0.6))
    y = h * (rng.uniform(0.05, 0.7) + along * rng.normal(0.1, 0.12))
    canvas.flat([np.stack([x, y, np.full(9, 2.0)], 1)], rgb('#5a4a38'), blur=1.5)
    leaves = [oval(x[k], y[k] + rng.normal(0, 7), 10, 4.5, rng.uniform(-1, 1)) for k in range(9)]
    canvas.flat(leaves, _pick(rng, (*GREENS, '#b07a35')) * 0.85, blur=1.5, opacity=0.95)


def _pick(rng: np.random.Generator, colours) -> np.ndarray:
    return rgb(rng.choice(colours)) * np.float32(rng.normal(1, 0.05))


def _rect(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.float64([(left, top), (right, top), (right, bottom), (left, bottom)])


def _sky(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
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


def _ground(canvas: Canvas, rng, top: float, far, near, grain: float) -> None:
    """Fill everything below `top`, from colour `far` to colour `near`, with a grain that lies flat."""
    w, h = canvas.size
    top = int(np.clip(top, 0, h - 2))
    canvas.pixels[:, top:] = _grainy((w, h - top), ((0, far), (h - top, near)), rng, grain)


def _grainy(size, stops, rng, grain: float) -> np.ndarray:
    return gradient(size, stops) * (1 + noise(size, (5, 1.6), rng) * np.float32(grain))


def _blades(canvas: Canvas, rng, top: float, bottom: float, number: int, colour, height: float = 7.0) -> None:
    """Grass: thin triangles in two shades."""
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
    canvas.flat(blades[::2], colour * 0.78, opacity=0.9)
    canvas.flat(blades[1::2], colour * 1.12, opacity=0.9)


def _sofa(canvas: Canvas, rng, floor: float) -> None:
    w, h = canvas.size
    cloth = _pick(rng, ('#7b8f8a', '#8c5f55', '#c2a878', '#5f6b86', '#9a8f80', '#a9656f'))
    x, half = w * rng.uniform(0.3, 0.7), w * rng.uniform(0.35, 0.55)
    top, seat = floor - h * rng.uniform(0.38, 0.5), floor - h * 0.2
    back = blob((x - half, seat + 10), (x - half, top + 6), (x - half * 0.9, top), (x, top + 2),
        (x + half * 0.9, top),
                (x + half, top + 6), (x + half, seat + 10))  # fmt: skip
    canvas.body([back], cloth * 0.9, relief=12, dog=False)
    canvas.body([_rect(x - half, seat, x + half, floor + 3)], cloth, relief=9, dog=False)
    canvas.body(
        [limb((x + k * half, seat - 8, 13), (x + k * half, floor, 13)) for k in (-1, 1)],
        cloth * 1.05,
        relief=7,
        dog=False,
    )
    pillow = _pick(rng, ('#d9a441', '#e3d9c6', '#5c7f8a', '#b4574a'))
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
        [_rect(x - 5, y - 5, x + wide + 5, y + high + 5)], _pick(rng, ('#f1ece2', '#6d5540', '#e8e4dc'))
    )
    view = gradient(
        canvas.size, ((0, rgb('#a9cbe2')), (y + high * 0.6, rgb('#e6eee8')), (y + high, rgb('#9db882')))
    )
    canvas.flat([_rect(x, y, x + wide, y + high)], view)
    canvas.flat(
        [
            _rect(x + wide / 2 - 2, y, x + wide / 2 + 2, y + high),
            _rect(x, y + high / 2 - 2, x + wide, y + high / 2 + 2),
        ],
        rgb('#ece7dd'),
    )
    cloth = _pick(rng, ('#b4574a', '#d8c9a8', '#6f8a94', '#8d9a6b'))
    for left in (x - 14, x + wide - 8):
        canvas.flat([_rect(left, y - 9, left + 22, y + high + 12)], cloth)
        canvas.flat([_rect(left + k, y - 9, left + k + 3, y + high + 12) for k in (3, 10, 16)], cloth * 0.85)
