"""Test pictures made in memory: pixels, encoded files, and malicious files.

from tests.pictures import encoded, photo

data = encoded(photo(seed=3), 'JPEG', quality=90)
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_START = b'\x89PNG\r\n\x1a\n'


def photo(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """[height, width, 3] uint8: smooth patches of color, like a photo; different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(picture: np.ndarray | Image.Image, kind: str = 'JPEG', **options) -> bytes:
    """The picture encoded as `kind`, with options of Pillow's `save`."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def stored_for(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels that a camera stores with EXIF `orientation` for the upright picture."""
    # EXIF 2.3, section 4.6.4: the side of the picture that is the first row and the first column.
    first_row, first_column = {
        1: ('top', 'left'),
        2: ('top', 'right'),
        3: ('bottom', 'right'),
        4: ('bottom', 'left'),
        5: ('left', 'top'),
        6: ('right', 'top'),
        7: ('right', 'bottom'),
        8: ('left', 'bottom'),
    }[orientation]
    stored = upright.swapaxes(0, 1) if first_row in ('left', 'right') else upright
    if first_row in ('bottom', 'right'):
        stored = stored[::-1]
    if first_column in ('bottom', 'right'):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


def exif(orientation: int, order: str = '<') -> bytes:
    """A TIFF block of two entries, the second is the orientation; byte order as in struct."""
    start = b'II*\0' if order == '<' else b'MM\0*'
    entries = struct.pack(order + 'HHII', 0x010F, 2, 4, 0x00414141)  # the camera's maker: AAA
    entries += struct.pack(order + 'HHIHH', 0x0112, 3, 1, orientation, 0)
    return start + struct.pack(order + 'IH', 8, 2) + entries + struct.pack(order + 'I', 0)


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """The JPEG with a segment right after its first two bytes; 0xE1 is APP1."""
    return jpeg[:2] + struct.pack('>BBH', 0xFF, marker, len(payload) + 2) + payload + jpeg[2:]


def without_segment(jpeg: bytes, marker: int) -> bytes:
    """The JPEG without its first segment of that kind."""
    at = 2
    while jpeg[at + 1] != marker:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], 'big')
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], 'big') :]


def with_orientation(jpeg: bytes, orientation: int, order: str = '<') -> bytes:
    return with_segment(jpeg, 0xE1, b'Exif\0\0' + exif(orientation, order))


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def raw_png(rows: np.ndarray, color: int, *chunks: bytes) -> bytes:
    """A PNG that Pillow would not write: rows [height, width, samples] uint8 or uint16, PNG's color type (0
    gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA), and chunks to put before the pixels."""
    height, width = rows.shape[:2]
    depth = rows.dtype.itemsize * 8
    lines = rows.astype(rows.dtype.newbyteorder('>')).reshape(height, -1)
    body = b''.join(b'\0' + line.tobytes() for line in lines)  # 0 is the filter type of a line: none
    head = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)
    pixels = png_chunk(b'IDAT', zlib.compress(body))
    return b''.join((PNG_START, png_chunk(b'IHDR', head), *chunks, pixels, png_chunk(b'IEND', b'')))


def bomb(side: int = 30_000) -> bytes:
    """A valid black PNG of 1 bit per pixel: a small file, a huge picture (decompression bomb)."""
    packer = zlib.compressobj(9)
    line = b'\0' * (1 + (side + 7) // 8)
    body = b''.join(packer.compress(line) for _ in range(side)) + packer.flush()
    head = struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0)
    return PNG_START + png_chunk(b'IHDR', head) + png_chunk(b'IDAT', body) + png_chunk(b'IEND', b'')
