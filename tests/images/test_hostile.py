"""Small files that would take decoders much time or memory: refused by their headers, or read without what
makes them slow."""

from __future__ import annotations

import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from src.common import consts
from src.images import decode
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage
from src.images.formats import gif, jpeg, png, tiff
from src.images.headers import read_header
from tests.pictures import encoded, exif, photo, png_chunk, raw_png, with_segment

PHOTO = photo()
PIXELS = decode_with_pillow(encoded(PHOTO))
PROGRESSIVE = encoded(PHOTO, progressive=True)
PNG = encoded(PHOTO, 'PNG')


def with_scans(data: bytes, number: int, between: bytes = b'') -> bytes:
    """A progressive JPEG with so many scans more, each without data."""
    last = data.rindex(b'\xff\xda')
    header = data[last : last + 2 + struct.unpack_from('>H', data, last + 2)[0]]
    return data[:-2] + (between + header) * number + b'\xff\xd9'


def refused(data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        read_header(data)
    with pytest.raises(BadImage):
        decode_with_pillow(data)
    return str(caught.value)


def test_scans_of_a_jpeg_are_counted():
    ten = PROGRESSIVE.count(b'\xff\xda')
    assert ten == 10
    fine = with_scans(PROGRESSIVE, consts.MAX_SCANS - ten)
    assert decode_with_pillow(fine).shape == PHOTO.shape
    assert refused(with_scans(PROGRESSIVE, consts.MAX_SCANS - ten + 1)) == (
        'a JPEG of more than 500 scans: save it anew'
    )
    # neither in comments nor after the end, and not hidden by an end in a comment
    comment = b'\xff\xfe\x00\x08' + b'\xff\xda\x00\x08\x01\x01'
    assert read_header(with_segment(PROGRESSIVE, 0xFE, b'\xff\xda' * 9_000)).plain
    assert read_header(with_scans(PROGRESSIVE, 1, comment * 1_000)).plain
    assert read_header(PROGRESSIVE + PROGRESSIVE * 100).plain
    assert 'scans' in refused(with_scans(PROGRESSIVE, 600, b'\xff\xfe\x00\x04\xff\xd9'))


def test_scans_without_an_end_are_counted():
    assert 'scans' in refused(with_scans(PROGRESSIVE, 600)[:-2])
    assert read_header(PROGRESSIVE[:-400]).plain  # decoding finds that it is truncated


def test_a_scan_that_repeats_a_component_counts_too():
    parts = encoded(PHOTO, subsampling=0)
    scan = parts.index(b'\xff\xda')
    # the first scan has one component of three, so that there may be others
    alone = parts[:scan] + b'\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00'
    assert 'scans' in refused(alone + b'\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00' * 600 + b'\xff\xd9')


def test_many_scans_of_many_pixels_take_too_long(monkeypatch):
    data = with_scans(PROGRESSIVE, 400)
    assert read_header(data).seconds > 10 * read_header(PROGRESSIVE).seconds
    monkeypatch.setattr(consts, 'PICTURE_SECONDS', read_header(PROGRESSIVE).seconds * 2)
    assert 'to decode: make it smaller' in refused(data)


def test_padding_of_a_jpeg():
    data = encoded(PHOTO)
    padded = data[:2] + b'\xff' * 60_000 + data[2:]
    np.testing.assert_array_equal(decode_with_pillow(padded), PIXELS)
    for stray in (b'\xff', b'\0', b'\xff\0', b'\xff\xd0'):
        reason = refused(data[:3] + stray * 70_000 + data[2:])
        assert reason == 'more than 65,536 stray bytes in its header: save it anew'


def test_a_jpeg_with_much_metadata_is_decoded_without_it():
    data = encoded(PHOTO)
    block = b'Exif\0\0' + exif(1)
    for segment in (
        (0xE1, block),
        (0xED, b'Photoshop 3.0\0' + b'8BIM\0\0\0\0\0\0\0\0' * 4_000),
        (0xFE, b'note'),
    ):
        many = data
        for _ in range(100):
            many = with_segment(many, *segment)
        assert jpeg.without_metadata(many).count(b'8BIM') == 0
        np.testing.assert_array_equal(decode_with_pillow(many), PIXELS)
    cmyk = encoded(Image.fromarray(PHOTO).convert('CMYK'))  # inverted, as Adobe's segment says
    expected = decode_with_pillow(cmyk)
    heavy = cmyk[:2] + b'\xff\xfe\x00\x03.' * 100 + cmyk[2:]
    np.testing.assert_array_equal(decode_with_pillow(heavy), expected)
    assert 'segments' in refused(data[:2] + b'\xff\xfe\x00\x03.' * 6_000 + data[2:])


def test_a_second_frame_of_another_size_is_refused():
    data = encoded(PHOTO)
    frame = data.index(b'\xff\xc0')
    second = data[frame : frame + 19].replace(struct.pack('>HH', 64, 96), struct.pack('>HH', 9000, 9000))
    assert refused(data[:frame] + second + data[frame:]) == 'damaged'
    head = PNG[8:33]
    other = png_chunk(b'IHDR', struct.pack('>II', 9000, 9000) + head[16:21])
    with pytest.raises(BadImage):
        decode_with_pillow(PNG[:33] + other + PNG[33:])


def test_chunks_of_a_png():
    idat = PNG.index(b'IDAT') - 4
    pixels, end = PNG[idat:-12], PNG[-12:]
    tiny = b''.join(png_chunk(b'IDAT', b'') for _ in range(png.MOST_CHUNKS + 200))
    for data in (PNG[:idat] + tiny + pixels + end, PNG[:-12] + tiny + end):
        assert refused(data).endswith('in too many chunks: save it anew')
    rows = raw_png(PHOTO, 2)
    body = zlib.compress(b''.join(b'\0' + row.tobytes() for row in PHOTO), 0)
    split = b''.join(png_chunk(b'IDAT', body[at : at + 4]) for at in range(0, len(body), 4))
    start = rows[: rows.index(b'IDAT') - 4]
    np.testing.assert_array_equal(decode_with_pillow(start + split + end), PHOTO)


@pytest.mark.parametrize('kind', [b'iCCP', b'zTXt', b'iTXt', b'tEXt'])
def test_a_png_with_much_metadata_is_decoded_without_it(kind):
    rgba = raw_png(np.dstack([PHOTO, PHOTO[..., 0]]), 6, png_chunk(b'eXIf', exif(3)))
    bomb = zlib.compress(bytes(1 << 20), 9)
    for data in (PNG, rgba):
        expected = decode_with_pillow(data)
        chunk = png_chunk(kind, {b'iTXt': b'k\0\1\0\0\0', b'tEXt': b'k\0'}.get(kind, b'k\0\0') + bomb)
        for place in (33, len(data) - 12):
            heavy = data[:place] + chunk * 90 + data[place:]
            header = read_header(heavy)
            assert header.heavy
            assert not header.plain  # TensorFlow would inflate all of it
            assert header.orientation == read_header(data).orientation
            np.testing.assert_array_equal(decode_with_pillow(heavy), expected)
    assert read_header(PNG[:33] + chunk * 5 + PNG[33:]).plain


def test_transparency_survives_the_removal_of_metadata():
    palette = Image.fromarray(PHOTO).quantize(16)
    data = encoded(palette, 'PNG', transparency=3)
    heavy = data[:33] + png_chunk(b'tEXt', b'k\0v') * 100 + data[33:]
    assert read_header(heavy).heavy
    np.testing.assert_array_equal(decode_with_pillow(heavy), decode_with_pillow(data))


def test_comments_of_a_gif():
    palette = Image.fromarray(PHOTO).quantize(16)
    data = encoded(palette, 'GIF', transparency=palette.getpixel((0, 0)))
    begin = 13 + 3 * 16
    comment = b'!\xfe' + (b'\xff' + b'x' * 255) * 1_000 + b'\0'
    long = data[:begin] + comment + data[begin:]
    assert len(gif.without_extensions(long)) < len(data) + 10
    np.testing.assert_array_equal(decode_with_pillow(long), decode_with_pillow(data))
    assert (decode_with_pillow(long)[0, 0] == 255).all()
    blocks = data[:begin] + b'!\xfe' + b'\1x' * (gif.MOST_BLOCKS + 1) + b'\0' + data[begin:]
    assert refused(blocks) == 'a GIF of more than 100,000 blocks before its picture: save it anew'
    assert 'blocks' in refused(data[:begin] + bytes(gif.MOST_BLOCKS + 1) + data[begin:])
    assert refused(data[:begin] + b'!\xfe' + b'\xff' * 300) in ('truncated', 'damaged')


def test_the_directory_of_a_tiff():
    data = encoded(PHOTO, 'TIFF')
    (begin,) = struct.unpack_from('<I', data, 4)
    (count,) = struct.unpack_from('<H', data, begin)
    entries = data[begin + 2 : begin + 2 + 12 * count]

    def with_entries(*more: bytes) -> bytes:
        number = count + len(more)
        return (
            data[:4]
            + struct.pack('<I', len(data))
            + data[8:]
            + struct.pack('<H', number)
            + entries
            + b''.join(more)
            + bytes(4)
        )

    np.testing.assert_array_equal(decode_with_pillow(with_entries()), PHOTO)
    same_bytes = [struct.pack('<HHII', 60_000 + n, 7, len(data) // 2, 8) for n in range(5)]
    assert refused(with_entries(*same_bytes)) == 'a TIFF of more values than it can hold: save it anew'
    numbers = struct.pack('<HHII', 60_000, 4, tiff.MOST_NUMBERS + 1, 8)
    assert 'more values' in refused(with_entries(numbers))
    tiny = [struct.pack('<HHII', 60_000 + n, 3, 1, 8) for n in range(tiff.MOST_ENTRIES)]
    assert refused(with_entries(*tiny)) == 'a TIFF of more than 1,000 entries: save it anew'
    loop = bytearray(with_entries())
    loop[-4:] = loop[4:8]  # the next directory is this one
    np.testing.assert_array_equal(decode_with_pillow(bytes(loop)), PHOTO)


def test_a_canvas_much_larger_than_its_frame(monkeypatch):
    canvas = (
        b'GIF89a' + struct.pack('<HH', 300, 200) + b'\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;'
    )
    assert decode_with_pillow(canvas).shape == (200, 300, 3)
    monkeypatch.setattr(consts, 'PICTURE_BYTES', read_header(canvas).memory(4))
    assert decode_with_pillow(canvas).shape == (50, 75, 3)


@pytest.mark.parametrize(
    ('kind', 'options', 'bytes_per_pixel'),
    [('WEBP', {}, 18), ('WEBP', {'lossless': True}, 27), ('GIF', {}, 2), ('TIFF', {}, 4), ('BMP', {}, 4)],
)
def test_memory_depends_on_the_format(kind, options, bytes_per_pixel):
    header = read_header(encoded(Image.new('RGB', (96, 600)), kind, **options))
    codes = header.kept - bytes_per_pixel  # of a lossless WebP, little in a small file
    assert 0 <= codes < 15
    assert header.memory() == int(96 * 600 * max(header.kept + 3, 15))


def test_long_sides():
    """Resizing first makes rows of the full width: TensorFlow and NumPy took 75 GB for 90 million pixels."""
    long = np.zeros((1, 65_500, 3), np.uint8)
    before = decode.DECODING.free
    with decode.charged(read_header(encoded(long, 'PNG'))):
        assert 300 * 65_500 * 3 * 4 < before - decode.DECODING.free <= consts.PICTURE_BYTES
    for picture in (np.zeros((1, 65_501, 3), np.uint8), np.zeros((65_501, 1, 3), np.uint8)):
        assert refused(encoded(picture, 'PNG')).endswith('a side of more than 65,500: make it smaller')


@pytest.mark.filterwarnings('ignore')
def test_a_run_length_bmp_is_estimated_by_its_pixels():
    """Pillow decodes it in Python."""
    head = b'BM' + struct.pack('<IHHI', 0, 0, 0, 54 + 1024)
    info = struct.pack('<IiiHHIIiiII', 40, 10_900, 10_900, 1, 8, 1, 0, 0, 0, 256, 0)
    data = head + info + bytes(1024) + b'\1\0\0\0' * 10_900
    data = data[:2] + struct.pack('<I', len(data)) + data[6:]
    assert refused(data) == 'it takes more than 5 seconds to decode: make it smaller'


def test_pictures_wait_for_the_memory_of_others(monkeypatch):
    """Eight threads decode at once; the budget has room for two."""
    data = encoded(photo(800, 600), 'PNG')
    one = read_header(data).memory()
    monkeypatch.setattr(decode, 'DECODING', decode.Budget(2 * one + 4, 2 * one))
    held, most, original = [], [], decode.upright_rgb
    ready = threading.Barrier(2)

    def counted(*arguments):
        held.append(1)
        most.append(len(held))
        ready.wait(60)  # passes only when two decode at the same time
        try:
            return original(*arguments)
        finally:
            held.pop()

    monkeypatch.setattr(decode, 'upright_rgb', counted)
    threads = [threading.Thread(target=decode_with_pillow, args=[data]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2
    assert not ready.broken
    assert decode.DECODING.free == 2 * one + 4
