"""Why bytes give no picture, in words for people."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

from PIL import Image

from src.common import consts

JPEG_START = b'\xff\xd8\xff'
PNG_START = b'\x89PNG\r\n\x1a\n'
STARTS = (JPEG_START, PNG_START, b'GIF8', b'RIFF', b'BM', b'II*\0', b'MM\0*')


class BadImage(Exception):
    """Why these bytes give no picture: one short reason for a human, such as 'truncated'."""


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
        return f'more pixels than the limit of {consts.MAX_IMAGE_PIXELS:,}'
    if data[4:8] == b'ftyp':  # what iPhones write; worth its own words
        return 'HEIC or AVIF, which is not read: save it as JPEG'
    if not data.startswith(STARTS):
        return 'not an image'
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
