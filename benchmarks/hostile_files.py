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


def surplus(number: int = 1_100) -> bytes:
    """A PNG of 8 x 8 pixels whose compressed data goes on after the last row, for so many blocks of 16 MB."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 24)) for _ in range(number)]
    data = b''.join([*parts, packer.flush()])
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', data) + chunk(b'IEND', b'')


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


def same_values(number: int, size: int) -> bytes:
    """A directory of TIFF and EXIF with so many values, all of them the same bytes, from the 8th on."""
    entries = b''.join(struct.pack('<HHII', 1_000 + place, 7, size, 8) for place in range(number))
    return struct.pack('<H', number) + entries + bytes(4)


def exif_values() -> bytes:
    """A JPEG of 700 kB whose EXIF names the same 300 kB 60,000 times."""
    data, block = small_jpeg(), b'II*\0' + struct.pack('<I', 8) + same_values(60_000, 300_000)
    parts = (block[at : at + 65_000] for at in range(0, len(block), 65_000))
    segments = b''.join(struct.pack('>BBH', 255, 0xE1, len(part) + 8) + b'Exif\0\0' + part for part in parts)
    return data[:2] + segments + data[20:]  # without JFIF, as Pillow then looks for the resolution in EXIF


def directory_in_a_tiff() -> bytes:
    """A TIFF whose EXIF names the same 10 MB 900 times."""
    data = encoded(Image.new('L', (64, 64)), 'TIFF')
    (begin,) = struct.unpack_from('<I', data, 4)
    (count,) = struct.unpack_from('<H', data, begin)
    entries = data[begin + 2 : begin + 2 + 12 * count]
    inner = len(data) + 10_000_000
    body = data + bytes(10_000_000) + same_values(900, 10_000_000)
    pointer = struct.pack('<HHII', 34665, 4, 1, inner)
    first = struct.pack('<H', count + 1) + entries + pointer + bytes(4)
    return body[:4] + struct.pack('<I', len(body)) + body[8:] + first


def animation() -> bytes:
    """A PNG of 120 million pixels that says to be an animation, for which Pillow holds two pictures."""
    data = encoded(flat('RGBA'), 'PNG', compress_level=1)
    frame = struct.pack('>IIIIIHHBB', 0, SIDE, SIDE, 0, 0, 1, 1, 1, 1)
    return data[:33] + chunk(b'acTL', struct.pack('>II', 2, 0)) + chunk(b'fcTL', frame) + data[33:]


def lossless() -> bytes:
    """A gray JPEG by prediction, of 144 million pixels that are all the same (ITU T.81, annex H)."""
    side = 12_000
    frame = struct.pack('>BHHB', 8, side, side, 1) + b'\1\x11\0'
    parts = (0xC3, frame), (0xC4, b'\0\1' + bytes(15) + b'\0'), (0xDA, b'\1\1\0\1\0\0')
    segments = b''.join(struct.pack('>BBH', 255, kind, len(body) + 2) + body for kind, body in parts)
    return b'\xff\xd8' + segments + bytes(side * side // 8 + 1) + b'\xff\xd9'


def frame_in_an_avif() -> bytes:
    """An AVIF that says to have 64 x 64 pixels, with a frame of 81 million."""
    data = encoded(flat(side=9_000), 'AVIF', speed=10)
    at = data.index(b'ispe') + 8
    return data[:at] + struct.pack('>II', 64, 64) + data[at + 8 :]


FILES: dict[str, Callable[[], bytes]] = {
    'padding.jpg': lambda: (b := small_jpeg())[:2] + b'\xff' * BODY + b[2:],
    'scans_1mb.jpg': lambda: scans(80_000, refining=False),
    'scans_4mb.jpg': lambda: scans(320_000, refining=False),
    'scans_480.jpg': lambda: scans(480, refining=True),
    'photoshop.jpg': lambda: segments(0xED, b'Photoshop 3.0\0' + b'8BIM\0\0\0\0\0\0\0\0' * 5_000),
    'exif.jpg': lambda: segments(0xE1, b'Exif\0\0' + bytes(2_000)),
    'exif_values.jpg': exif_values,
    'lossless.jpg': lossless,
    'progressive.jpg': lambda: encoded(flat(), 'JPEG', progressive=True),
    'gray_400_megapixels.jpg': lambda: encoded(flat('L', 20_000), 'JPEG'),
    'tiny_chunks.png': lambda: chunks(b'tEXt', b'k\0v'),
    'profiles.png': lambda: chunks(b'iCCP', b'k\0\0' + zlib.compress(bytes(1 << 20), 9)),
    'texts.png': lambda: chunks(b'zTXt', b'k\0\0' + zlib.compress(bytes(7_900_000), 9)),
    'surplus.png': surplus,
    'rgb.png': lambda: encoded(flat(), 'PNG', compress_level=1),
    'rgba.png': lambda: encoded(flat('RGBA'), 'PNG', compress_level=1),
    'animation.png': animation,
    'wide.png': lambda: encoded(Image.new('RGB', (65_500, 1)), 'PNG'),
    'canvas.gif': lambda: gif(SIDE),
    'comment.gif': lambda: gif(64, b'!\xfe' + (b'\xff' + b'x' * 255) * (BODY // 256) + b'\0'),
    'float.tif': float_tiff,
    'values.tif': values_of_a_tiff,
    'directory.tif': directory_in_a_tiff,
    'run_length.bmp': run_length_bmp,
    'large.webp': lambda: encoded(flat(), 'WEBP', method=0),
    'frame.avif': frame_in_an_avif,
    'medium.webp': lambda: encoded(flat(side=4_400), 'WEBP', lossless=True, method=0, quality=0),
}
