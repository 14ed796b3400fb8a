"""Photos for a benchmark: from a folder, or drawn."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.drawn_dogs.draw import BREEDS, draw_sample

JPEG_ENDINGS = ('.jpg', '.jpeg')


def add_photos(made: argparse.ArgumentParser) -> None:
    """The folder for `photos_for`."""
    made.add_argument(
        'photos', type=Path, nargs='?', metavar='PHOTOS_DIR', help='folder of JPEGs (default: drawn pictures)'
    )


def photos_for(folder: Path | None, number: int, scratch: Path) -> list[Path]:
    """`number` JPEGs, evenly spaced in the sorted files below `folder`; without one, drawn below `scratch`.

    Raises UserError when the folder holds fewer.
    """
    if folder is None:
        folder = scratch / 'drawn'
        draw_sample(folder, math.ceil(number / len(BREEDS)))
    found = sorted(file for file in Path(folder).rglob('*') if file.suffix.lower() in JPEG_ENDINGS)
    if len(found) < number:
        raise UserError(
            f'{paths.shown(folder)} holds {len(found):,} JPEGs, fewer than {number:,}: '
            'name a larger folder or ask for fewer with --images'
        )
    return [found[i * len(found) // number] for i in range(number)]


def copies_that_differ(photos: Sequence[Path], number: int, folder: Path, classes: int) -> Iterator[Path]:
    """Write `number` files to class folders below `folder`: copies of `photos` with a number after the end of
    the JPEG. Decoders ignore it, but all files differ, so none is skipped as a duplicate."""
    for i in range(number):
        path = folder / f'class_{i % classes}' / f'{i:06}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photos[i % len(photos)].read_bytes() + b'%d' % i)
        yield path
