"""TIFF: the first directory is checked, as Pillow reads all of its values, even the same bytes many times."""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING

from src.images.faults import BadImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

MOST_ENTRIES = 1_000  # of the directory; cameras write some tens
MOST_NUMBERS = 1_000_000  # in all values: two for each strip or tile
_BYTES, _SIZES = (1, 2, 6, 7), {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4}  # types; the others have 8 bytes
_COMPRESSION, _ORIENTATION, _SAMPLES, _BITS = 259, 274, 277, 258
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323


def check(data: bytes) -> None:
    """Raise BadImage for a directory that takes long to read. Damage is left to the decoder."""
    order = '<' if data[:2] == b'II' else '>'
    large = data[2:4] in (b'+\0', b'\0+')  # BigTIFF
    try:
        (begin,) = struct.unpack_from(order + ('Q' if large else 'I'), data, 8 if large else 4)
        (count,) = struct.unpack_from(order + ('Q' if large else 'H'), data, begin)
        if count > MOST_ENTRIES:
            raise BadImage(f'a TIFF of more than {MOST_ENTRIES:,} entries: save it anew')
        form, size = (order + 'HHQ8x', 20) if large else (order + 'HHI4x', 12)
        first = begin + (8 if large else 2)
        entries = [struct.unpack_from(form, data, first + size * number) for number in range(count)]
    except struct.error:
        return
    texts = sum(number for _, kind, number in entries if kind in _BYTES)
    numbers = sum(number for _, kind, number in entries if kind not in _BYTES)
    if texts > len(data) or numbers > MOST_NUMBERS:
        raise BadImage('a TIFF of more values than it can hold: save it anew')


def stored(image: TiffImageFile) -> tuple[float, float]:
    """Bytes for each pixel of an opened TIFF: as they are stored when uncompressed, and of the buffers that
    decoding takes beside the picture."""
    tags = image.tag_v2
    width, height = image.size
    bits = max(islice(tags.get(_BITS, (1,)), 8))
    size = tags.get(_SAMPLES, 1) * bits / 8
    if tags.get(_TILE_WIDTH):
        share = tags[_TILE_WIDTH] * tags.get(_TILE_HEIGHT, height) / (width * height)
    else:
        share = min(1, tags.get(_ROWS_PER_STRIP, height) / min(width, height))
    buffers = max(size, 4) * share if tags.get(_COMPRESSION, 1) != 1 else 0
    turned = 4 if tags.get(_ORIENTATION, 1) != 1 else 0
    return size, buffers + turned
