"""Values, animations and kinds of pictures that make decoders take far more memory than the pixels."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from src.common import consts
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage, or_fault, reads_avif
from src.images.formats.avif import frame_pixels
from src.images.formats.rgb import upright_rgb
from src.images.headers import opened, read_header
from tests.pictures import encoded, photo, png_chunk, raw_png, with_segment, without_segment

PHOTO = photo()
EACH = 60_000  # bytes of a value
MOST = 10_000_000  # bytes that reading a small picture may take


def directory(number: int, at: int = 8) -> bytes:
    """A directory of TIFF and EXIF with so many values, all of them the same EACH bytes."""
    entries = b''.join(struct.pack('<HHII', 1_000 + place, 7, EACH, at) for place in range(number))
    return struct.pack('<H', number) + entries + bytes(4)


def peak(function, *arguments) -> int:
    """The most bytes that Python objects and arrays take while the function runs."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_values_in_the_exif_of_a_jpeg_are_not_read():
    block = b'II*\0' + struct.pack('<I', 8) + directory(2_000)
    block += bytes(EACH + 8 - len(block) % EACH)
    data = without_segment(encoded(PHOTO), 0xE0)  # Pillow looks for the resolution in EXIF
    for at in reversed(range(0, len(block), 60_000)):
        data = with_segment(data, 0xE1, b'Exif\0\0' + block[at : at + 60_000])
    assert peak(decode_with_pillow, data) < MOST
    np.testing.assert_array_equal(decode_with_pillow(data), decode_with_pillow(encoded(PHOTO)))


@pytest.mark.parametrize('tag', [34665, 34853, 40965])
@pytest.mark.parametrize('kind', [3, 4, 13, 16])
def test_values_in_a_directory_inside_a_tiff_are_counted(tag, kind):
    data = bytearray(encoded(PHOTO[:20, :20], 'TIFF'))
    (begin,) = struct.unpack_from('<I', data, 4)
    (count,) = struct.unpack_from('<H', data, begin)
    entries = bytes(data[begin + 2 : begin + 2 + 12 * count])

    def with_directory(number: int) -> bytes:
        made = bytearray(data)
        inner = len(made)
        made += directory(number)
        place = len(made)
        made += struct.pack('<Q', inner)
        pointer = struct.pack('<HHII', tag, kind, 1, place if kind == 16 else inner)
        made[4:8] = struct.pack('<I', len(made))
        made += struct.pack('<H', count + 1) + entries + pointer + bytes(4) + bytes(EACH)
        return bytes(made)

    assert read_header(with_directory(1)).width == 20
    for number, reason in ((900, 'more values'), (1_001, 'more than 1,000 entries')):
        with pytest.raises(BadImage, match=reason):
            read_header(with_directory(number))
        assert peak(or_fault, read_header, with_directory(number)) < MOST


def test_a_big_endian_tiff_is_checked_as_pillow_reads_it():
    """Of a version that others take for BigTIFF, with offsets of other sizes."""
    entries = b''.join(struct.pack('>HHII', 60_000 + place, 7, EACH, 8) for place in range(900))
    data = b'MM\0+' + struct.pack('>I', 8 + EACH) + bytes(EACH) + struct.pack('>H', 900) + entries + bytes(4)
    assert peak(or_fault, read_header, data) < MOST


avif = pytest.mark.skipif(not reads_avif(), reason='this Pillow does not read AVIF')


@avif
@pytest.mark.parametrize('options', [{}, {'subsampling': '4:4:4', 'quality': 100}, {'range': 'limited'}])
@pytest.mark.parametrize('size', [(64, 48), (301, 200)])
def test_the_frame_of_an_avif_has_its_size(size, options):
    data = encoded(photo(*size), 'AVIF', **options)
    assert frame_pixels(data) == size[0] * size[1]
    rgba = np.dstack([photo(*size), photo(*size)[..., 0]])
    assert frame_pixels(encoded(rgba, 'AVIF', **options)) == size[0] * size[1]
    frames = [Image.fromarray(photo(*size, seed=seed)) for seed in range(3)]
    animated = encoded(frames[0], 'AVIF', save_all=True, append_images=frames[1:])
    assert frame_pixels(animated) == size[0] * size[1]
    assert read_header(animated).kept == read_header(data).kept == 30


@avif
def test_a_frame_larger_than_its_avif_says_is_refused(monkeypatch):
    data = encoded(photo(400, 300), 'AVIF')
    place = data.index(b'ispe') + 8
    small = data[:place] + struct.pack('>II', 40, 30) + data[place + 8 :]
    header = read_header(small)
    assert (header.width, header.height) == (40, 30)
    assert header.memory() >= 30 * 400 * 300
    monkeypatch.setattr(consts, 'PICTURE_BYTES', header.memory() // 2)
    with pytest.raises(BadImage, match='40×30 pixels as AVIF take more than'):
        read_header(small)
    with pytest.raises(BadImage, match='damaged'):
        frame_pixels(data.replace(b'iloc', b'free', 1))


@avif
def test_values_in_the_exif_of_an_avif_are_not_read():
    block = b'Exif\0\0II*\0' + struct.pack('<I', 8) + directory(2_000)
    data = encoded(PHOTO, 'AVIF', exif=block + bytes(EACH))
    assert peak(decode_with_pillow, data) < MOST
    np.testing.assert_array_equal(decode_with_pillow(data), decode_with_pillow(encoded(PHOTO, 'AVIF')))


def test_an_animated_png_is_read_as_its_first_picture():
    rgba = np.dstack([PHOTO, PHOTO[..., 0]])
    still = raw_png(rgba, 6)
    height, width = PHOTO.shape[:2]
    control = struct.pack('>IIIIHHBB', width, height, 0, 0, 1, 1, 1, 1)
    rows = zlib.compress(bytes(height * (4 * width + 1)))
    idat = still.index(b'IDAT') - 4
    animated = b''.join(
        (
            *(
                still[:idat],
                png_chunk(b'acTL', struct.pack('>II', 2, 0)),
                png_chunk(b'fcTL', bytes(4) + control),
            ),
            *(still[idat:-12], png_chunk(b'fcTL', b'\0\0\0\1' + control)),
            *(png_chunk(b'fdAT', b'\0\0\0\2' + rows), still[-12:]),
        )
    )
    assert opened(animated).is_animated  # Pillow then holds two pictures
    header = read_header(animated)
    assert not opened(animated, header.heavy).is_animated
    np.testing.assert_array_equal(decode_with_pillow(animated), decode_with_pillow(still))


def lossless(side: int) -> bytes:
    """A gray JPEG by prediction (ITU T.81, annex H), in which each pixel is the one before."""
    parts = (
        (0xC3, struct.pack('>BHHB', 8, side, side, 1) + b'\1\x11\0'),
        (0xC4, b'\0\1' + bytes(15) + b'\0'),
        (0xDA, b'\1\1\0\1\0\0'),
    )
    segments = b''.join(
        b'\xff' + bytes([kind]) + struct.pack('>H', len(body) + 2) + body for kind, body in parts
    )
    return b'\xff\xd8' + segments + bytes(side * side // 8 + 1) + b'\xff\xd9'


def test_lossless_jpegs_are_refused():
    """Pillow writes beyond its memory when their sides are divided."""
    assert Image.open(io.BytesIO(lossless(64))).size == (64, 64)
    with pytest.raises(BadImage, match='a kind that is not read'):
        read_header(lossless(64))
    with pytest.raises(BadImage, match='lossless'):
        decode_with_pillow(lossless(2_000), 8)


@pytest.mark.parametrize('mode', ['F', 'I', 'I;16'])
def test_gray_of_more_bits_is_converted_in_small_parts(mode):
    image = Image.new(mode, (2_048, 1_024), 7)
    result = 3 * 2_048 * 1_024
    assert peak(upright_rgb, image, 1) < result + MOST
    assert peak(upright_rgb, image, 1, 4) < result // 16 + MOST


def scans(side: int, number: int) -> bytes:
    """A gray progressive JPEG with so many empty scans more."""
    data = encoded(Image.new('L', (side, side), 'grey'), progressive=True)
    table = b'\xff\xc4\0\x14\x10\1' + bytes(15) + b'\xe0'
    return data[:-2] + table + b'\xff\xda\0\x08\1\1\0\1\x3f\x10\x7f\xff\0' * number + b'\xff\xd9'


def tiff_of_jpegs(side: int, strip: bytes, number: int) -> bytes:
    """A gray TIFF with the same JPEG of `side` x `side` pixels as each of its strips."""
    begin = 8 + len(strip)
    sizes = begin + 4 * number
    tags = (
        *((256, 4, 1, side), (257, 4, 1, side * number), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 1)),
        *((273, 4, number, begin), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, number, sizes)),
    )
    entries = struct.pack('<H', len(tags)) + b''.join(struct.pack('<HHII', *tag) for tag in tags) + bytes(4)
    arrays = struct.pack('<I', 8) * number + struct.pack('<I', len(strip)) * number
    return b'II*\0' + struct.pack('<I', sizes + 4 * number) + strip + arrays + entries


def test_scans_of_the_jpegs_in_a_tiff_take_time(monkeypatch):
    few, many = (read_header(tiff_of_jpegs(64, scans(64, number), 40)).seconds for number in (1, 80))
    assert many > 5 * few
    assert decode_with_pillow(tiff_of_jpegs(64, scans(64, 80), 40)).shape == (2_560, 64, 3)
    monkeypatch.setattr(consts, 'PICTURE_SECONDS', 2 * few)
    with pytest.raises(BadImage, match='to decode: make it smaller'):
        read_header(tiff_of_jpegs(64, scans(64, 80), 40))


def test_the_coefficients_of_a_jpeg_in_a_tiff_count():
    strip = read_header(tiff_of_jpegs(640, scans(640, 1), 1))
    assert strip.kept >= 1 + 4 + 2  # the picture, the strip, its coefficients
