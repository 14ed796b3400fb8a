"""What the first bytes of a picture say of it.

    header = read_header(data)  # refuses what is no picture, or too large a one

`plain` pictures are those for which TensorFlow's `DecodeJpeg` with channels=3 gives what Pillow gives
(decode.py): exactly for PNG, and for JPEG too with dct_method='INTEGER_ACCURATE' (the op's default is a
coarser transform, off by one level in the mean). Everything else needs what only Pillow does here:
turning by EXIF, alpha, CMYK, 16 bits, and formats that the op does not read.

"Upright" is the picture as people see it. Sizes in a header, and boxes of annotations, refer to the
upright picture. (None of 6,000 Stanford Dogs, the data set here with boxes, is to be turned, so there
the two readings agree.)

Nothing here imports TensorFlow, and nothing raises for bad data but BadImage.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from src.common import consts
from src.images.faults import (
    JPEG_START,
    PNG_START,
    READS_AVIF,
    START_BYTES,
    BadImage,
    check_start,
    only_bad_image,
)

# Never more than these: Pillow also opens formats for which it starts other programs (EPS).
# What many phones write into .jpg, several JPEGs in one file (MPO), is among JPEG: the first is taken.
FORMATS = ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', *(('AVIF',) if READS_AVIF else ()))

LARGE_RATIO = 2  # JPEGs beyond the limit are decoded with their sides divided by this

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame: the size is there
_HUFFMAN_SOF_MARKERS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; not every decoder has the rest
_SEQUENTIAL_SOF_MARKERS = (0xC0, 0xC1)
_BARE_MARKERS = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))  # no length follows; 0x00 is no marker at all
_EOI, _SOS, _APP1 = 0xD9, 0xDA, 0xE1

_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type

_ORIENTATION_TAG, _SHORT = 0x0112, 3

# A million photos hold thousands of odd tags, and Pillow has a line on standard error for each.
# Set once, as catching warnings around each call would not be safe in threads. Its warning of large
# pictures is among them; the limit that counts is consts.MAX_IMAGE_PIXELS.
warnings.filterwarnings('ignore', module=r'PIL\.')
logging.getLogger('PIL').addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Header:
    """What the first bytes say of a picture."""

    format: str  # one of FORMATS
    width: int  # upright
    height: int
    plain: bool  # DecodeJpeg with channels=3 gives the right pixels
    orientation: int = 1  # EXIF: 1 as stored, 2 to 8 to be turned
    # A JPEG that is decoded row by row: at half its size it needs a quarter of the memory.
    scalable: bool = False

    @property
    def least_ratio(self) -> int:
        """The number that decoding must divide the sides by to stay within consts.MAX_IMAGE_PIXELS."""
        return 1 if self.width * self.height <= consts.MAX_IMAGE_PIXELS else LARGE_RATIO


def read_header(data: bytes) -> Header:
    """Format, upright size and whether TensorFlow's decoder will do, without decoding anything.

    Takes microseconds for JPEG and PNG, which are read here; Pillow reads the header of the rest.
    Raises BadImage for what is no picture of FORMATS, and for more than consts.MAX_IMAGE_PIXELS; of a JPEG
    that can be decoded at half its size, LARGE_RATIO² times as many.
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
    """Raises BadImage for no pixels, and for more than `read_header` takes."""
    if width < 1 or height < 1:
        raise BadImage('damaged')
    limit = consts.MAX_IMAGE_PIXELS
    most = limit * LARGE_RATIO**2 if scalable else limit
    if width * height > most:
        raise BadImage(f'{width:,}×{height:,} pixels, more than the limit of {most:,}: make it smaller')


def opened(data: bytes, large: bool = False) -> Image.Image:
    """A picture of FORMATS in Pillow, not decoded yet; `large` for a JPEG beyond Pillow's own limit."""
    try:
        if large:
            return JpegImageFile(io.BytesIO(data))
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError('unidentified') from error  # Pillow's own text holds the stream's address


def _header(
    kind: str, width: int, height: int, plain: bool, orientation: int, scalable: bool = False
) -> Header:
    if orientation >= 5:  # those that swap the sides
        width, height = height, width
    return Header(kind, width, height, plain and orientation == 1, orientation, scalable)


def _jpeg_header(data: bytes) -> Header:
    """Reads the segments up to the first scan, as EXIF may stand anywhere before it.

    TensorFlow and Pillow decode by the same library and leave to it which colours three components
    hold (JFIF, Adobe and component names tell), so they agree on all of them. Four components they
    invert by different rules.
    """
    at, frame, orientation, in_first_scan = 2, None, None, 0
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
    # With several scans (as all progressive ones have) the decoder holds all coefficients at once.
    scalable = sof in _SEQUENTIAL_SOF_MARKERS and bits == 8 and in_first_scan == components
    return _header('JPEG', width, height, plain, orientation or 1, scalable)


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
    with opened(data) as image:
        # Pillow turns TIFF by itself, and gives the size after that.
        exif = image.info.get('exif', b'') if image.format != 'TIFF' else b''
        return _header(image.format, *image.size, False, _exif_orientation(exif.removeprefix(b'Exif\0\0')))


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
