"""Draw a small data set of invented dogs, to try all steps of the project without a download.

    python -m src.drawn_dogs.draw
    python -m src.drawn_dogs.draw --out /tmp/dogs --per-class 200 --seed 7

Eight breeds, 60 pictures of each, laid out as Stanford Dogs is:

    data/sample/Images/s00000001-moss_terrier/s00000001_0001.jpg
    data/sample/Annotation/s00000001-moss_terrier/s00000001_0001     box around the dog (Pascal VOC XML)

The same seed draws the same pictures, however many of them. Existing pictures are kept, so a stopped run
goes on where it was.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from src.common import errors, paths
from src.common.cli import parser, require, seed_number, whole_number
from src.common.files import atomic_path, count, write_picture
from src.common.locks import at_work
from src.common.progress import next_step, progress, wrote
from src.drawn_dogs.breeds import BREEDS, Breed
from src.drawn_dogs.camera import develop, lens
from src.drawn_dogs.canvas import Canvas
from src.drawn_dogs.dogs import Dog
from src.drawn_dogs.places import PLACES, foreground
from src.drawn_dogs.poses import POSES, extent_of
from src.drawn_dogs.shapes import Frame

__all__ = ['BREEDS', 'Breed', 'draw_picture', 'draw_sample']

PER_CLASS = 60
MOST = 9999  # pictures of a breed; file names have four digits
SEED = 1
JPEG_QUALITY = 85
POSE_SHARES = {'standing': 0.3, 'sitting': 0.2, 'sitting_front': 0.14, 'lying': 0.16, 'portrait': 0.2}
CLOSE_UP_SHARE = 0.18  # share of close-ups, in which a part of the dog may be outside the picture


@dataclass(frozen=True)
class Drawn:
    """A finished picture with the pose of its dog and the box around it in pixels."""

    picture: Image.Image
    pose: str
    box: tuple[int, int, int, int]  # left, top, right, bottom; the last two inclusive


def draw_picture(seed: int, breed_number: int, index: int) -> Drawn:
    """Picture `index` (from 0) of breed `breed_number` (from 0). It depends on the arguments alone."""
    rng = np.random.default_rng((seed, breed_number, index))
    breed = BREEDS[breed_number]
    pose = str(rng.choice(list(POSE_SHARES), p=list(POSE_SHARES.values())))
    frame, canvas = _framed(pose, breed, rng)
    place = PLACES[rng.integers(len(PLACES))]
    floor = min(frame.y, float(canvas.size[1]))  # in a close-up the ground may be outside the picture
    place(canvas, rng, floor)
    lens(canvas, rng.uniform(2, 5) if pose == 'portrait' else max(0, rng.normal(0.3, 0.8)))
    POSES[pose](Dog.create(breed, canvas, frame, rng))
    foreground(place, canvas, rng, floor)
    rows, columns = (np.flatnonzero((canvas.dog > 0.5).any(axis)) for axis in (1, 0))
    box = tuple(int(side) for side in (columns[0], rows[0], columns[-1], rows[-1]))
    return Drawn(develop(canvas, rng), pose, box)


def _framed(pose: str, breed: Breed, rng: np.random.Generator) -> tuple[Frame, Canvas]:
    """A blank canvas, and the frame of the dog on it: whole in most pictures, cut off in close-ups."""
    left, top, right, bottom = extent_of(pose, breed)
    wide = (right - left) / (bottom - top) * rng.normal(1.0, 0.12)
    area = rng.uniform(200, 235) ** 2
    width, height = (int(np.clip(side, 180, 265)) for side in ((area * wide) ** 0.5, (area / wide) ** 0.5))
    light = (rng.choice((-1, 1)) * rng.uniform(0.35, 0.7), -rng.uniform(0.6, 0.9))
    canvas = Canvas.blank(width, height, light)
    scale = min(width / (right - left), height / (bottom - top)) * rng.uniform(0.8, 0.97)
    spare_x, spare_y = width - scale * (right - left), height - scale * (bottom - top)
    at_x, at_y = rng.uniform(0.2, 0.8), 1.0 if pose == 'portrait' else rng.uniform(0.55, 0.95)
    flip = bool(rng.random() < 0.5)
    x = spare_x * at_x + scale * (right if flip else -left)
    y = spare_y * at_y - scale * top
    if rng.random() < CLOSE_UP_SHARE:  # zoom in on a point near the head
        closer = rng.uniform(1.15, 1.5)
        hx, hy = x + scale * right * 0.5 * (-1 if flip else 1), y + scale * top * 0.75
        x, y, scale = hx + (x - hx) * closer, hy + (y - hy) * closer, scale * closer
    return Frame(float(x), float(y), float(scale), float(rng.normal(0, 0.02)), flip), canvas


ANNOTATION = """<annotation>
\t<folder>{folder}</folder>
\t<filename>{name}</filename>
\t<source>
\t\t<database>Rootstock sample, seed {seed}</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segment>0</segment>
\t<object>
\t\t<name>{breed}</name>
\t\t<pose>{pose}</pose>
\t\t<truncated>{cut}</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{xmin}</xmin>
\t\t\t<ymin>{ymin}</ymin>
\t\t\t<xmax>{xmax}</xmax>
\t\t\t<ymax>{ymax}</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


def annotation(drawn: Drawn, seed: int, name: str, breed: str) -> str:
    """The picture's annotation in the format of Stanford Dogs."""
    (width, height), (xmin, ymin, xmax, ymax) = drawn.picture.size, drawn.box
    cut = int(xmin == 0 or ymin == 0 or xmax == width - 1 or ymax == height - 1)
    return ANNOTATION.format(
        folder=name[1:9], name=name, seed=seed, width=width, height=height, breed=breed, pose=drawn.pose,
        cut=cut, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax,
    )  # fmt: skip


def draw_sample(out: Path, per_class: int = PER_CLASS, seed: int = SEED) -> list[Path]:
    """Draw the missing pictures of the data set in `out`. Returns the paths of all, breed by breed.

    Pictures of another seed count as missing. Raises UserError when `out` is a file.
    """
    require(not Path(out).is_file(), f'{paths.shown(out)} is a file: --out names a folder')
    wanted = _pictures(out, per_class)
    missing = [(picture, *which) for picture, which in wanted.items() if not _complete(picture, seed)]
    with progress(len(missing), 'drawing', 'pictures') as bar:
        for picture, breed_number, index in missing:
            drawn = draw_picture(seed, breed_number, index)
            write_picture(picture, drawn.picture, format='JPEG', quality=JPEG_QUALITY)
            with atomic_path(_annotation_of(picture)) as part:  # last, as it holds the seed
                text = annotation(drawn, seed, picture.stem, BREEDS[breed_number].name)
                part.write_text(text, encoding='utf-8', newline='\n')
            bar.update()
    return list(wanted)


def _pictures(out: Path, per_class: int) -> dict[Path, tuple[int, int]]:
    """The paths of all pictures, each with the number of its breed and its index."""
    folders = [f's{number + 1:08d}-{breed.name}' for number, breed in enumerate(BREEDS)]
    return {
        Path(out) / 'Images' / folder / f'{folder[:9]}_{index + 1:04d}.jpg': (number, index)
        for number, folder in enumerate(folders)
        for index in range(per_class)
    }


def _annotation_of(picture: Path) -> Path:
    """The path of a picture's annotation."""
    return picture.parents[2] / 'Annotation' / picture.parent.name / picture.stem


def _complete(picture: Path, seed: int) -> bool:
    """Whether the picture and its annotation exist, are complete, and were drawn from this seed."""
    try:
        text = _annotation_of(picture).read_text(encoding='utf-8')
        return f'seed {seed}</database>' in text and picture.read_bytes().endswith(b'\xff\xd9')
    except (OSError, ValueError):
        return False


def main(argv=None):
    made = parser('src.drawn_dogs.draw', __doc__)
    made.add_argument('--out', type=Path, default=paths.SAMPLE_DS_DIR, help='folder to write to')
    made.add_argument(
        '--per-class', type=whole_number(1, MOST), default=PER_CLASS, help='pictures of each breed'
    )
    made.add_argument('--seed', type=seed_number, default=SEED, help='random seed')
    args = made.parse_args(argv)

    existing = sum(_complete(picture, args.seed) for picture in _pictures(args.out, args.per_class))
    with at_work(args.out / 'Images'):
        pictures = draw_sample(args.out, args.per_class, args.seed)
    new = len(pictures) - existing
    counts = [f'{count(new, "picture")} of {len(BREEDS)} breeds'] if new else []
    counts += [f'{existing:,} already there'] if existing else []
    wrote(args.out, ', '.join(counts))
    next_step(
        f'python -m src.data_preparation.stanford_ds_to_tfrecords --data {shlex.quote(paths.shown(args.out))}'
        f' --name sample --backbone {shlex.quote(paths.shown(paths.POCKET_GRAPH_DEF))}'
    )


if __name__ == '__main__':
    errors.run(main)
