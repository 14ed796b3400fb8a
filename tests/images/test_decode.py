"""Decoding of real files made in memory; plain pictures are compared with TensorFlow's decoder."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageCms

from src.common import consts, paths
from src.common.tf1 import tf
from src.images.decode import crop, decode_with_pillow, encode_jpeg
from src.images.faults import BadImage, reads_avif
from src.images.formats import rgb
from src.images.headers import read_header
from tests.pictures import (
    bomb,
    encoded,
    exif,
    photo,
    png_chunk,
    raw_png,
    stored_for,
    with_orientation,
    with_segment,
    without_segment,
)

PHOTO = photo()
HEIGHT, WIDTH = PHOTO.shape[:2]
GRAY = Image.fromarray(PHOTO).convert('L')
GRAY_RGB = np.asarray(GRAY.convert('RGB'))
PALETTE = Image.fromarray(PHOTO).quantize(64)
ALPHA = np.linspace(0, 255, WIDTH).round().astype(np.uint8)[None].repeat(HEIGHT, axis=0)
RGBA = np.dstack([PHOTO, ALPHA])
# 16 bits with lower bits that differ from the upper ones
WIDE = PHOTO.astype(np.uint16) * 256 + PHOTO[::-1]
WIDE_GRAY = WIDE[:, :, :1]

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
JPEG = encoded(PHOTO, quality=90)
BARE_JPEG = without_segment(JPEG, 0xE0)
XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="6"/>'

PLAIN_JPEGS = {
    '4:2:0': JPEG,
    '4:2:2': encoded(PHOTO, quality=90, subsampling=1),
    '4:4:4': encoded(PHOTO, quality=90, subsampling=0),
    'best quality': encoded(PHOTO, quality=100),
    'poor quality': encoded(PHOTO, quality=20),
    'odd sides': encoded(photo(33, 17), quality=90),
    'progressive': encoded(PHOTO, quality=90, progressive=True),
    'restart markers': encoded(PHOTO, quality=90, restart_marker_rows=1),
    'gray': encoded(GRAY, quality=90),
    'gray, progressive': encoded(GRAY, progressive=True),
    'no JFIF': BARE_JPEG,
    'EXIF upright': with_orientation(JPEG, 1),
    'EXIF senseless': with_orientation(JPEG, 9),
    'EXIF empty': with_segment(JPEG, 0xE1, b'Exif\0\0'),
    'XMP only': with_segment(JPEG, 0xE1, XMP),
    'ICC profile': encoded(PHOTO, quality=90, icc_profile=ICC),
    'comment': with_segment(JPEG, 0xFE, b'taken by hand'),
    'padding between segments': JPEG[:2] + b'\xff\xff' + JPEG[2:],
    'Adobe YCbCr': with_segment(BARE_JPEG, 0xEE, b'Adobe\0\x64\0\0\0\0\x01'),
    'Adobe RGB': encoded(PHOTO, quality=90, keep_rgb=True),
    'YCbCr said to be RGB by Adobe': with_segment(BARE_JPEG, 0xEE, b'Adobe\0\x64\0\0\0\0\0'),
    'JFIF against Adobe': with_segment(JPEG, 0xEE, b'Adobe\0\x64\0\0\0\0\0'),
    'several pictures in one (MPO)': encoded(
        PHOTO, 'MPO', save_all=True, append_images=[Image.fromarray(photo(seed=1))]
    ),
    'one pixel': encoded(photo(1, 1)),
}
PLAIN_PNGS = {
    'RGB': encoded(PHOTO, 'PNG'),
    'gray': encoded(GRAY, 'PNG'),
    'upright': encoded(PHOTO, 'PNG', exif=b'Exif\0\0' + exif(1)),
    'ICC profile': encoded(PHOTO, 'PNG', icc_profile=ICC),
    'gamma': raw_png(PHOTO, 2, png_chunk(b'gAMA', (100_000).to_bytes(4, 'big'))),
    'background': raw_png(PHOTO, 2, png_chunk(b'bKGD', b'\0\xff\0\0\0\xff')),
    'fewer significant bits': raw_png(PHOTO, 2, png_chunk(b'sBIT', b'\5\6\5')),
    'animated': encoded(PHOTO, 'PNG', save_all=True, append_images=[Image.fromarray(photo(seed=1))]),
    'one pixel': encoded(photo(1, 1), 'PNG'),
}


@pytest.fixture(scope='module')
def tensorflow_decode():
    """decode(data, dct_method='') with the op DecodeJpeg."""
    with tf.Graph().as_default(), tf.Session() as session:
        contents = tf.placeholder(tf.string)
        ops = {
            method: tf.raw_ops.DecodeJpeg(contents=contents, channels=3, dct_method=method)
            for method in ('', 'INTEGER_ACCURATE')
        }
        yield lambda data, method='': session.run(ops[method], {contents: data})


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return pixels * share + 255 * (1 - share)


def assert_close(pixels: np.ndarray, expected: np.ndarray, most: float, mean: float | None = None):
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    gap = np.abs(pixels.astype(float) - expected)
    assert gap.max() <= most
    assert mean is None or gap.mean() <= mean


@pytest.mark.parametrize('data', PLAIN_JPEGS.values(), ids=PLAIN_JPEGS)
def test_plain_jpegs_equal_those_of_tensorflow(data, tensorflow_decode):
    header = read_header(data)
    pixels = decode_with_pillow(data)
    assert header.format == 'JPEG'
    assert header.plain
    assert pixels.shape == (header.height, header.width, 3)
    # versions of libjpeg may round differently
    assert_close(tensorflow_decode(data, 'INTEGER_ACCURATE'), pixels, most=2, mean=0.1)
    # the default of the op is a faster, less precise DCT
    assert_close(
        tensorflow_decode(data), pixels, most=40, mean=3 if data == PLAIN_JPEGS['best quality'] else 1.5
    )


@pytest.mark.parametrize('data', PLAIN_PNGS.values(), ids=PLAIN_PNGS)
def test_plain_pngs_equal_those_of_tensorflow(data, tensorflow_decode):
    header = read_header(data)
    pixels = decode_with_pillow(data)
    assert header.format == 'PNG'
    assert header.plain
    assert pixels.shape == (header.height, header.width, 3)
    np.testing.assert_array_equal(tensorflow_decode(data), pixels)


def test_pixels_are_right():
    np.testing.assert_array_equal(decode_with_pillow(PLAIN_PNGS['RGB']), PHOTO)
    np.testing.assert_array_equal(decode_with_pillow(PLAIN_PNGS['gray']), GRAY_RGB)
    assert_close(decode_with_pillow(PLAIN_JPEGS['4:4:4']), PHOTO, most=20, mean=2)
    assert_close(decode_with_pillow(PLAIN_JPEGS['gray']), GRAY_RGB, most=20, mean=2)
    assert_close(decode_with_pillow(PLAIN_JPEGS['several pictures in one (MPO)']), PHOTO, most=60, mean=4)


def test_pixels_can_be_written_to():
    decode_with_pillow(JPEG)[0, 0] = 255


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('orientation', range(2, 9))
def test_exif_rotation(orientation, order):
    stored = stored_for(PHOTO, orientation)
    jpeg = with_orientation(encoded(stored, quality=95, subsampling=0), orientation, order)
    png = raw_png(stored, 2, png_chunk(b'eXIf', exif(orientation, order)))
    for data in (jpeg, png):
        header = read_header(data)
        assert (header.width, header.height, header.orientation) == (WIDTH, HEIGHT, orientation)
        assert not header.plain
    np.testing.assert_array_equal(decode_with_pillow(png), PHOTO)
    assert_close(decode_with_pillow(jpeg), PHOTO, most=20, mean=2)


@pytest.mark.parametrize('orientation', [3, 6])
def test_exif_rotation_in_other_formats(orientation):
    stored = stored_for(PHOTO, orientation)
    tag = Image.Exif()
    tag[0x0112] = orientation
    for data in (
        encoded(stored, 'WEBP', lossless=True, exif=tag),
        encoded(stored, 'TIFF', exif=tag),
        encoded(stored, 'TIFF', exif=tag, compression='tiff_lzw'),
    ):
        header = read_header(data)
        assert (header.width, header.height, header.plain) == (WIDTH, HEIGHT, False)
        np.testing.assert_array_equal(decode_with_pillow(data), PHOTO)


def test_exif_after_other_segments_and_after_the_frame():
    jpeg = encoded(stored_for(PHOTO, 6), icc_profile=ICC)
    first = with_segment(with_orientation(jpeg, 6), 0xE1, XMP)
    assert read_header(first).orientation == 6
    scan = jpeg.index(b'\xff\xda')
    late = jpeg[:scan] + with_orientation(b'\xff\xd8', 6)[2:] + jpeg[scan:]
    assert read_header(late).orientation == 6
    assert decode_with_pillow(late).shape == PHOTO.shape


def test_cmyk_and_ycck():
    cmyk = Image.fromarray(PHOTO).convert('CMYK')
    for data in (encoded(cmyk, quality=95), encoded(cmyk, 'TIFF')):
        assert not read_header(data).plain
        assert_close(decode_with_pillow(data), PHOTO, most=25, mean=3)
    # The same samples declared as YCCK: libjpeg converts the first three to CMY.
    inks = [Image.eval(band, lambda v: 255 - v) for band in Image.fromarray(PHOTO).convert('YCbCr').split()]
    ycck = encoded(Image.merge('CMYK', [*inks, Image.new('L', GRAY.size)]), quality=95)
    ycck = with_segment(without_segment(ycck, 0xEE), 0xEE, b'Adobe\0\x64\0\0\0\0\x02')
    assert not read_header(ycck).plain
    assert decode_with_pillow(ycck).shape == PHOTO.shape


PNGS_FOR_PILLOW = {
    '16-bit gray': (raw_png(WIDE_GRAY, 0), GRAY_RGB * 0 + PHOTO[:, :, :1]),
    '16-bit RGB': (raw_png(WIDE, 2), PHOTO),
    '16-bit RGBA': (raw_png(np.dstack([WIDE, ALPHA.astype(np.uint16) * 257]), 6), on_white(PHOTO, ALPHA)),
    '16-bit gray with alpha': (
        raw_png(np.dstack([WIDE_GRAY, ALPHA.astype(np.uint16) * 257]), 4),
        on_white(PHOTO[:, :, :1].repeat(3, axis=2), ALPHA),
    ),
    'palette': (encoded(PALETTE, 'PNG'), np.asarray(PALETTE.convert('RGB'))),
    'palette of 2 bits': (
        encoded(PALETTE.convert('RGB').quantize(4), 'PNG', bits=2),
        np.asarray(PALETTE.convert('RGB').quantize(4).convert('RGB')),
    ),
    '1 bit': (encoded(GRAY.convert('1'), 'PNG'), np.asarray(GRAY.convert('1').convert('RGB'))),
    'RGBA': (encoded(RGBA, 'PNG'), on_white(PHOTO, ALPHA)),
    'gray with alpha': (
        encoded(Image.merge('LA', (GRAY, Image.fromarray(ALPHA))), 'PNG'),
        on_white(GRAY_RGB, ALPHA),
    ),
}


@pytest.mark.parametrize(('data', 'expected'), PNGS_FOR_PILLOW.values(), ids=PNGS_FOR_PILLOW)
def test_pngs_for_pillow(data, expected):
    header = read_header(data)
    assert (header.format, header.width, header.height, header.plain) == ('PNG', WIDTH, HEIGHT, False)
    assert_close(decode_with_pillow(data), expected, most=1)


def test_one_transparent_color_becomes_white():
    """PNG's tRNS for palette, gray, RGB and 16-bit gray."""
    pixels = PHOTO.copy()
    pixels[:5] = (1, 2, 3)
    white_top = pixels.copy()
    white_top[:5] = 255

    palette = Image.fromarray(pixels).quantize(64)
    key = palette.getpixel((0, 0))
    expected = np.array(palette.convert('RGB'))
    expected[np.asarray(palette) == key] = 255
    some = bytes(255 if i != key else 0 for i in range(64))
    gray = np.array(GRAY)
    gray[gray == 7] = 8
    gray[:5] = 7
    wide = WIDE_GRAY.copy()
    wide[wide == 777] = 778
    wide[:5] = 777
    trns = b'tRNS'
    cases = [
        (encoded(palette, 'PNG', transparency=key), expected),
        (encoded(palette, 'PNG', transparency=some), expected),
        (raw_png(pixels, 2, png_chunk(trns, b'\0\1\0\2\0\3')), white_top),
        (raw_png(gray[:, :, None], 0, png_chunk(trns, b'\0\7')), np.where(gray == 7, 255, gray)),
        (raw_png(wide, 0, png_chunk(trns, b'\x03\x09')), np.where(wide == 777, 255, wide >> 8)[:, :, 0]),
    ]
    for data, right in cases:
        assert not read_header(data).plain
        if right.ndim == 2:
            right = right[:, :, None].repeat(3, axis=2)
        assert_close(decode_with_pillow(data), right, most=0)


def test_the_first_frame_of_an_animation_is_decoded():
    others = [Image.fromarray(photo(seed=n)) for n in (1, 2)]
    gif = encoded(PALETTE, 'GIF', save_all=True, append_images=others)
    np.testing.assert_array_equal(decode_with_pillow(gif), np.asarray(PALETTE.convert('RGB')))
    webp = encoded(PHOTO, 'WEBP', lossless=True, save_all=True, append_images=others)
    np.testing.assert_array_equal(decode_with_pillow(webp), PHOTO)
    assert [read_header(data).format for data in (gif, webp)] == ['GIF', 'WEBP']


def test_transparent_gif_is_on_white():
    expected = np.array(PALETTE.convert('RGB'))
    key = PALETTE.getpixel((0, 0))
    expected[np.asarray(PALETTE) == key] = 255
    np.testing.assert_array_equal(decode_with_pillow(encoded(PALETTE, 'GIF', transparency=key)), expected)


def test_webp():
    assert_close(decode_with_pillow(encoded(PHOTO, 'WEBP', quality=90)), PHOTO, most=40, mean=4)
    lossless = encoded(RGBA, 'WEBP', lossless=True, exact=True)
    assert_close(decode_with_pillow(lossless), on_white(PHOTO, ALPHA), most=1)
    header = read_header(lossless)
    assert (header.format, header.width, header.height, header.plain) == ('WEBP', WIDTH, HEIGHT, False)


def test_bmp():
    for picture in (Image.fromarray(PHOTO), GRAY, PALETTE, GRAY.convert('1')):
        data = encoded(picture, 'BMP')
        np.testing.assert_array_equal(decode_with_pillow(data), np.asarray(picture.convert('RGB')))
        assert read_header(data).format == 'BMP'
        assert not read_header(data).plain


def test_32_bit_tiff():
    ramp = np.linspace(0, 255, 64, dtype=np.float32).reshape(8, 8)
    for values in (ramp / 255, ramp, ramp * 1e6 - 5e5, ramp * 1e36 - 1e38):
        got = decode_with_pillow(encoded(values.astype(np.float32), 'TIFF'))
        assert_close(got, ramp.round()[:, :, None].repeat(3, axis=2), most=1)
    for values in (ramp.astype(np.int32), (ramp * 1000).astype(np.int32) - 100):
        got = decode_with_pillow(encoded(values, 'TIFF'))
        assert_close(got, ramp.round()[:, :, None].repeat(3, axis=2), most=1)
    holes = np.array([[np.nan, np.inf, 1]], np.float32)
    assert decode_with_pillow(encoded(holes, 'TIFF'))[0, :, 0].tolist() == [0, 0, 255]
    assert decode_with_pillow(encoded(np.full((2, 2), 300, np.float32), 'TIFF')).max() == 0
    wide = decode_with_pillow(encoded(Image.fromarray(WIDE_GRAY[:, :, 0]), 'TIFF'))
    np.testing.assert_array_equal(wide[:, :, 0], PHOTO[:, :, 0])


@pytest.mark.skipif(not reads_avif(), reason='this Pillow does not read AVIF')
def test_avif_is_read_upright_and_its_faults_are_reported():
    data = encoded(PHOTO, 'AVIF', quality=100, subsampling='4:4:4')
    assert_close(decode_with_pillow(data), PHOTO, most=4)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(PHOTO, 'AVIF', quality=100, subsampling='4:4:4', exif=exif)
    header = read_header(turned)
    assert (header.format, header.width, header.height) == ('AVIF', PHOTO.shape[0], PHOTO.shape[1])
    assert_close(decode_with_pillow(turned), np.rot90(PHOTO, -1), most=4)
    for damaged in (data[:40], data[: len(data) // 2], data[:200] + bytes(len(data) - 200)):
        with pytest.raises(BadImage):
            decode_with_pillow(damaged)


NO_PICTURES = {
    'nothing': (b'', 'empty file'),
    'text renamed .jpg': (b'dear diary, ' * 40, 'not an image'),
    'one byte': (b'\xff', 'not an image'),
    'web page': (b'<!DOCTYPE html><html><body>404</body></html>', 'not an image'),
    'SVG': (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        'SVG, which is not read: save it as JPEG',
    ),
    'PDF': (b'%PDF-1.7\n1 0 obj\n<<>>\nendobj\n', 'not an image'),
    'EPS': (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n', 'not an image'),
    'ICO': (encoded(PHOTO, 'ICO'), 'not an image'),
    'JPEG 2000': (encoded(PHOTO, 'JPEG2000'), 'JPEG 2000, which is not read: save it as JPEG'),
    'film of an iPhone': (b'\0\0\0\x14ftypqt  \0\0\0\0qt  ', 'not an image'),
    'sound': (b'RIFF\x24\0\0\0WAVEfmt \x10\0\0\0' + bytes(20), 'not an image'),
    'text that begins as BMP does': (b'BM stands for bitmap. ' * 9, 'not an image'),
    'HEIC': (b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'HEIC, which is not read: save it as JPEG'),
    'JPEG start': (b'\xff\xd8\xff\xe0', 'truncated'),
    'JPEG header': (JPEG[:200], 'truncated'),
    'JPEG without a picture': (b'\xff\xd8\xff\xd9', 'damaged'),
    'JPEG of no height': (JPEG.replace(b'\x08\0\x40\0\x60', b'\x08\0\0\0\x60'), 'damaged'),
    'PNG header': (PLAIN_PNGS['RGB'][:20], 'truncated'),
    'PNG of an unknown color type': (raw_png(PHOTO, 5), 'damaged'),
    'Lab TIFF': (
        encoded(Image.merge('LAB', [GRAY] * 3), 'TIFF'),
        'Lab colors, which are not read: save it as RGB',
    ),
}


@pytest.mark.parametrize(('data', 'reason'), NO_PICTURES.values(), ids=NO_PICTURES)
def test_other_content_is_refused(data, reason):
    with pytest.raises(BadImage) as caught:
        decode_with_pillow(data)
    assert str(caught.value) == reason


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'BMP', 'GIF', 'TIFF'])
@pytest.mark.parametrize('share', [0.5, 0.9])
def test_truncated_files(kind, share):
    data = encoded(photo(300, 200), kind)
    with pytest.raises(BadImage, match=r'^truncated$'):
        decode_with_pillow(data[: int(len(data) * share)])


def test_large_pictures_are_refused_by_their_header():
    data = bomb()
    assert len(data) < 200_000
    started = time.perf_counter()
    for function in (read_header, decode_with_pillow):
        with pytest.raises(BadImage, match=r'^30,000×30,000 pixels, more than the .* 120,000,000: make it'):
            function(data)
    assert time.perf_counter() - started < 0.1  # decoding takes seconds


def test_large_pictures_of_other_formats(monkeypatch):
    gif = encoded(Image.new('P', (1, 1)), 'GIF')
    huge = gif[:6] + b'\xff\xff\xff\xff' + gif[10:]  # beyond Pillow's own limit too
    with pytest.raises(BadImage, match=r'^more pixels than the limit of 120,000,000: make it smaller$'):
        read_header(huge)
    monkeypatch.setattr(consts, 'MAX_IMAGE_PIXELS', WIDTH * HEIGHT - 1)
    for kind in ('PNG', 'GIF', 'WEBP', 'BMP', 'TIFF'):
        with pytest.raises(
            BadImage, match=f'^{WIDTH}×{HEIGHT} pixels, more than the limit of 6,143: make it'
        ):
            read_header(encoded(PHOTO, kind))


@pytest.mark.parametrize('orientation', [1, 6])
def test_a_jpeg_beyond_the_limit_is_decoded_at_half_its_size(orientation, monkeypatch):
    picture = photo(401, 301)
    whole = with_orientation(encoded(stored_for(picture, orientation), quality=95), orientation)
    wanted = decode_with_pillow(whole, ratio=2)
    assert wanted.shape == (151, 201, 3)
    monkeypatch.setattr(consts, 'PICTURE_BYTES', 301 * 401 * 15 // 4)
    assert read_header(whole).least_ratio == 2
    np.testing.assert_array_equal(decode_with_pillow(whole), wanted)
    assert decode_with_pillow(whole, ratio=4).shape == (76, 101, 3)
    monkeypatch.setattr(consts, 'MAX_IMAGE_PIXELS', 401 * 301 // 4 - 1)
    with pytest.raises(BadImage, match=r'^401×301 pixels, more than the limit of 120,696: make it smaller$'):
        decode_with_pillow(whole)


@pytest.mark.parametrize('orientation', [1, 6])
@pytest.mark.parametrize('ratio', [2, 8])
def test_other_formats_beyond_the_limit_are_reduced(orientation, ratio, monkeypatch):
    picture = photo(397, 301)
    stored = stored_for(picture, orientation)
    png = raw_png(np.dstack([stored, stored[..., 0]]), 6, png_chunk(b'eXIf', exif(orientation)))
    whole = Image.fromarray(decode_with_pillow(png))
    upside = {1: None, 6: Image.Transpose.ROTATE_90}[orientation]
    as_stored = whole.transpose(upside) if upside else whole
    wanted = np.asarray(as_stored.reduce(ratio))
    wanted = np.rot90(wanted, -1) if orientation == 6 else wanted
    monkeypatch.setattr(rgb, 'TILE_PIXELS', 4_000)
    np.testing.assert_array_equal(decode_with_pillow(png), np.asarray(whole))  # tiles change nothing
    monkeypatch.setattr(consts, 'PICTURE_BYTES', read_header(png).memory(ratio))
    assert read_header(png).least_ratio == ratio
    np.testing.assert_array_equal(decode_with_pillow(png), wanted)


def test_a_large_jpeg_whose_coefficients_take_too_much_memory_is_refused(monkeypatch):
    progressive = encoded(PHOTO, progressive=True, subsampling=0)
    assert read_header(progressive).kept == 6  # three samples of 16 bits
    assert read_header(encoded(PHOTO, progressive=True)).kept == 3
    monkeypatch.setattr(consts, 'PICTURE_BYTES', 6 * WIDTH * HEIGHT)
    with pytest.raises(
        BadImage, match=r'^96×64 pixels as JPEG take more than 0 MB of memory: make it smaller$'
    ):
        decode_with_pillow(progressive)
    decode_with_pillow(encoded(PHOTO, subsampling=0))


def test_a_photo_of_200_million_pixels_is_read():
    """More than Pillow opens by default; gray, so that it is created fast."""
    image = Image.new('L', (16_320, 12_240), 90)
    image.paste(200, (0, 0, 8_160, 12_240))
    pixels = decode_with_pillow(encoded(image))
    assert pixels.shape == (3_060, 4_080, 3)
    assert pixels[1_500, [10, 2_000, 2_100, 4_000], 0].tolist() == pytest.approx([200, 200, 90, 90], abs=2)


def test_quiet_and_without_tensorflow(tmp_path):
    """Pillow warns about large pictures and malformed tags; pytest would hide the warnings."""
    large = encoded(Image.new('1', (10_000, 10_000)), 'TIFF', compression='group4')
    odd = with_segment(JPEG, 0xE1, b'Exif\0\0' + exif(6)[:-20])
    (tmp_path / 'large').write_bytes(large)
    (tmp_path / 'odd').write_bytes(odd)
    code = """
import pathlib, sys
from src.images.decode import decode_with_pillow
from src.images.headers import read_header
print(read_header(pathlib.Path(sys.argv[1], 'large').read_bytes()).width)
print(decode_with_pillow(pathlib.Path(sys.argv[1], 'odd').read_bytes()).shape)
print('tensorflow' in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, '-c', code, tmp_path], capture_output=True, text=True, cwd=paths.CHECKOUT
    )
    assert done.stderr == ''
    assert done.stdout.splitlines() == ['10000', f'({HEIGHT}, {WIDTH}, 3)', 'False']


@pytest.mark.filterwarnings('ignore')
def test_hostile_bytes_raise_only_bad_image(monkeypatch):
    """2,000 variants with truncated, flipped or random bytes are decoded, or refused with BadImage."""
    monkeypatch.setattr(consts, 'MAX_IMAGE_PIXELS', 1_000_000)  # a flipped size would take long to fill
    rng = np.random.default_rng(20)
    small = photo(24, 16)
    palette = Image.fromarray(small).quantize(16)
    files = [
        with_orientation(encoded(small), 6),
        encoded(small, progressive=True, icc_profile=ICC[:300]),
        encoded(Image.fromarray(small).convert('CMYK')),
        encoded(small, 'MPO', save_all=True, append_images=[Image.fromarray(small)]),
        raw_png(small, 2, png_chunk(b'eXIf', exif(6))),
        encoded(palette, 'PNG', transparency=3),
        encoded(palette, 'GIF', save_all=True, append_images=[Image.fromarray(small)]),
        encoded(small, 'WEBP'),
        encoded(small, 'BMP'),
        encoded(small, 'TIFF', compression='tiff_lzw'),
    ]
    variants = []
    for data in files:
        variants += [data[:cut] for cut in rng.integers(0, len(data), 80)]
        for _ in range(100):
            broken = bytearray(data)
            span = len(data) if rng.random() < 0.3 else min(len(data), 160)  # headers, most of the time
            for at in rng.integers(0, span, rng.integers(1, 5)):
                broken[at] = rng.integers(256)
            variants.append(bytes(broken))
        variants += [data[:8] + rng.bytes(60) for _ in range(15)]
    variants += [rng.bytes(int(n)) for n in rng.integers(0, 200, 50)]

    refused = 0
    for data in variants:
        try:
            header = read_header(data)
            pixels = decode_with_pillow(data)
            half = header.least_ratio
            assert pixels.shape == (-(-header.height // half), -(-header.width // half), 3)
        except BadImage as error:
            refused += 1
            assert 0 < len(str(error)) < 80
    assert len(variants) == 2_000
    assert 800 < refused < 2_000


def test_encode_jpeg():
    data = encode_jpeg(PHOTO)
    assert read_header(data).plain
    assert_close(decode_with_pillow(data), PHOTO, most=40, mean=3)
    assert len(encode_jpeg(PHOTO, quality=50)) < len(data)
    assert Image.open(io.BytesIO(encode_jpeg(PHOTO[10:20, 5:50]))).size == (45, 10)
    with pytest.raises(BadImage, match='too long'):
        encode_jpeg(np.zeros((1, 70_000, 3), np.uint8))


def test_crop():
    np.testing.assert_array_equal(crop(PHOTO, (10, 20, 30, 50)), PHOTO[20:50, 10:30])
    np.testing.assert_array_equal(crop(PHOTO, (-5, -5, 9_999, 9_999)), PHOTO)
    np.testing.assert_array_equal(crop(PHOTO, (-5, 60, 10, 70)), PHOTO[60:, :10])


@pytest.mark.parametrize(
    'box', [(200, 0, 300, 10), (-20, 0, -5, 10), (0, 64, 10, 80), (30, 10, 30, 20), (30, 10, 20, 20)]
)
def test_crop_refuses_a_box_outside(box):
    with pytest.raises(BadImage, match=r'^the box \(.*\) lies outside the picture of 96×64 pixels$'):
        crop(PHOTO, box)
