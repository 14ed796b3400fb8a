"""Why bytes give no picture, in words for people."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

from PIL import Image, features

from src.common import consts

JPEG_START = b'\xff\xd8\xff'
PNG_START = b'\x89PNG\r\n\x1a\n'
START_BYTES = 32  # what `check_start` looks at

_STARTS = (JPEG_START, PNG_START, b'GIF8', b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')  # the last four are TIFF
# Bytes of the header that follows; text that begins with BM has another number there.
_BMP_HEADERS = range(12, 257)

READS_AVIF = bool(features.check('avif'))  # Pillow's own packages do from 11.3 on
# Brands of HEIC and AVIF: https://mp4ra.org/registered-types/brands (others, such as isom and qt, are films).
_AVIF_BRANDS = (b'avif', b'avis')
_HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs')
_SHARED_BRANDS = (b'mif1', b'mif2', b'msf1', b'miaf')
_OTHER_KINDS = {
    b'8BPS': 'a Photoshop file',
    b'\xff\x0a': 'JPEG XL',
    b'\0\0\0\x0cJXL ': 'JPEG XL',
    b'\0\0\0\x0cjP  ': 'JPEG 2000',
    b'<svg': 'SVG',
}


class BadImage(Exception):
    """Why these bytes give no picture: one short reason for a human, such as 'truncated'."""


class NotAPicture(BadImage):
    """No picture at all: other content, an empty file, no regular file."""


def check_start(start: bytes) -> None:
    """Check that a file is a picture, by its first START_BYTES bytes (all of a shorter one).

    Raises NotAPicture when it is none, and BadImage for a kind of picture that is not read.
    """
    if not start:
        raise NotAPicture('empty file')
    if kind := _kind_not_read(start):
        raise BadImage(f'{kind}, which is not read: save it as JPEG')
    if not _may_be_picture(start):
        raise NotAPicture('not an image')


def _kind_not_read(start: bytes) -> str:
    if start[4:8] == b'ftyp':
        if start[8:12] in _HEIC_BRANDS:  # what iPhones write
            return 'HEIC'
        if start[8:12] in _SHARED_BRANDS:
            return 'HEIC or AVIF'
        if start[8:12] in _AVIF_BRANDS and not READS_AVIF:
            return 'AVIF'
    return next((kind for begin, kind in _OTHER_KINDS.items() if start.startswith(begin)), '')


def _may_be_picture(start: bytes) -> bool:
    if start.startswith(b'RIFF'):  # sounds and films too
        return start[8:12] == b'WEBP' or len(start) < 12
    if start.startswith(b'BM'):
        return len(start) < 18 or struct.unpack_from('<I', start, 14)[0] in _BMP_HEADERS
    if start[4:8] == b'ftyp':
        return start[8:12] in _AVIF_BRANDS
    return start.startswith(_STARTS)


@contextlib.contextmanager
def only_bad_image(data: bytes) -> Iterator[None]:
    """Turn whatever a parser stumbles over into BadImage with a short reason."""
    try:
        yield
    except BadImage:
        raise
    except Exception as error:  # Pillow raises nearly every kind there is, and so do damaged headers
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
    """Whether fewer bytes are there than WebP and BMP say of themselves."""
    if data.startswith(b'RIFF'):
        return len(data) < 8 or len(data) < 8 + struct.unpack_from('<I', data, 4)[0]
    if data.startswith(b'BM'):
        return len(data) < 6 or len(data) < struct.unpack_from('<I', data, 2)[0]
    return False
