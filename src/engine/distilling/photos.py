"""Photos as pixels on the disk, decoded once and read at random.

data/photos/<signature>/ holds the photos of one source (`photo_sources.py`): `pixels`, the decoded photos one
after the other, each [height, width, 3] uint8, the shorter side at most `side`; and `photos.csv` with name,
size and SHA-256 of each, or why it was skipped. The file of pixels is mapped into memory, so photos take as
much memory as the system has to spare. A folder may be deleted when no distillation needs it any more.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from src.common import files, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.progress import progress, say
from src.engine.distilling.photo_sources import PhotoSource, Picture
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage, or_fault
from src.images.headers import read_header
from src.images.ratios import Target

PIXELS, TABLE = 'pixels', 'photos.csv'
COLUMNS = ('name', 'height', 'width', 'sha256', 'skipped')
CHANNELS = 3
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Stored:
    """A source on the disk: N photos with a shorter side of at most `side`, `skipped` files by name, and the
    mapped pixels. `top`: what precedes the names, a folder's own name and '/', or ''."""

    side: int
    top: str
    names: list[str]
    digests: list[str]
    sizes: np.ndarray  # [N, 2] int64, height and width
    begins: np.ndarray  # [N] int64, in bytes
    skipped: dict[str, str]
    pixels: np.ndarray

    def photo(self, row: int) -> np.ndarray:
        """[height, width, 3] uint8, a view of the mapped file."""
        height, width = self.sizes[row]
        begin = self.begins[row]
        return self.pixels[begin : begin + CHANNELS * height * width].reshape(height, width, CHANNELS)


class Photos(Sequence[np.ndarray]):
    """The distinct photos of all sources, which are stored with the same `side`: by row, [height, width, 3]
    uint8. They are in the order of their hashes, which does not depend on names and places.

    keep: says by its name, and by this behind `top`, whether a photo is used, and all copies of it. `refused`
        counts the others.
    """

    def __init__(self, sources: Sequence[Stored], keep: Callable[[str], bool] = lambda name: True):
        found, refused = {}, set()
        for source in sources:
            for row, (digest, name) in enumerate(zip(source.digests, source.names, strict=True)):
                found.setdefault(digest, (source, row))
                # A photo right below a folder is listed with that folder or without it.
                if not all([keep(spelled) for spelled in (name, source.top + name)]):
                    refused.add(digest)
        self.side = sources[0].side
        self.refused = len(refused)
        self.digests = sorted(found.keys() - refused)
        self._places = [found[digest] for digest in self.digests]
        self.skipped = {name: reason for source in sources for name, reason in source.skipped.items()}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> np.ndarray:
        source, place = self._places[row]
        return source.photo(place)

    @property
    def names(self) -> list[str]:
        return [source.names[row] for source, row in self._places]

    @property
    def fingerprint(self) -> str:
        """A hash of all photos."""
        return hashlib.sha256(''.join(self.digests).encode()).hexdigest()


def stored(source: PhotoSource, side: int) -> Stored:
    """The photos of a source, which are decoded and stored where they are not yet. Raises UserError when
    there are none, and when the disk is full."""
    folder = paths.DATA_DIR / 'photos' / f'{source.signature}-{side}'
    if not (folder / TABLE).exists():
        _store(source, side, folder)
    return _opened(source, folder, side)


def _store(source: PhotoSource, side: int, folder: Path) -> None:
    rows = []
    with (
        files.atomic_path(folder / PIXELS) as part,
        part.open('wb') as out,
        progress(None, f'decoding {Path(source.place).name}', 'photos') as bar,
    ):
        decoded = ahead(partial(_decoded, side=side), source.pictures(), 16 * CORES, CORES)
        for name, digest, pixels in decoded:
            if isinstance(pixels, BadImage):
                rows.append((name, '', '', '', str(pixels)))
            else:
                out.write(np.ascontiguousarray(pixels))
                rows.append((name, *pixels.shape[:2], digest, ''))
            bar.update()
    with files.atomic(folder / TABLE) as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    kept = sum(not row[-1] for row in rows)
    if kept:
        size = human_size((folder / PIXELS).stat().st_size)
        say(f'{source.place}: {count(kept, "photo")} decoded, {size} in {paths.shown(folder)}')


def _decoded(picture: Picture, side: int) -> tuple[str, str, np.ndarray | BadImage]:
    name, data = picture
    if isinstance(data, BadImage):
        return name, '', data
    return name, hashlib.sha256(data).hexdigest(), or_fault(_shrunk, data, side)


def _shrunk(data: bytes, side: int) -> np.ndarray:
    """The decoded picture, its shorter side at most `side`. Raises BadImage."""
    header = read_header(data)
    pixels = decode_with_pillow(data, Target(side, side, scalable=True).ratio(header), header)
    height, width = pixels.shape[:2]
    if (scale := side / min(height, width)) >= 1:
        return pixels
    size = round(width * scale), round(height * scale)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _opened(source: PhotoSource, folder: Path, side: int) -> Stored:
    rows = _rows(folder)
    photos = [row for row in rows if not row['skipped']]
    skipped = {row['name']: row['skipped'] for row in rows if row['skipped']}
    if not photos:
        reasons = f': {next(iter(skipped.values()))}' if skipped else ''
        raise UserError(f'{source.place} holds no photos that can be read{reasons}')
    try:
        sizes = np.array([(row['height'], row['width']) for row in photos]).astype(np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(folder) from error
    ends = np.cumsum(CHANNELS * sizes.prod(1))
    if sizes.min() < 1 or files.size_of(folder / PIXELS) != ends[-1]:
        raise _damaged(folder)
    pixels = np.memmap(folder / PIXELS, np.uint8, 'r')
    names, digests = ([row[column] for row in photos] for column in ('name', 'sha256'))
    top = f'{Path(source.place).resolve().name}/' if source.kind == 'folder' else ''
    return Stored(side, top, names, digests, sizes, ends - CHANNELS * sizes.prod(1), skipped, pixels)


def _rows(folder: Path) -> list[dict[str, str]]:
    """The table of a folder. Raises UserError for a damaged one."""
    try:
        reader = csv.DictReader(files.text_stream(folder / TABLE, newline=''))
        columns, rows = reader.fieldnames, list(reader)
    except (OSError, csv.Error, files.NoText) as error:
        raise _damaged(folder) from error
    if tuple(columns or ()) != COLUMNS or any(None in row.values() for row in rows):
        raise _damaged(folder)
    return rows


def _damaged(folder: Path) -> UserError:
    return UserError(f'{paths.shown(folder)} is damaged: delete it, then repeat the command')


def left_out(listed: Path) -> tuple[Callable[[str], bool], set[str]]:
    """From a text file with a name of a photo on each line: the function that says whether a photo of some
    name is used, and the set of lines that it has not met yet. Only the last two parts of a name count
    (folder and file), as archives and folders differ in the others. Raises UserError."""
    try:
        lines = files.utf8_text(listed).splitlines()
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(listed)}: {error.strerror}') from error
    unmet = {_end(line.strip()) for line in lines if line.strip()}
    ends = frozenset(unmet)

    def keep(name: str) -> bool:
        unmet.discard(_end(name))
        return _end(name) not in ends

    return keep, unmet


def _end(name: str) -> str:
    return '/'.join(name.replace('\\', '/').split('/')[-2:])
