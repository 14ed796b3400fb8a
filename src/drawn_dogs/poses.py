"""Five poses, each drawn from back to front, and the extent of a dog in each."""

from __future__ import annotations

from src.drawn_dogs.breeds import UPRIGHT_EARS, Breed
from src.drawn_dogs.dogs import WHITE, Dog
from src.drawn_dogs.heads import head
from src.drawn_dogs.shapes import blob, limb, mix, oval


def standing(dog: Dog) -> None:
    length, depth, leg, r = _measures(dog)
    top, x = -leg - depth, length / 2
    _ground(dog, -x * 0.95, x * 0.95)
    stride = dog.rng.normal(0, 0.05, 4)
    for k, dim in ((0, 0.72), (1, 1.0)):
        if k == 1:
            _trunk(dog, length, depth, leg)
        shift, lift = (0.09, -0.035) if k == 0 else (0, 0)
        s = stride[2 * k]
        dog.leg(
            (-x * 0.74 + shift, -leg - depth * 0.42, depth * 0.36),
            (-x * 0.62 + shift + s * 0.4, -leg * 0.82, r * 1.45),
            (-x * 0.9 + shift + s * 0.8, -leg * 0.38, r * 0.72),
            (-x * 0.84 + shift + s, -r * 0.75 + lift, r * 0.72),
            fade=((-x * 0.8, top + depth * 0.2), (-x * 0.72, -leg - depth * 0.3)), dim=dim,
        )  # fmt: skip
        s = stride[2 * k + 1]
        dog.leg(
            (x * 0.66 + shift, -leg - depth * 0.32, r * 1.9), (x * 0.58 + shift, -leg * 0.9, r * 1.25),
            (x * 0.66 + shift + s * 0.6, -leg * 0.4, r * 0.85),
            (x * 0.65 + shift + s, -r * 0.75 + lift, r * 0.75),
            fade=((x * 0.66, top + depth * 0.3), (x * 0.62, -leg - depth * 0.05)), dim=dim,
        )  # fmt: skip
    front = dog.rng.random() < 0.45
    head(dog, x + 0.1, top - 0.17 - 0.2 * dog.breed.head, front)


def _trunk(dog: Dog, length: float, depth: float, leg: float) -> None:
    """Tail, trunk and neck of a standing dog."""
    top, x = -leg - depth, length / 2
    tuck = 0.25 * depth * (1.3 - 4 * dog.breed.bulk)
    trunk = blob(
        (x * 0.62, top), (0, top + 0.035), (-x * 0.7, top + 0.01), (-x * 0.98, top + depth * 0.3),
        (-x * 0.9, -leg - depth * 0.3), (-x * 0.45, -leg - tuck), (0.1 * x, -leg), (x * 0.6, -leg + 0.03),
        (x * 0.98, -leg - depth * 0.4), (x * 0.95, top + depth * 0.2),
    )  # fmt: skip
    mane = 1 + 4 * dog.breed.shag
    neck = limb((x * 0.62, top + depth * 0.4, depth * 0.42), (x * 0.85, top, depth * 0.33 * mane),
                (x + 0.06, top - 0.14, dog.breed.head * 0.72))  # fmt: skip
    saddle = blob((x * 0.8, top - 0.1), (x * 0.55, top + depth * 0.4), (-0.2 * x, top + depth * 0.55),
                  (-x * 0.85, top + depth * 0.5), (-x * 1.1, top - 0.1), (0, top - 0.15))  # fmt: skip
    bib = oval(x * 1.0, -leg - depth * 0.35, 0.16, depth * 0.5)
    collar = limb((x * 0.72, top - 0.1, 0.024), (x * 0.95, top + 0.02, 0.024), (x + 0.18, top + 0.02, 0.024))
    if dog.breed.tail != 'curled':
        dog.tail(-x * 0.92, top + depth * 0.18)
    dog.part([trunk, neck], 0.16, _torso_marks(dog, [saddle], bib, collar))
    if dog.breed.tail == 'curled':
        dog.tail(-x * 0.88, top + depth * 0.16)


def sitting(dog: Dog) -> None:
    length, depth, leg, r = _measures(dog)
    d, tall = depth, leg + depth * 0.75 + 0.12 * length
    _ground(dog, -0.36 * length, 0.34)
    dog.tail(-0.36 * length, -0.06 if dog.breed.tail != 'curled' else -0.2, 0.5, resting=True)
    front = ((0.2, -tall + d * 0.55, r * 1.7), (0.23, -leg * 0.9, r * 1.2), (0.24, -leg * 0.4, r * 0.85))
    ankle = (0.25, -r * 0.75, r * 0.78)
    dog.leg(*[(px + 0.08, py, pr) for px, py, pr in front], (0.33, -r * 0.75 - 0.03, r * 0.75), dim=0.72)
    trunk = blob(
        (0.12, -tall - 0.02), (-0.12, -tall * 0.78), (-0.3 * length - 0.02, -tall * 0.45),
        (-0.38 * length, -0.12), (-0.25 * length, -0.005), (0.02, -0.02), (0.16, -leg * 0.7),
        (0.34, -tall * 0.55), (0.33, -tall * 0.85),
    )  # fmt: skip
    neck = limb(
        (0.14, -tall * 0.8, d * 0.46),
        (0.2, -tall - 0.02, d * 0.34 * (1 + 4 * dog.breed.shag)),
        (0.24, -tall - 0.16, dog.breed.head * 0.74),
    )
    saddle = blob((0.15, -tall - 0.15), (0.05, -tall * 0.7), (-0.12 * length, -tall * 0.3),
                  (-0.3 * length, -0.05), (-0.6 * length, -0.1), (-0.4, -tall * 0.8))  # fmt: skip
    bib = oval(0.34, -tall * 0.68, 0.13, tall * 0.26)
    collar = limb((0.0, -tall - 0.1, 0.024), (0.2, -tall - 0.02, 0.024), (0.42, -tall - 0.06, 0.024))
    dog.part([trunk, neck], 0.16, _torso_marks(dog, [saddle], bib, collar))
    dog.leg(*front, ankle, fade=((0.2, -tall * 0.85), (0.22, -leg * 0.85)))
    thigh = blob((-0.3 * length, -0.3 * tall), (-0.05 * length, -0.42 * tall), (0.1, -0.24 * tall),
                 (0.06, -0.04), (-0.2 * length, 0.0), (-0.36 * length, -0.1))  # fmt: skip
    dog.part([thigh], 0.09, fade=((-0.4 * length, -0.42 * tall), (-0.2 * length, -0.2 * tall)), shag=0.6)
    dog.leg((-0.05, -r * 0.8, r * 0.8), (0.1, -r * 0.75, r * 0.75))
    head(dog, 0.28, -tall - 0.2 - 0.2 * dog.breed.head, dog.rng.random() < 0.6)


def sitting_front(dog: Dog) -> None:
    _, depth, leg, r = _measures(dog)
    d, tall = depth, leg + depth * 0.8
    _ground(dog, -0.28, 0.28)
    dog.tail(-0.2, -0.08 if dog.breed.tail != 'curled' else -0.3, 0.2, resting=True)
    trunk = blob(
        (0, -tall - 0.08), (d * 0.45, -tall), (d * 0.62, -tall * 0.62), (d * 0.74, -0.25 * tall),
        (d * 0.72, -0.03), (0, -0.02), (-d * 0.72, -0.03), (-d * 0.74, -0.25 * tall),
        (-d * 0.62, -tall * 0.62), (-d * 0.45, -tall),
    )  # fmt: skip
    saddle = blob((-0.6, -tall - 0.2), (-d * 0.42, -tall * 0.6), (-d * 0.5, -0.1), (-0.9, -0.1))
    bib = blob((0, -tall - 0.1), (d * 0.3, -tall * 0.75), (d * 0.16, -tall * 0.4), (-d * 0.16, -tall * 0.4),
               (-d * 0.3, -tall * 0.75))  # fmt: skip
    collar = limb((-d * 0.5, -tall - 0.06, 0.026), (0, -tall + 0.03, 0.026), (d * 0.5, -tall - 0.06, 0.026))
    marks = _torso_marks(dog, [saddle, saddle * (-1, 1)], bib, collar)
    dog.part([trunk], 0.17, marks)
    for side in (-1, 1):
        thigh = oval(side * d * 0.66, -0.15 * tall - 0.03, d * 0.27, 0.16 * tall + 0.05)
        dog.part([thigh], 0.08, shag=0.6, contact=0.25)
        dog.leg((side * d * 0.72, -r, r * 0.8), (side * d * 0.78, -r * 0.8, r * 0.85), paw=0.0)
    for side in (-1, 1):
        x = side * (d * 0.22 + 0.02)
        leg_points = (
            (x * 1.25, -tall * 0.72, r * 1.5),
            (x * 1.1, -leg * 0.6, r * 1.05),
            (x, 0.02 - r * 0.7, r * 0.92),
        )
        dog.leg(*leg_points, paw=0.0, fade=((x, -tall * 0.8), (x, -leg * 0.72)))
    head(dog, 0.0, -tall - 0.22, True)


def lying(dog: Dog) -> None:
    length, depth, _, r = _measures(dog)
    x, d = length / 2, depth
    _ground(dog, -x, x + 0.3)
    dog.tail(-x * 0.95, -0.03 if dog.breed.tail != 'curled' else -d * 0.7, resting=True)
    dog.leg((x * 0.5, -0.16, r * 1.2), (x * 0.8, -r - 0.03, r), (x + 0.3, -r * 0.8 - 0.03, r * 0.8), dim=0.75)
    trunk = blob(
        (x * 0.6, -d * 1.12), (0, -d * 0.95), (-x * 0.6, -d * 0.98), (-x, -d * 0.55), (-x * 0.95, -0.03),
        (0, 0.0), (x * 0.7, -0.01), (x, -d * 0.4), (x * 0.95, -d * 0.9),
    )  # fmt: skip
    neck = limb(
        (x * 0.6, -d * 0.7, d * 0.44),
        (x * 0.82, -d * 1.1, d * 0.34 * (1 + 4 * dog.breed.shag)),
        (x + 0.02, -d - 0.16, dog.breed.head * 0.74),
    )
    saddle = blob((x * 0.8, -d * 1.4), (x * 0.5, -d * 0.65), (-0.2 * x, -d * 0.4), (-x * 0.85, -d * 0.45),
                  (-x * 1.2, -d * 1.1), (0, -d * 1.3))  # fmt: skip
    bib = oval(x, -d * 0.5, 0.14, d * 0.45)
    collar = limb((x * 0.66, -d - 0.14, 0.024), (x * 0.9, -d - 0.03, 0.024), (x + 0.16, -d - 0.04, 0.024))
    dog.part([trunk, neck], 0.15, _torso_marks(dog, [saddle], bib, collar))
    thigh = blob(
        (-x * 0.95, -d * 0.5),
        (-x * 0.55, -d * 0.78),
        (-x * 0.2, -d * 0.45),
        (-x * 0.25, -0.04),
        (-x * 0.9, 0.0),
    )
    dog.part([thigh], 0.09, fade=((-x * 0.9, -d * 0.95), (-x * 0.6, -d * 0.5)), shag=0.6)
    dog.leg((-x * 0.5, -r * 0.8, r * 0.8), (-x * 0.12, -r * 0.75, r * 0.8))
    dog.leg((x * 0.55, -d * 0.4, r * 1.5), (x * 0.62, -r * 1.1, r * 1.15), (x + 0.16, -r * 0.8, r * 0.85),
             fade=((x * 0.55, -d * 0.7), (x * 0.6, -d * 0.25)))  # fmt: skip
    head(dog, x + 0.08, -d - 0.2 - 0.2 * dog.breed.head, dog.rng.random() < 0.55)


def portrait(dog: Dog) -> None:
    """Head and chest, cut off by the lower edge of the picture."""
    d = dog.breed.depth
    neck = d * (0.55 + 3 * dog.breed.shag)
    chest = blob((0, -0.65), (neck * 0.9, -0.52), (neck, -0.3), (d * 0.86, -0.1), (d, 0.3), (0, 0.5),
                 (-d, 0.3), (-d * 0.86, -0.1), (-neck, -0.3), (-neck * 0.9, -0.52))  # fmt: skip
    bib = blob((0, -0.6), (d * 0.35, -0.3), (d * 0.2, 0.1), (-d * 0.2, 0.1), (-d * 0.35, -0.3))
    saddle = blob((-1.2, -0.8), (-d * 0.5, -0.5), (-d * 0.6, 0.4), (-1.2, 0.4))
    collar = limb((-d * 0.6, -0.46, 0.026), (0, -0.33, 0.026), (d * 0.6, -0.46, 0.026))
    marks = _torso_marks(dog, [saddle, saddle * (-1, 1)], bib, collar)
    dog.part([chest], 0.15, marks)
    head(dog, 0, -0.62, True, scale=1.25)


def _measures(dog: Dog) -> tuple[float, float, float, float]:
    """Length and depth of the trunk, length and half the thickness of the legs."""
    return dog.breed.length, dog.breed.depth, dog.breed.leg, dog.breed.bulk


def _ground(dog: Dog, left: float, right: float) -> None:
    """Draw the shadow on the ground, from `left` to `right` and away from the light."""
    away = -dog.canvas.light[0] * 0.12 * (-1 if dog.frame.flip else 1)
    middle, reach = (left + right) / 2, (right - left) / 2
    wide, close = oval(middle + away, 0, reach * 1.15, 0.07), oval(middle + away / 2, 0, reach, 0.04)
    for shape, blur, strength in ((wide, 0.05, 0.4), (close, 0.02, 0.3)):
        dog.canvas.shade([dog.frame(shape)], blur * dog.unit, strength)


def _torso_marks(dog: Dog, saddles, bib, collar) -> list:
    """The marks of a trunk for `Dog.part`: saddle, bib and collar, if the dog has them."""
    marks = []
    if dog.breed.pattern == 'saddle':
        marks += [([saddle], dog.mark, 0.06) for saddle in saddles]
    if 'bib' in dog.trims:
        marks.append(([bib], mix(dog.main, WHITE, 0.85), 0.035))
    if dog.collar is not None:
        marks.append(([collar], dog.collar, 0.004))
    return marks


def extent_of(pose: str, breed: Breed) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) around a dog of the breed in body coordinates."""
    b, head = breed, breed.head * (2.1 if breed.ears in UPRIGHT_EARS else 1.5)
    tail = {'stub': 0.1, 'curled': 0.22}.get(b.tail, 0.34)
    nose = b.head * (1.2 + b.muzzle)
    return {
        'standing': (-b.length / 2 - tail, -b.leg - b.depth - 0.17 - head, b.length / 2 + 0.1 + nose, 0.08),
        'sitting': (
            -0.36 * b.length - tail,
            -b.leg - 0.75 * b.depth - 0.12 * b.length - 0.2 - head,
            0.28 + nose,
            0.08,
        ),
        'sitting_front': (-b.depth - 0.1, -b.leg - 0.8 * b.depth - 0.22 - head, b.depth + 0.1, 0.08),
        'lying': (-b.length / 2 - tail, -b.depth - 0.22 - head, b.length / 2 + 0.08 + max(nose, 0.32), 0.08),
        'portrait': (-b.depth * 1.05, -0.62 - 1.25 * head, b.depth * 1.05, 0.06),
    }[pose]


POSES = {
    'standing': standing,
    'sitting': sitting,
    'sitting_front': sitting_front,
    'lying': lying,
    'portrait': portrait,
}
