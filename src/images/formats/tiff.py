"""TIFF: the first directory, and those in it, are checked, as Pillow reads all of their values, even the same
bytes many times."""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from src.images.faults import BadImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

MOST_ENTRIES = 1_000  # of a directory; cameras write some tens
MOST_NUMBERS = 400_000  # in all values: two for each strip or tile, as of 65,500 rows in 3 planes
# By type, the bytes of a number (TIFF 6.0, section 2; BigTIFF has 16 to 18); texts and bytes have one.
_SIZES = {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 5: 8, 10: 8, 12: 8, 16: 8, 17: 8, 18: 8}
_COMPRESSION, _ORIENTATION, _SAMPLES, _BITS = 259, 274, 277, 258
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_PARTS = ((273, 279), (324, 325))  # tags of where strips and tiles begin, and of their sizes
_JPEG = (6, 7)  # compressions
MOST_SCANS = 100  # of a strip: libtiff refuses more (LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER)
BYTE_NANOSECONDS, SCAN_NANOSECONDS = 8, 1  # for a byte of the uncompressed picture
SLOWER_NANOSECONDS = {34925: 25, 50000: 12}  # LZMA, Zstandard
# For each strip or tile: Pillow lists all, and runs a decoder of its own for each that is not compressed.
PART_BYTES, LISTED_NANOSECONDS, PART_NANOSECONDS = 400, 2_500, 8_500
_DIRECTORIES = (34665, 34853, 40965)  # tags of directories inside the first: EXIF, GPS, interoperability


class _Entry(NamedTuple):
    """A value in a directory, and the number in its last field: of bytes, where the value is."""

    tag: int
    kind: int
    number: int
    field: bytes


def check(data: bytes) -> None:
    """Raise BadImage for directories that take long to read. Damage is left to the decoder."""
    order = '<' if data[:2] == b'II' else '>'
    large = data[2:4] == b'+\0'  # BigTIFF, which Pillow reads in this order of bytes only
    try:
        (begin,) = struct.unpack_from(order + ('Q' if large else 'I'), data, 8 if large else 4)
    except struct.error:
        return
    first = _directory(data, begin, order, large)
    inner = [place for entry in first if (place := _place(entry, data, order)) is not None]
    entries = [*first, *(entry for place in inner for entry in _directory(data, place, order, large))]
    texts = sum(entry.number for entry in entries if entry.kind not in _SIZES)
    numbers = sum(entry.number for entry in entries if entry.kind in _SIZES)
    if texts > len(data) or numbers > MOST_NUMBERS:
        raise BadImage('a TIFF of more values than it can hold: save it anew')


def _directory(data: bytes, begin: int, order: str, large: bool) -> list[_Entry]:
    """The entries of the directory that begins there; none of one that is cut off. Raises BadImage for more
    than MOST_ENTRIES."""
    form, size = (order + 'HHQ8s', 20) if large else (order + 'HHI4s', 12)
    try:
        (count,) = struct.unpack_from(order + ('Q' if large else 'H'), data, begin)
        if count > MOST_ENTRIES:
            raise BadImage(f'a TIFF of more than {MOST_ENTRIES:,} entries: save it anew')
        first = begin + (8 if large else 2)
        return [_Entry(*struct.unpack_from(form, data, first + size * place)) for place in range(count)]
    except (struct.error, OverflowError):
        return []


def _place(entry: _Entry, data: bytes, order: str) -> int | None:
    """Where the directory begins that an entry names; None for other entries."""
    if entry.tag not in _DIRECTORIES:
        return None
    byte_order, size = ('little' if order == '<' else 'big'), _SIZES.get(entry.kind, 1)
    if size <= len(entry.field):
        return int.from_bytes(entry.field[:size], byte_order)
    at = int.from_bytes(entry.field, byte_order)
    return int.from_bytes(data[at : at + size], byte_order)


def stored(image: TiffImageFile, data: bytes) -> tuple[float, float]:
    """For each pixel of an opened TIFF, the bytes of the buffers that decoding takes beside the picture, and
    the nanoseconds that it takes."""
    tags = image.tag_v2
    width, height = image.size
    bits = max(islice(tags.get(_BITS, (1,)), 8))
    size = tags.get(_SAMPLES, 1) * bits / 8
    if tags.get(_TILE_WIDTH):
        share = tags[_TILE_WIDTH] * tags.get(_TILE_HEIGHT, height) / (width * height)
    else:
        share = min(1, tags.get(_ROWS_PER_STRIP, height) / min(width, height))
    kind = tags.get(_COMPRESSION, 1)
    buffers = max(size, 4) * share if kind != 1 else 0
    nanoseconds = size * SLOWER_NANOSECONDS.get(kind, BYTE_NANOSECONDS)
    parts = max(len(tags.get(places, ())) for places, _ in _PARTS) / (width * height)
    buffers += parts * PART_BYTES
    nanoseconds += parts * (LISTED_NANOSECONDS + (PART_NANOSECONDS if kind == 1 else 0))
    if kind in _JPEG:
        buffers += 2 * size * share  # the coefficients of a strip of several scans
        nanoseconds += size * SCAN_NANOSECONDS * _scans(tags, data)
    turned = 4 if tags.get(_ORIENTATION, 1) != 1 else 0
    return buffers + turned, nanoseconds


def _scans(tags: ImageFileDirectory_v2, data: bytes) -> int:
    """The most scans of a JPEG among the strips or tiles, each of which may be the same bytes as others; at
    most MOST_SCANS, which is taken where counting them would take long."""
    parts = {
        (begin, begin + size)
        for where, sizes in _PARTS
        for begin, size in zip(tags.get(where, ()), tags.get(sizes, ()), strict=False)
    }
    if sum(end - begin for begin, end in parts) > 2 * len(data):
        return MOST_SCANS
    return min(MOST_SCANS, max((data.count(b'\xff\xda', *part) for part in parts), default=1))
