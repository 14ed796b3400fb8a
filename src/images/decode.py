"""Encoded bytes to upright 8-bit RGB: the one path that conversion, classify and serve share.

    header = read_header(data)             # refuses what is no picture, or too large a one
    if header.plain:                       # nearly all: left to DecodeJpeg in the graph
        ...
    else:
        pixels = decode_with_pillow(data)  # [height, width, 3] uint8

The header alone decides. `plain` pictures are those for which TensorFlow's `DecodeJpeg` with
channels=3 gives what `decode_with_pillow` gives: exactly for PNG, and for JPEG too with
dct_method='INTEGER_ACCURATE' (the op's default is a coarser transform, off by one level in
the mean). Everything else needs what only Pillow does here: turning by EXIF, alpha, CMYK, 16 bits,
and formats that the op does not read.

"Upright" is the picture as people see it. Sizes in a header, and boxes of annotations, refer to the
upright picture. (None of 6,000 Stanford Dogs, the data set here with boxes, is to be turned, so there
the two readings agree.)

Nothing here imports TensorFlow, and nothing raises for bad data but BadImage.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from src.common import consts

# Never more than these: Pillow also opens formats for which it starts other programs (EPS).
# What many phones write into .jpg, several JPEGs in one file (MPO), is among JPEG: the first is taken.
FORMATS = ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF')
ENDINGS = ('.jpg', '.jpeg', '.jpe', '.png', '.gif', '.webp', '.bmp', '.tif', '.tiff')  # of their files
MAX_JPEG_SIDE = 65_500  # libjpeg's limit

_JPEG_START = b'\xff\xd8\xff'
_PNG_START = b'\x89PNG\r\n\x1a\n'
_STARTS = (_JPEG_START, _PNG_START, b'GIF8', b'RIFF', b'BM', b'II*\0', b'MM\0*')

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame: the size is there
_HUFFMAN_SOF_MARKERS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; not every decoder has the rest
_BARE_MARKERS = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))  # no length follows; 0x00 is no marker at all
_EOI, _SOS, _APP1 = 0xD9, 0xDA, 0xE1

_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type

_ORIENTATION_TAG, _SHORT = 0x0112, 3
# What makes the stored picture upright, by EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A million photos hold thousands of odd tags, and Pillow has a line on standard error for each.
# Set once, as catching warnings around each call would not be safe in threads. Its warning of large
# pictures is among them; the limit that counts is consts.MAX_IMAGE_PIXELS.
warnings.filterwarnings('ignore', module=r'PIL\.')
logging.getLogger('PIL').addHandler(logging.NullHandler())


class BadImage(Exception):
    """Why these bytes give no picture: one short reason for a human, such as 'truncated'."""


@dataclass(frozen=True)
class Header:
    """What the first bytes say of a picture."""

    format: str  # 'JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF'
    width: int  # upright
    height: int
    plain: bool  # DecodeJpeg with channels=3 gives the right pixels
    orientation: int = 1  # EXIF: 1 as stored, 2 to 8 to be turned


def read_header(data: bytes) -> Header:
    """Format, upright size and whether TensorFlow's decoder will do, without decoding anything.

    Takes microseconds for JPEG and PNG, which are read here; Pillow reads the header of the rest.
    Raises BadImage for what is no picture of FORMATS and for more than consts.MAX_IMAGE_PIXELS.
    """
    if not data:
        raise BadImage('empty file')
    with _only_bad_image(data):
        if data.startswith(_JPEG_START):
            header = _jpeg_header(data)
        elif data.startswith(_PNG_START):
            header = _png_header(data)
        else:
            header = _other_header(data)
    _check_size(header.width, header.height)
    return header


def decode_with_pillow(data: bytes, ratio: int = 1) -> np.ndarray:
    """The picture upright as [height, width, 3] uint8, whatever its kind: the first frame of an
    animation, transparent parts on white, 16 bits by their upper 8. The sides of a JPEG are divided
    by `ratio` (1, 2, 4 or 8) while it is decoded.

    Raises BadImage as `read_header` does, and for data that is cut short or damaged.
    """
    orientation = read_header(data).orientation
    with _only_bad_image(data), _opened(data) as image:
        _check_size(*image.size)  # should Pillow see another size than we did
        if ratio > 1:
            image.draft(image.mode, (image.width // ratio, image.height // ratio))
        image.load()
        rgb = _to_rgb(image)
        return np.array(rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb)


def encode_jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    """[height, width, 3] uint8 as JPEG, for crops and augmented copies."""
    if max(pixels.shape) > MAX_JPEG_SIDE:
        raise BadImage(f'a side of more than {MAX_JPEG_SIDE:,} pixels, too long for JPEG')
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'JPEG', quality=quality)
    return stream.getvalue()


def crop(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part of the upright picture inside `box`, as a view.

    `box` is (xmin, ymin, xmax, ymax) in pixels from the upper left corner, xmax and ymax not
    included; what reaches beyond the picture is cut off. Raises BadImage if nothing is left.
    """
    height, width = pixels.shape[:2]
    xmin, ymin, xmax, ymax = box = tuple(int(side) for side in box)  # NumPy's would show in the message
    inside = pixels[max(ymin, 0) : max(ymax, 0), max(xmin, 0) : max(xmax, 0)]
    if not inside.size:
        raise BadImage(f'the box {box} lies outside the picture of {width:,}×{height:,} pixels')
    return inside


@contextlib.contextmanager
def _only_bad_image(data: bytes) -> Iterator[None]:
    """Turn whatever a parser stumbles over into BadImage with a short reason."""
    try:
        yield
    except BadImage:
        raise
    except Exception as error:  # Pillow raises nearly every kind there is, and so do damaged headers
        raise BadImage(_reason(error, data)) from error


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, Image.DecompressionBombError):  # more than 178 million pixels
        return f'more pixels than the limit of {consts.MAX_IMAGE_PIXELS:,}'
    if data[4:8] == b'ftyp':  # what iPhones write; worth its own words
        return 'HEIC or AVIF, which is not read: save it as JPEG'
    if not data.startswith(_STARTS):
        return 'not an image'
    if isinstance(error, MemoryError):
        return 'not enough memory to decode it'
    if 'truncated' in str(error).lower() or _cut_short(data):
        return 'truncated'
    return 'damaged'


def _cut_short(data: bytes) -> bool:
    """Whether fewer bytes are there than WebP and BMP say of themselves."""
    if data.startswith(b'RIFF'):
        return len(data) < 8 or len(data) < 8 + struct.unpack_from('<I', data, 4)[0]
    if data.startswith(b'BM'):
        return len(data) < 6 or len(data) < struct.unpack_from('<I', data, 2)[0]
    return False


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise BadImage('damaged')
    if width * height > consts.MAX_IMAGE_PIXELS:
        raise BadImage(f'{width:,}×{height:,} pixels, more than the limit of {consts.MAX_IMAGE_PIXELS:,}')


def _header(kind: str, width: int, height: int, plain: bool, orientation: int) -> Header:
    if orientation >= 5:  # those that swap the sides
        width, height = height, width
    return Header(kind, width, height, plain and orientation == 1, orientation)


def _jpeg_header(data: bytes) -> Header:
    """Reads the segments up to the first scan, as EXIF may stand anywhere before it.

    TensorFlow and Pillow decode by the same library and leave to it which colours three components
    hold (JFIF, Adobe and component names tell), so they agree on all of them. Four components they
    invert by different rules.
    """
    at, frame, orientation = 2, None, None
    try:
        while True:
            at = data.index(b'\xff', at)  # stray bytes between segments are passed over by all decoders
            marker = data[at + 1]
            if marker == 0xFF:  # padding
                at += 1
                continue
            if marker in _BARE_MARKERS:
                at += 2
                continue
            if marker in (_SOS, _EOI):
                break
            if marker in _SOF_MARKERS:
                frame = marker, *struct.unpack_from('>BHHB', data, at + 4)
            elif marker == _APP1 and orientation is None and data[at + 4 : at + 10] == b'Exif\0\0':
                orientation = _exif_orientation(data[at + 10 : at + 2 + (data[at + 2] << 8 | data[at + 3])])
            at += 2 + max(2, data[at + 2] << 8 | data[at + 3])
    except (IndexError, ValueError, struct.error):
        raise BadImage('truncated') from None
    if frame is None:
        raise BadImage('damaged')
    sof, bits, height, width, components = frame
    plain = sof in _HUFFMAN_SOF_MARKERS and bits == 8 and components in (1, 3)
    return _header('JPEG', width, height, plain, orientation or 1)


def _png_header(data: bytes) -> Header:
    """Reads the chunks up to the first with pixels."""
    try:
        length, name, width, height, depth, colour = struct.unpack_from('>I4sIIBB', data, 8)
        if (length, name) != (13, b'IHDR') or depth not in _PNG_DEPTHS.get(colour, ()):
            raise BadImage('damaged')
        at, transparent, orientation = 33, False, 1
        while True:
            length, name = struct.unpack_from('>I4s', data, at)
            if name == b'IDAT':
                break
            if name == b'tRNS':
                transparent = True
            elif name == b'eXIf':
                orientation = _exif_orientation(data[at + 8 : at + 8 + length])
            at += 12 + length
    except struct.error:
        raise BadImage('truncated') from None
    return _header('PNG', width, height, depth == 8 and colour in (0, 2) and not transparent, orientation)


def _other_header(data: bytes) -> Header:
    with _opened(data) as image:
        # Pillow turns TIFF by itself, and gives the size after that.
        exif = image.info.get('exif', b'') if image.format != 'TIFF' else b''
        return _header(image.format, *image.size, False, _exif_orientation(exif.removeprefix(b'Exif\0\0')))


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError('unidentified') from error  # Pillow's own text holds the stream's address


def _exif_orientation(tiff: bytes) -> int:
    """Orientation 1 to 8 from an EXIF block; 1 where it says nothing sensible, as browsers do.

    XMP's copy of it is not looked at, again as browsers do.
    """
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + 'I', tiff, 4)
        (count,) = struct.unpack_from(order + 'H', tiff, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + 'HHIH', tiff, entry)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:  # fewer entries than it claims
        pass
    return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB from any mode that FORMATS give, not yet turned."""
    if image.mode.startswith('I;16'):
        return _from_16_bit(image)
    if image.mode in ('I', 'F'):
        return _from_measurements(image)
    if image.has_transparency_data:
        image = image.convert('RGBA')
        on_white = Image.new('RGB', image.size, 'white')
        on_white.paste(image, mask=image.getchannel('A'))
        return on_white
    if image.mode == 'LAB':
        raise BadImage('Lab colours, which are not read: save it as RGB')
    return image.convert('RGB')  # Pillow has already turned Adobe's inverted CMYK the right way round


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Grey by its upper 8 bits, as Pillow takes RGB of 16 bits; its `convert` would clip at 255."""
    wide = np.asarray(image)
    grey = (wide >> 8).astype(np.uint8)
    transparent = image.info.get('transparency')
    if transparent is not None:
        grey[wide == transparent] = 255
    return Image.fromarray(grey).convert('RGB')


def _from_measurements(image: Image.Image) -> Image.Image:
    """32-bit numbers, for which no range is agreed on: 0 to 1 is taken as black to white, so is 0 to
    255, and anything else from the lowest to the highest."""
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if image.mode == 'F' and high <= 1 else 255.0
    grey = (values - low) * (255 / (high - low or 1)) + 0.5
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert('RGB')
