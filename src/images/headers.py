"""Read the format, size and EXIF orientation of a picture from its first bytes.

    header = read_header(data)  # raises BadImage for other files, and for pictures with too many pixels

A picture is `plain` if TensorFlow's `DecodeJpeg` with channels=3 gives the same pixels as Pillow (decode.py):
exactly for PNG, and for JPEG too with dct_method='INTEGER_ACCURATE' (the op's default DCT is less precise,
off by one level on average). All other pictures are decoded by Pillow: those with an EXIF rotation, alpha,
CMYK or 16 bits, and formats that the op does not read.

"Upright" means rotated as its EXIF orientation says. Sizes in a header, and boxes of annotations, refer to
the upright picture. (Stanford Dogs is the data set here with boxes. Of 6,000 of its pictures none has an
EXIF rotation, so there the boxes fit either way.)

This module does not import TensorFlow. For bad data it raises BadImage only.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from src.common import consts
from src.images.faults import (
    JPEG_START,
    PNG_START,
    START_BYTES,
    BadImage,
    check_start,
    only_bad_image,
    reads_avif,
)

# Only these: Pillow also opens formats for which it starts other programs (EPS).
# JPEG includes MPO, several JPEGs in one file, which many phones write as .jpg: the first is taken.
FORMATS = ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF')  # and AVIF, if this Pillow reads it

LARGE_RATIO = 2  # JPEGs beyond the limit are decoded with their sides divided by this

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame; holds the size
_HUFFMAN_SOF_MARKERS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; some decoders read no others
_SEQUENTIAL_SOF_MARKERS = (0xC0, 0xC1)
_BARE_MARKERS = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))  # without a length; 0x00 is an escape
_EOI, _SOS, _APP1 = 0xD9, 0xDA, 0xE1

_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by color type

_ORIENTATION_TAG, _SHORT = 0x0112, 3

# Pillow warns on standard error about every malformed tag, and about large pictures, for which
# consts.MAX_IMAGE_PIXELS is the limit here. Set globally, as warnings.catch_warnings is not thread-safe.
warnings.filterwarnings('ignore', module=r'PIL\.')
logging.getLogger('PIL').addHandler(logging.NullHandler())


class Header(NamedTuple):
    """Facts from the first bytes of a picture."""

    format: str  # one of FORMATS
    width: int  # upright
    height: int
    plain: bool  # DecodeJpeg with channels=3 gives the same pixels as Pillow
    orientation: int = 1  # EXIF: 1 is upright as stored, 2 to 8 are rotated or mirrored
    # Whether it is a JPEG that is decoded row by row, which at half its size takes a quarter of the memory.
    scalable: bool = False

    @property
    def least_ratio(self) -> int:
        """The least ratio at which the decoded picture is within consts.MAX_IMAGE_PIXELS."""
        return 1 if self.width * self.height <= consts.MAX_IMAGE_PIXELS else LARGE_RATIO


def read_header(data: bytes) -> Header:
    """Read the header of an encoded picture without decoding its pixels.

    JPEG and PNG take microseconds, as they are parsed here; Pillow reads the headers of the other formats.
    Raises BadImage when the data is not a picture of FORMATS or has more than consts.MAX_IMAGE_PIXELS pixels
    (LARGE_RATIO² times as many for a JPEG that can be decoded at half its size).
    """
    check_start(data[:START_BYTES])
    with only_bad_image(data):
        if data.startswith(JPEG_START):
            header = _jpeg_header(data)
        elif data.startswith(PNG_START):
            header = _png_header(data)
        else:
            header = _other_header(data)
    check_size(header.width, header.height, header.scalable)
    return header


def check_size(width: int, height: int, scalable: bool = False) -> None:
    """Raise BadImage for a picture without pixels, or with more than `read_header` accepts."""
    if width < 1 or height < 1:
        raise BadImage('damaged')
    limit = consts.MAX_IMAGE_PIXELS
    most = limit * LARGE_RATIO**2 if scalable else limit
    if width * height > most:
        raise BadImage(f'{width:,}×{height:,} pixels, more than the limit of {most:,}: make it smaller')


def opened(data: bytes) -> Image.Image:
    """Open a picture of FORMATS in Pillow, not yet decoded."""
    if data.startswith(JPEG_START):  # `Image.open` imports five plugins, and has its own limit of pixels
        return JpegImageFile(io.BytesIO(data))
    try:
        return Image.open(io.BytesIO(data), formats=(*FORMATS, *(('AVIF',) if reads_avif() else ())))
    except UnidentifiedImageError as error:
        raise ValueError('unidentified') from error  # Pillow's message holds a memory address


def _header(
    kind: str, width: int, height: int, plain: bool, orientation: int, scalable: bool = False
) -> Header:
    if orientation >= 5:  # these swap width and height
        width, height = height, width
    return Header(kind, width, height, plain and orientation == 1, orientation, scalable)


def _jpeg_header(data: bytes) -> Header:
    """Read the segments up to the first scan; EXIF may be anywhere before it.

    TensorFlow and Pillow use the same library for JPEG and leave the color space of three components to it,
    so they agree on all of them. Four components they invert by different rules.
    """
    at, frame, orientation, in_first_scan = 2, None, None, 0
    try:
        while True:
            at = data.index(b'\xff', at)  # all decoders skip stray bytes between segments
            marker = data[at + 1]
            if marker == 0xFF:  # padding
                at += 1
                continue
            if marker in _BARE_MARKERS:
                at += 2
                continue
            if marker in (_SOS, _EOI):
                in_first_scan = data[at + 4] if marker == _SOS else 0
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
    # With several scans, as in every progressive JPEG, the decoder keeps all coefficients in memory.
    scalable = sof in _SEQUENTIAL_SOF_MARKERS and bits == 8 and in_first_scan == components
    return _header('JPEG', width, height, plain, orientation or 1, scalable)


def _png_header(data: bytes) -> Header:
    """Read the chunks up to the first with pixels."""
    try:
        length, name, width, height, depth, color = struct.unpack_from('>I4sIIBB', data, 8)
        if (length, name) != (13, b'IHDR') or depth not in _PNG_DEPTHS.get(color, ()):
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
    return _header('PNG', width, height, depth == 8 and color in (0, 2) and not transparent, orientation)


def _other_header(data: bytes) -> Header:
    with opened(data) as image:
        # Pillow rotates TIFF by itself, and gives the size after that.
        exif = image.info.get('exif', b'') if image.format != 'TIFF' else b''
        return _header(image.format, *image.size, False, _exif_orientation(exif.removeprefix(b'Exif\0\0')))


def _exif_orientation(tiff: bytes) -> int:
    """Orientation 1 to 8 from an EXIF block; 1 when it is missing or invalid.

    The copy of it in XMP is ignored. Browsers do the same in both cases.
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
    except struct.error:  # fewer entries than the count says
        pass
    return 1
