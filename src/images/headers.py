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
import warnings

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
from src.images.formats import avif, gif, jpeg, other, png, tiff
from src.images.formats.header import Header

# Only these: Pillow also opens formats for which it starts other programs (EPS).
# JPEG includes MPO, several JPEGs in one file, which many phones write as .jpg: the first is taken.
FORMATS = ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF')  # and AVIF, if this Pillow reads it

MAX_SIDE = 65_500  # libjpeg's limit; resizing holds rows of the full width of all other pictures too
LARGE_JPEG = 4  # a JPEG may have so many times the pixels of other pictures, as libjpeg divides its sides

# Pillow warns on standard error about every malformed tag, and about large pictures, for which
# consts.MAX_IMAGE_PIXELS is the limit here. Set globally, as warnings.catch_warnings is not thread-safe.
warnings.filterwarnings('ignore', module=r'PIL\.')
logging.getLogger('PIL').addHandler(logging.NullHandler())


def read_header(data: bytes) -> Header:
    """Read the header of an encoded picture without decoding its pixels.

    JPEG and PNG take microseconds, as they are parsed here; Pillow reads the headers of the other formats.
    Raises BadImage when the data is not a picture of FORMATS, and for one that would take too long or too
    much memory to decode (`check`).
    """
    check_start(data[:START_BYTES])
    with only_bad_image(data):
        if data.startswith(JPEG_START):
            header = jpeg.read(data)
        elif data.startswith(PNG_START):
            header = png.read(data)
        else:
            with opened(data) as image:
                header = other.read(image, data)
    check(header)
    return header


def check(header: Header) -> None:
    """Raise BadImage for a picture without pixels, with a side of more than MAX_SIDE, with more than
    consts.MAX_IMAGE_PIXELS (LARGE_JPEG times as many for a JPEG), or that takes more than
    consts.PICTURE_BYTES or consts.PICTURE_SECONDS to decode."""
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise BadImage('damaged')
    most = consts.MAX_IMAGE_PIXELS * (LARGE_JPEG if header.format == 'JPEG' else 1)
    if width * height > most:
        raise BadImage(f'{width:,}×{height:,} pixels, more than the limit of {most:,}: make it smaller')
    if max(width, height) > MAX_SIDE:
        raise BadImage(f'{width:,}×{height:,} pixels, a side of more than {MAX_SIDE:,}: make it smaller')
    if header.memory(header.least_ratio) > consts.PICTURE_BYTES:
        megabytes = consts.PICTURE_BYTES // 1_000_000
        raise BadImage(
            f'{width:,}×{height:,} pixels as {header.format} take more than {megabytes:,} MB of memory: '
            'make it smaller'
        )
    if header.seconds > consts.PICTURE_SECONDS:
        raise BadImage(f'it takes more than {consts.PICTURE_SECONDS} seconds to decode: make it smaller')


def opened(data: bytes, heavy: bool = False) -> Image.Image:
    """Open a picture of FORMATS in Pillow, not yet decoded. `heavy`: as the header says.

    A JPEG or PNG is not checked here: `read_header` does that.
    """
    if data.startswith(JPEG_START):  # `Image.open` imports five plugins, and has its own limit of pixels
        return JpegImageFile(io.BytesIO(jpeg.without_metadata(data)))
    if data.startswith(PNG_START):
        data = png.without_metadata(data) if heavy else data
    elif data.startswith(b'GIF'):
        data = gif.without_extensions(data)
    elif data.startswith((b'II', b'MM')):
        tiff.check(data)
    elif data[4:8] == b'ftyp':
        data = avif.without_exif(data)
    try:
        return Image.open(io.BytesIO(data), formats=(*FORMATS, *(('AVIF',) if reads_avif() else ())))
    except UnidentifiedImageError as error:
        raise ValueError('unidentified') from error  # Pillow's message holds a memory address
