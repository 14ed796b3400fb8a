"""Small files that cost a decoder much time or memory, each made when it is needed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

SIDE = 10_950  # 120 million pixels
BODY = 19_000_000  # bytes of the largest files: the server takes 20 MB


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def flat(mode: str = 'RGB', side: int = SIDE) -> Image.Image:
    return Image.new(mode, (side, side))


def small_jpeg() -> bytes:
    return encoded(Image.new('RGB', (64, 64), 'red'), 'JPEG')


def scans(number: int, refining: bool, side: int = 1000) -> bytes:
    """A progressive JPEG with many scans that say of all blocks at once that they are empty. Those that
    refine coefficients cost libjpeg most."""
    data = encoded(Image.new('RGB', (side, side), 'grey'), 'JPEG', progressive=True)
    # A Huffman table whose one code, a bit, is a run of 2**14 blocks and more; all 15 bits after it are 1.
    table = b'\xff\xc4\0\x14\x10\1' + bytes(15) + b'\xe0'
    scan = b'\xff\xda\0\x08\1\1\0\1\x3f' + (b'\x10' if refining else b'\0') + b'\x7f\xff\0'
    return data[:-2] + table + scan * number + b'\xff\xd9'


def segments(marker: int, body: bytes) -> bytes:
    """A JPEG with BODY bytes of metadata."""
    segment = struct.pack('>BBH', 0xFF, marker, len(body) + 2) + body
    data = small_jpeg()
    return data[:2] + segment * (BODY // len(segment)) + data[2:]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def chunks(name: bytes, body: bytes, size: int = BODY) -> bytes:
    """A PNG with so many bytes of chunks before its pixels."""
    data = encoded(Image.new('RGB', (64, 64), 'red'), 'PNG')
    one = chunk(name, body)
    return data[:33] + one * (size // len(one)) + data[33:]


def gif(side: int, extension: bytes = b'') -> bytes:
    """35 bytes: a canvas of side x side with a frame of one pixel."""
    size, frame = struct.pack('<HH', side, side), b',\0\0\0\0\1\0\1\0\0\2\2D\1\0;'
    return b'GIF89a' + size + b'\x80\0\0\0\0\0\xff\xff\xff' + extension + frame


def values_of_a_tiff() -> bytes:
    """A TIFF with 4,000 entries that all have the same 10 MB."""
    data = encoded(Image.new('L', (64, 64)), 'TIFF')
    (begin,) = struct.unpack_from('<I', data, 4)
    (count,) = struct.unpack_from('<H', data, begin)
    entries = data[begin + 2 : begin + 2 + 12 * count]
    more = b''.join(struct.pack('<HHII', 50_000 + n, 7, 10_000_000, 8) for n in range(4_000))
    place = struct.pack('<I', len(data) + 10_000_000)
    return data[:4] + place + data[8:] + bytes(10_000_000) + struct.pack('<H', count + 4_000) + entries + more


def run_length_bmp() -> bytes:
    """A BMP whose rows of 10,950 pixels are a run of one pixel each."""
    info = struct.pack('<IiiHHIIiiII', 40, SIDE, SIDE, 1, 8, 1, 0, 0, 0, 256, 0)
    rows = b'\1\0\0\0' * SIDE
    size = 54 + 1024 + len(rows)
    return b'BM' + struct.pack('<IHHI', size, 0, 0, 54 + 1024) + info + bytes(1024) + rows


def float_tiff() -> bytes:
    return encoded(
        Image.fromarray(np.zeros((SIDE, SIDE), np.float32)), 'TIFF', compression='tiff_adobe_deflate'
    )


FILES: dict[str, Callable[[], bytes]] = {
    'padding.jpg': lambda: (b := small_jpeg())[:2] + b'\xff' * BODY + b[2:],
    'scans_1mb.jpg': lambda: scans(80_000, refining=False),
    'scans_4mb.jpg': lambda: scans(320_000, refining=False),
    'scans_480.jpg': lambda: scans(480, refining=True),
    'photoshop.jpg': lambda: segments(0xED, b'Photoshop 3.0\0' + b'8BIM\0\0\0\0\0\0\0\0' * 5_000),
    'exif.jpg': lambda: segments(0xE1, b'Exif\0\0' + bytes(2_000)),
    'progressive.jpg': lambda: encoded(flat(), 'JPEG', progressive=True),
    'gray_400_megapixels.jpg': lambda: encoded(flat('L', 20_000), 'JPEG'),
    'tiny_chunks.png': lambda: chunks(b'tEXt', b'k\0v'),
    'profiles.png': lambda: chunks(b'iCCP', b'k\0\0' + zlib.compress(bytes(1 << 20), 9)),
    'texts.png': lambda: chunks(b'zTXt', b'k\0\0' + zlib.compress(bytes(7_900_000), 9)),
    'rgb.png': lambda: encoded(flat(), 'PNG', compress_level=1),
    'rgba.png': lambda: encoded(flat('RGBA'), 'PNG', compress_level=1),
    'canvas.gif': lambda: gif(SIDE),
    'comment.gif': lambda: gif(64, b'!\xfe' + (b'\xff' + b'x' * 255) * (BODY // 256) + b'\0'),
    'float.tif': float_tiff,
    'values.tif': values_of_a_tiff,
    'run_length.bmp': run_length_bmp,
    'large.webp': lambda: encoded(flat(), 'WEBP', method=0),
    'medium.webp': lambda: encoded(flat(side=4_400), 'WEBP', lossless=True, method=0, quality=0),
}
