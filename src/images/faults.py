"""Why bytes cannot be read as a picture, and lists in which such faults stand beside results."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from src.common import consts

JPEG_START = b'\xff\xd8\xff'
PNG_START = b'\x89PNG\r\n\x1a\n'
START_BYTES = 32  # what `check_start` looks at

_STARTS = (JPEG_START, PNG_START, b'GIF8', b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')  # the last four are TIFF
# Sizes of the header that follows; a text file that begins with BM has another number there.
_BMP_HEADERS = range(12, 257)

# Brands of HEIC and AVIF: https://mp4ra.org/registered-types/brands (isom, qt and others are videos).
_AVIF_BRANDS = (b'avif', b'avis')
_HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs')
_SHARED_BRANDS = (b'mif1', b'mif2', b'msf1', b'miaf')
_UNSUPPORTED = {
    b'8BPS': 'a Photoshop file',
    b'\xff\x0a': 'JPEG XL',
    b'\0\0\0\x0cJXL ': 'JPEG XL',
    b'\0\0\0\x0cjP  ': 'JPEG 2000',
    b'<svg': 'SVG',
}


class BadImage(Exception):
    """Why these bytes cannot be read as a picture: one short reason for people, such as 'truncated'."""


class NotAPicture(BadImage):
    """Not a picture at all: other content, an empty file, no regular file."""


@lru_cache
def reads_avif() -> bool:
    """Whether this Pillow reads AVIF, as its own packages do from 11.3 on. Loads the library for it."""
    from PIL import features

    return bool(features.check('avif'))


def or_fault(function: Callable, *arguments: Any) -> Any | BadImage:
    """The result of `function(*arguments)`, or the BadImage that it raises."""
    try:
        return function(*arguments)
    except BadImage as fault:
        return without_traceback(fault)


def without_traceback(fault: BadImage) -> BadImage:
    """The same fault without its traceback and its cause, whose frames refer to the encoded picture: for a
    fault that is stored."""
    fault.__cause__ = fault.__context__ = None
    return fault.with_traceback(None)


def map_good(
    function: Callable[[list], Iterable], items: Sequence, kind: type = np.ndarray
) -> list[np.ndarray | BadImage]:
    """Replace the items of type `kind` by the results of one call of `function` on the list of them.

    `function` returns one result for each item that it is given; it is not called when there is none.
    BadImage objects, and all other items, keep their places.
    """
    good = [item for item in items if isinstance(item, kind)]
    results = iter(function(good) if good else ())
    return [next(results) if isinstance(item, kind) else item for item in items]


def check_start(start: bytes) -> None:
    """Check by its first START_BYTES bytes (all of a shorter file) that a file is a picture.

    Raises NotAPicture when it is not, and BadImage for a format that is not supported.
    """
    if not start:
        raise NotAPicture('empty file')
    if kind := _unsupported(start):
        raise BadImage(f'{kind}, which is not read: save it as JPEG')
    if not _may_be_picture(start):
        raise NotAPicture('not an image')


def _unsupported(start: bytes) -> str:
    if start[4:8] == b'ftyp':
        if start[8:12] in _HEIC_BRANDS:  # what iPhones write
            return 'HEIC'
        if start[8:12] in _SHARED_BRANDS:
            return 'HEIC or AVIF'
        if start[8:12] in _AVIF_BRANDS and not reads_avif():
            return 'AVIF'
    return next((kind for begin, kind in _UNSUPPORTED.items() if start.startswith(begin)), '')


def _may_be_picture(start: bytes) -> bool:
    if start.startswith(b'RIFF'):  # also the container of WAV and AVI
        return start[8:12] == b'WEBP' or len(start) < 12
    if start.startswith(b'BM'):
        return len(start) < 18 or struct.unpack_from('<I', start, 14)[0] in _BMP_HEADERS
    if start[4:8] == b'ftyp':
        return start[8:12] in _AVIF_BRANDS
    return start.startswith(_STARTS)


@contextlib.contextmanager
def only_bad_image(data: bytes) -> Iterator[None]:
    """Turn any exception of a parser into BadImage with a short reason."""
    try:
        yield
    except BadImage:
        raise
    except Exception as error:  # damaged files make Pillow and `struct` raise nearly every type
        raise BadImage(_reason(error, data)) from error


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, Image.DecompressionBombError):  # more than 178 million pixels
        return f'more pixels than the limit of {consts.MAX_IMAGE_PIXELS:,}: make it smaller'
    if isinstance(error, MemoryError):
        return 'not enough memory to decode it'
    if 'truncated' in str(error).lower() or _cut_short(data):
        return 'truncated'
    return 'damaged'


def _cut_short(data: bytes) -> bool:
    """Whether the data is shorter than the size in its WebP or BMP header."""
    if data.startswith(b'RIFF'):
        return len(data) < 8 or len(data) < 8 + struct.unpack_from('<I', data, 4)[0]
    if data.startswith(b'BM'):
        return len(data) < 6 or len(data) < struct.unpack_from('<I', data, 2)[0]
    return False
