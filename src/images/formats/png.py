"""The header of a PNG, with a look at all of its chunks.

Decoders inflate texts and color profiles of up to 8 MB each. Pillow goes through the chunks in Python, and
holds two pictures for an animation. A PNG with much of these, or an animation, is decoded without them.

Compressed pixels may go on after the last row: of 18 MB, libpng in TensorFlow inflated 18 GB, as it does not
stop there. Pillow does, and decodes a PNG that may hold much more than its pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from src.images.faults import PNG_START, BadImage
from src.images.formats.exif import orientation_of
from src.images.formats.header import Header, header

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_NEEDED = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
_DEFLATED = (b'zTXt', b'iTXt', b'iCCP')

# Encoders write pixels in chunks of 8 kB and more, some of them a chunk for each row.
MOST_CHUNKS, CHUNK_BYTES = 20_000, 4096
LIGHT_CHUNKS, LIGHT_BYTES = 64, 64 << 20  # beside the pixels; inflated
MOST_INFLATED, INFLATION = 8_000_000, 1032  # libpng's limit for a chunk; bytes from one byte at most
MOST_SURPLUS = 1 << 30  # bytes after the last row, which take libpng 2 seconds

BYTE_SECONDS, PIXEL_SECONDS = 8e-9, 5e-9  # of inflating and undoing filters; of the conversion to RGB


def read(data: bytes) -> Header:
    """Raises BadImage for damaged chunks up to the first with pixels, and for more chunks than any encoder
    writes."""
    try:
        length, name, width, height, depth, color, _, _, interlaced = struct.unpack_from(
            '>I4sIIBBBBB', data, 8
        )
        if (length, name) != (13, b'IHDR') or depth not in _DEPTHS.get(color, ()):
            raise BadImage('damaged')
        transparent, animated, orientation, in_pixels, others, inflated = False, False, 1, False, 0, 0
        compressed = 0
        for name, at, length in chunks(data):
            if name == b'IDAT':
                in_pixels = True
                compressed += length
                continue
            others += 1
            if name in _DEFLATED:
                inflated += min(length * INFLATION, MOST_INFLATED)
            elif name == b'acTL':
                animated = True
            elif name == b'tRNS':
                transparent |= not in_pixels
            elif name == b'eXIf' and not in_pixels:
                orientation = orientation_of(data[at + 8 : at + 8 + length])
    except struct.error:
        raise BadImage('truncated') from None
    if not in_pixels:
        raise BadImage('truncated')
    much = others > LIGHT_CHUNKS or inflated > LIGHT_BYTES
    pixels = width * height
    surplus = compressed * INFLATION - pixels * SAMPLES[color] * depth / 8  # at most
    return header(
        'PNG',
        width,
        height,
        depth == 8 and color in (0, 2) and not transparent and not much and surplus <= MOST_SURPLUS,
        orientation,
        kept=SAMPLES[color] * depth // 8 if color == 0 and depth >= 8 else 1 if color in (0, 3) else 4,
        seconds=(pixels * SAMPLES[color] * depth / 8) * BYTE_SECONDS * (1.5 if interlaced else 1)
        + pixels * PIXEL_SECONDS,
        heavy=much or animated,
    )


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, where it is, length of its content) of each chunk after the first, to the end of the data
    or of the picture. Raises BadImage for too many."""
    at = 33
    for _ in range(MOST_CHUNKS + len(data) // CHUNK_BYTES):
        if at + 8 > len(data):
            return
        length, name = struct.unpack_from('>I4s', data, at)
        yield name, at, length
        if name == b'IEND':
            return
        at += 12 + length
    raise BadImage(f'a PNG of {len(data):,} bytes in too many chunks: save it anew')


def without_metadata(data: bytes) -> bytes:
    """The PNG with those chunks only that decide its pixels."""
    kept = (data[at : at + 12 + length] for name, at, length in chunks(data) if name in _NEEDED)
    return b''.join([PNG_START, data[8:33], *kept])
