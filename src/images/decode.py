"""Decode any picture to upright 8-bit RGB with Pillow; conversion, classify and serve share this path.

    header = read_header(data)
    if header.plain:                       # nearly all pictures: DecodeJpeg in the graph decodes them
        ...
    else:
        pixels = decode_with_pillow(data)  # [height, width, 3] uint8

This module does not import TensorFlow. For bad data it raises BadImage only.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager

import numpy as np
from PIL import Image

from src.common import consts
from src.common.process.budget import Budget
from src.images.faults import BadImage, only_bad_image
from src.images.formats.header import COLUMN, Header
from src.images.formats.rgb import upright_rgb
from src.images.headers import opened, read_header

MAX_JPEG_SIDE = 65_500  # libjpeg's limit
# The memory of all pictures that are decoded and resized in this process.
DECODING = Budget(consts.DECODING_BYTES, consts.PICTURE_BYTES)


def charged(header: Header, ratio: int = 1) -> AbstractContextManager[None]:
    """Inside, the memory that the picture takes at a ratio is held in the budget of this process; waits for
    others to give theirs back. Inside another `charged` of the same thread it does nothing."""
    ratio = max(ratio, header.least_ratio)
    return DECODING.held(max(header.memory(ratio), COLUMN * header.width // ratio), header.seconds)


def decode_with_pillow(data: bytes, ratio: int = 1, header: Header | None = None) -> np.ndarray:
    """Decode an encoded picture of any supported format to upright [height, width, 3] uint8.

    Of an animation the first frame is taken; transparent parts become white; 16-bit values keep their upper
    8 bits. The sides of a JPEG are divided by `ratio` (1, 2, 4 or 8) while it is decoded. The sides of any
    picture are divided by the header's `least_ratio` if that is larger: those of other formats once they are
    decoded. `header` is that of `read_header(data)`, if it is known already.
    Raises BadImage as `read_header` does, and for data that is truncated or damaged.
    """
    header = header or read_header(data)
    jpeg = header.format == 'JPEG'
    ratio = max(ratio if jpeg else 1, header.least_ratio)
    with charged(header, ratio), only_bad_image(data), opened(data, header.heavy) as image:
        if {*image.size} != {header.width, header.height}:  # Pillow reads another size than `read_header`
            raise BadImage('damaged')
        if jpeg and ratio > 1:
            image.draft(image.mode, (image.width // ratio, image.height // ratio))
        image.load()
        return upright_rgb(image, header.orientation, 1 if jpeg else ratio)


def encode_jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    """Encode [height, width, 3] uint8 as JPEG, for crops and augmented copies. Raises BadImage."""
    if max(pixels.shape) > MAX_JPEG_SIDE:
        raise BadImage(f'a side of more than {MAX_JPEG_SIDE:,} pixels, too long for JPEG')
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'JPEG', quality=quality)
    return stream.getvalue()


def crop(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part of the upright picture [height, width, 3] inside `box`, as a view.

    `box` is (xmin, ymin, xmax, ymax) in pixels from the upper left corner, xmax and ymax not included. It
    is clipped to the picture. Raises BadImage when it lies outside.
    """
    height, width = pixels.shape[:2]
    xmin, ymin, xmax, ymax = box = tuple(int(side) for side in box)  # no NumPy numbers in the message
    inside = pixels[max(ymin, 0) : max(ymax, 0), max(xmin, 0) : max(xmax, 0)]
    if not inside.size:
        raise BadImage(f'the box {box} lies outside the picture of {width:,}×{height:,} pixels')
    return inside
