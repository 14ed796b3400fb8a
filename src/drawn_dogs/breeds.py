"""Eight invented breeds of dog, and the shapes of their ears and tails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Breed:
    """The features of a breed. Lengths are in body coordinates (see `dogs`), `ear` and `muzzle` in head
    coordinates (see `heads`); `Dog.create` varies them a little."""

    name: str
    coats: tuple[str, ...]  # main colors; a dog has one of them
    marks: tuple[str, ...]  # pattern colors; a dog has one of them
    pattern: str  # a key of `dogs.PATTERNS`
    trims: tuple[str, ...]  # white, pale or dark details; a dog has each with probability 0.8
    ears: str  # a key of `EARS`
    tail: str  # a key of `TAILS`
    leg: float = 0.5
    length: float = 1.0
    depth: float = 0.4
    bulk: float = 0.075
    head: float = 0.215
    muzzle: float = 0.7
    ear: float = 1.0
    shag: float = 0.0  # length of the tufts of fur
    face: str = 'coat'  # the head's color: coat (with its pattern), main or mark
    ear_in: str = 'mark'  # the color of the ears: main or mark


BREEDS = (
    Breed('moss_terrier', coats=('#8f8668', '#a08e6c', '#7d7a66', '#b39b74'),
          marks=('#4f4c3f', '#5e513f'), pattern='grizzle',
          trims=('beard', 'pale_legs'), ears='folded', tail='stub',
          leg=0.42, length=0.86, head=0.225, muzzle=0.62, shag=0.05),
    Breed('harbour_spaniel', coats=('#eae2d5', '#e6d8c2', '#ece7dd'),
          marks=('#7a4526', '#5f3a28', '#a5622f', '#3c3431'), pattern='patches',
          trims=('blaze', 'pale_muzzle', 'pale_legs'), ears='long', tail='feather',
          face='mark', leg=0.42, length=0.95, muzzle=0.68, ear=0.95, shag=0.03),
    Breed('ember_hound', coats=('#b5652d', '#c4793c', '#a2572b'),
          marks=('#33292a', '#4a352c'), pattern='saddle',
          trims=('pale_muzzle', 'socks', 'tip', 'bib'), ears='long', tail='sabre',
          ear_in='main', leg=0.52, length=0.98, muzzle=0.85, ear=0.85),
    Breed('cloud_spitz', coats=('#ece4d5', '#ead9bd', '#f0ece4', '#e0c79e'),
          marks=('#e6cfa6', '#d8b98a'), pattern='plain',
          trims=('bib',), ears='pointed', tail='curled',
          leg=0.4, length=0.84, depth=0.42, head=0.225, muzzle=0.5, shag=0.07),
    Breed('pepper_pointer', coats=('#e6e0d6', '#dcd4c8', '#ebe6dc'),
          marks=('#2f2c2d', '#4d3327', '#6f4a30'), pattern='spots',
          trims=('blaze',), ears='floppy', tail='whip',
          face='mark', leg=0.58, bulk=0.068, head=0.2, muzzle=0.9),
    Breed('bramble_bulldog', coats=('#a87a4c', '#8e6642', '#b98f5f'),
          marks=('#4a3325', '#3b2c25'), pattern='brindle',
          trims=('mask', 'bib', 'socks'), ears='bat', tail='stub',
          leg=0.34, length=0.86, depth=0.46, bulk=0.1, head=0.27, muzzle=0.2, ear=0.85),
    Breed('toffee_basset', coats=('#c08a4f', '#b5793f', '#cf9f68'),
          marks=('#f4ead8', '#efe0c8'), pattern='patches', face='main', ear_in='main',
          trims=('blaze', 'tip', 'socks', 'pale_muzzle'), ears='long', tail='sabre',
          leg=0.23, length=1.16, depth=0.38, bulk=0.088, head=0.23, muzzle=0.85, ear=1.05),
    Breed('dusk_shepherd', coats=('#b98a58', '#a58363', '#8d8478', '#c79a62'),
          marks=('#35302f', '#46413f'), pattern='saddle',
          trims=('mask', 'pips', 'hood'), ears='pointed', tail='brush',
          leg=0.52, length=1.06, depth=0.42, muzzle=0.85, ear=0.95, shag=0.025),
)  # fmt: skip

# Tails: (x, y, radius) from the root to the tip, negative x behind the dog and negative y up; then a factor
# for the length of their tufts.
TAILS = {
    'stub': ([(0.03, 0.02, 0.06), (-0.05, -0.06, 0.05), (-0.09, -0.13, 0.038)], 0.5),
    'feather': ([(0.04, 0.02, 0.05), (-0.12, -0.05, 0.045), (-0.25, -0.12, 0.05), (-0.33, -0.2, 0.02)], 1.6),
    'sabre': ([(0.04, 0.03, 0.055), (-0.1, -0.07, 0.045), (-0.19, -0.24, 0.034), (-0.19, -0.42, 0.018)], 0.0),
    'curled': ([(0.02, 0.05, 0.07), (-0.12, -0.1, 0.085), (-0.06, -0.26, 0.09), (0.1, -0.27, 0.075),
         (0.17, -0.17, 0.05)], 1.0),
    'whip': ([(0.04, 0.02, 0.045), (-0.12, -0.03, 0.034), (-0.28, -0.1, 0.024), (-0.42, -0.2, 0.01)], 0.0),
    'brush': ([(0.04, 0.02, 0.06), (-0.08, 0.08, 0.07), (-0.15, 0.25, 0.08), (-0.2, 0.42, 0.06),
         (-0.29, 0.5, 0.02)], 1.6),
}  # fmt: skip
# The tail of a sitting or lying dog, on the ground.
TAIL_AT_REST = [(0.08, -0.05, 0.06), (-0.1, -0.05, 0.05), (-0.25, -0.045, 0.045), (-0.38, -0.09, 0.02)]

# Ears: outline of the ear on the right of the picture seen from the front, outline seen from the side, and
# whether ears hang over the head.
EARS = {
    'floppy': (
        [(0.55, -0.74), (0.95, -0.7), (1.2, -0.2), (1.16, 0.32), (0.94, 0.5), (0.8, 0.12), (0.68, -0.36)],
        [(-0.42, -0.66), (0.0, -0.6), (0.12, -0.12), (0.02, 0.36), (-0.24, 0.5), (-0.46, 0.1)],
        True,
    ),
    'long': (
        [(0.55, -0.7), (0.95, -0.62), (1.24, 0.05), (1.32, 0.8), (1.1, 1.18), (0.82, 0.9), (0.76, 0.2),
         (0.66, -0.3)],
        [(-0.5, -0.55), (-0.08, -0.52), (0.1, 0.1), (0.12, 0.8), (-0.14, 1.18), (-0.44, 0.9), (-0.56, 0.1)],
        True,
    ),
    'pointed': (
        [(0.18, -0.7), (0.42, -1.18), (0.74, -1.66), (0.8, -1.66), (0.95, -1.1), (0.96, -0.3), (0.6, -0.3)],
        [(-0.62, -0.42), (-0.5, -1.05), (-0.24, -1.66), (-0.18, -1.66), (0.04, -1.15), (0.14, -0.6),
         (-0.2, -0.4)],
        False,
    ),
    'bat': (
        [(0.26, -0.7), (0.48, -1.2), (0.82, -1.52), (1.06, -1.36), (1.1, -0.85), (0.94, -0.3), (0.6, -0.4)],
        [(-0.62, -0.42), (-0.58, -1.0), (-0.36, -1.5), (-0.08, -1.4), (0.08, -0.95), (0.12, -0.55),
         (-0.2, -0.4)],
        False,
    ),
    'folded': (
        [(0.34, -0.78), (0.66, -1.14), (0.98, -0.96), (1.1, -0.5), (0.98, -0.16), (0.84, -0.4), (0.6, -0.68)],
        [(-0.5, -0.7), (-0.3, -1.24), (0.06, -1.16), (0.36, -0.66), (0.32, -0.38), (0.08, -0.6),
         (-0.2, -0.62)],
        True,
    ),
}  # fmt: skip
UPRIGHT_EARS = {'pointed', 'bat'}  # these show their pink inside
