"""Small files that use what a format allows and no encoder writes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from src.common import consts
from src.images.decode import decode_with_pillow
from src.images.faults import PNG_START, BadImage
from src.images.formats import png, webp
from src.images.formats.header import Header
from src.images.headers import read_header
from tests.pictures import encoded, photo, png_chunk, raw_png

PHOTO = photo(48, 40)


def test_a_png_whose_pixels_go_on_after_its_last_row_is_not_given_to_the_graph(monkeypatch):
    """libpng inflates all of it: 41 seconds for 18 MB."""
    whole = raw_png(PHOTO, 2)
    at = whole.index(b'IDAT')
    (length,) = struct.unpack('>I', whole[at - 4 : at])
    rows = zlib.decompress(whole[at + 4 : at + 4 + length])
    pixels = zlib.compress(rows + bytes(50_000_000), 9)
    parts = [png_chunk(b'IDAT', pixels[k : k + 10_000]) for k in range(0, len(pixels), 10_000)]
    data = whole[: at - 4] + b''.join(parts) + png_chunk(b'IEND', b'')
    assert read_header(data).plain
    monkeypatch.setattr(png, 'MOST_SURPLUS', 40_000_000)
    assert not read_header(data).plain
    np.testing.assert_array_equal(decode_with_pillow(data), PHOTO)
    assert read_header(whole).plain
    assert data.startswith(PNG_START)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [name + struct.pack('<I', len(data)) + data + bytes(len(data) % 2) for name, data in chunks]
    body = b'WEBP' + b''.join(parts)
    return b'RIFF' + struct.pack('<I', len(body)) + body


def test_a_lossless_webp_may_have_many_huffman_codes():
    """300 kB with 65,536 groups of codes took 380 MB for a million pixels."""
    frame = struct.pack('<BI', 0x2F, 1_023 | 1_023 << 14) + bytes(200_000)
    assert 380e6 < read_header(riff((b'VP8L', frame))).memory() <= consts.PICTURE_BYTES


def test_alpha_of_a_lossy_webp_may_have_many_huffman_codes():
    clear = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 9, np.uint8)])
    clear[::2, ::3, 3] = 255
    with_alpha, without = encoded(clear, 'WEBP'), encoded(PHOTO, 'WEBP')
    assert webp.frame_kinds(with_alpha) == (False, True)
    assert webp.frame_kinds(without) == (False, False)
    assert webp.frame_kinds(encoded(PHOTO, 'WEBP', lossless=True)) == (True, True)
    assert read_header(with_alpha).kept > read_header(without).kept


@pytest.mark.parametrize('megapixels', [1, 8, 15, 17, 18, 25])
def test_the_codes_of_a_large_webp_take_what_is_left_and_change_no_ratio(megapixels):
    header = Header('WEBP', 1_000, 1_000 * megapixels, False, kept=27)
    charged = webp.with_codes(header, bytes(1_000_000))
    assert charged.least_ratio == header.least_ratio
    ratio = charged.least_ratio
    if header.memory(ratio) <= consts.PICTURE_BYTES:
        assert header.memory(ratio) <= charged.memory(ratio) <= consts.PICTURE_BYTES


def tiff_of_parts(width: int, height: int, side: int, compression: int = 1) -> bytes:
    """A gray TIFF in tiles of side x side, all of them the same bytes."""
    number = (width // side) * (height // side)
    data = bytes(side * side) if compression == 1 else zlib.compress(bytes(side * side))
    entries = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, 1), (322, side)]
    entries.append((323, side))
    places = 8 + 2 + 12 * (len(entries) + 2) + 4
    rows = [struct.pack('<HHII', tag, 4, 1, value) for tag, value in entries]
    rows.append(struct.pack('<HHII', 324, 4, number, places))
    rows.append(struct.pack('<HHII', 325, 4, number, places + 4 * number))
    first = struct.pack('<H', len(rows)) + b''.join(rows) + bytes(4)
    begin = struct.pack('<I', places + 8 * number)
    return (
        b'II*\0'
        + struct.pack('<I', 8)
        + first
        + begin * number
        + struct.pack('<I', len(data)) * number
        + data
    )


def test_each_tile_of_a_tiff_costs_time_and_memory():
    """490,000 tiles of a pixel each took 5 seconds and 180 MB."""
    small = tiff_of_parts(32, 16, 1)
    assert decode_with_pillow(small).shape == (16, 32, 3)
    header = read_header(small)
    assert header.memory() > 360 * 32 * 16 and header.seconds > 8e-6 * 32 * 16
    with pytest.raises(BadImage, match='more values than it can hold'):
        read_header(tiff_of_parts(700, 700, 1))


def test_a_tiff_of_the_slower_compressions():
    """356 MB of LZMA took 7.5 seconds, of Zstandard 3.8."""
    flat = np.zeros((400, 300, 3), np.uint8)
    seconds = [
        read_header(encoded(flat, 'TIFF', compression=kind)).seconds
        for kind in ('tiff_adobe_deflate', 'zstd', 'lzma')
    ]
    assert seconds == sorted(seconds) and seconds[2] > 360_000 * 21e-9
