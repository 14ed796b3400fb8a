"""AVIF: the size of the AV1 frames inside, which may be larger than the picture that the file says to hold.

libavif decodes a frame of any size up to 268 million pixels, and then scales it. Boxes are those of ISO/IEC
14496-12 and 23008-12 (https://aomediacodec.github.io/av1-avif/), sequence headers those of section 5.5 of
https://aomediacodec.github.io/av1-spec/av1-spec.pdf.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from src.images.faults import BadImage

# Boxes that hold boxes, and the bytes before these.
_HOLDERS = {b'meta': 4, b'moov': 0, b'trak': 0, b'mdia': 0, b'minf': 0, b'stbl': 0}
MOST_BOXES = 10_000
_SEQUENCE_HEADER = 1  # type of an OBU
MOST_OBUS = 20_000  # in all items, of which each tile of a large picture is one


def without_exif(data: bytes) -> bytes:
    """The file without its EXIF, of which Pillow reads values as often as they are named. The orientation of
    an AVIF is not there but in boxes of its own."""
    for name, begin, end in _boxes(data, 0, len(data)):
        if name in (b'meta', b'moov') and data.find(b'Exif', begin, end) >= 0:
            data = data[:begin] + data[begin:end].replace(b'Exif', b'free') + data[end:]
    return data


def frame_pixels(data: bytes) -> int:
    """The most pixels that an AV1 frame of the picture has. Raises BadImage for a file without any, and
    struct.error for one that is damaged."""
    units = iter(range(MOST_OBUS))
    most = max((_frame(part, units) for part in _parts(data)), default=0)
    if not most:
        raise BadImage('damaged')
    return most


def _boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of each box, and of the boxes in it."""
    waiting = [(begin, end)]
    for _ in range(MOST_BOXES):
        if not waiting:
            return
        at, end = waiting.pop()
        if at + 8 > end:
            continue
        size, name = struct.unpack_from('>I4s', data, at)
        content = at + 8
        if size == 1:
            (size,) = struct.unpack_from('>Q', data, content)
            content += 8
        after = min(end, at + size) if size else end
        if after < content:
            raise BadImage('damaged')
        yield name, content, after
        waiting.append((after, end))
        if name in _HOLDERS:
            waiting.append((content + _HOLDERS[name], after))
    raise BadImage(f'an AVIF of more than {MOST_BOXES:,} boxes: save it anew')


def _parts(data: bytes) -> Iterator[bytes]:
    """The content of each item, and the first sample of each track."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    for name, begin, end in _boxes(data, 0, len(data)):
        found.setdefault(name, []).append((begin, end))
    inside = found.get(b'idat', [(0, 0)])[0][0]
    left = 2 * len(data)
    for begin, end in found.get(b'iloc', ()):
        for extents in _items(data[begin:end], inside):
            left -= sum(size for _, size in extents)
            if left < 0:
                raise BadImage('damaged')
            yield b''.join(data[at : at + size] if size else data[at:] for at, size in extents)
    for kind, form in ((b'stco', '>I'), (b'co64', '>Q')):
        for begin, end in found.get(kind, ()):
            if end >= begin + 8 + struct.calcsize(form):
                yield data[struct.unpack_from(form, data, begin + 8)[0] :]


def _items(iloc: bytes, inside: int) -> Iterator[list[tuple[int, int]]]:
    """The (place, size) of the extents of each item; `inside`: where the content of `idat` begins."""
    version, sizes, at = iloc[0], struct.unpack_from('>H', iloc, 4)[0], 6
    of_offset, of_length, of_base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    of_index = sizes & 15 if version else 0
    id_size = 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise struct.error('a box of items ends early')
        return int.from_bytes(iloc[at - size : at], 'big')

    for _ in range(number(id_size)):
        number(id_size)  # of the item
        method = number(2) & 15 if version else 0
        number(2)  # the data reference
        base = number(of_base) + (inside if method == 1 else 0)
        extents = []
        for _ in range(number(2)):
            number(of_index)
            offset = number(of_offset)
            extents.append((base + offset, number(of_length)))
        yield extents


def _frame(obus: bytes, units: Iterator[int]) -> int:
    """The most pixels that a sequence header among open bitstream units allows; 0 without any. `units`: as
    many as may still be read."""
    most = at = 0
    for _ in units:
        if at >= len(obus):
            return most
        head = obus[at]
        at += 2 if head & 4 else 1
        size = len(obus) - at
        if head & 2:
            size, at = _leb128(obus, at)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            most = max(most, _pixels(obus[at : at + min(size, 200)]))
        at += size
    raise BadImage(f'an AVIF of more than {MOST_OBUS:,} units: save it anew')


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and the place after it."""
    number = 0
    for place in range(8):
        if at >= len(data):
            break
        number |= (data[at] & 127) << 7 * place
        at += 1
        if data[at - 1] < 128:
            break
    return number, at


def _pixels(header: bytes) -> int:
    """The largest width times the largest height of a sequence header."""
    bits, at, total = int.from_bytes(header, 'big'), 0, 8 * len(header)

    def take(number: int) -> int:
        nonlocal at
        at += number
        return bits >> max(0, total - at) & (1 << number) - 1

    take(4)  # profile, still picture
    if take(1):  # reduced header
        take(5)
    else:
        _skip_operating_points(take)
    width_bits, height_bits = take(4) + 1, take(4) + 1
    return (take(width_bits) + 1) * (take(height_bits) + 1)


def _skip_operating_points(take) -> None:
    delay_bits = 0
    if take(1):  # timing
        take(64)
        if take(1):
            zeros = next((place for place in range(32) if take(1)), 32)
            take(zeros)
        if take(1):  # decoder model
            delay_bits = take(5) + 1
            take(42)
    delays = take(1)
    for _ in range(take(5) + 1):
        take(12)
        if take(5) > 7:
            take(1)
        if delay_bits and take(1):
            take(2 * delay_bits + 1)
        if delays and take(1):
            take(4)
