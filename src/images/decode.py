"""Decode any picture to upright 8-bit RGB with Pillow; conversion, classify and serve share this path.

    header = read_header(data)
    if header.plain:                       # nearly all pictures: DecodeJpeg in the graph decodes them
        ...
    else:
        pixels = decode_with_pillow(data)  # [height, width, 3] uint8

This module does not import TensorFlow. For bad data it raises BadImage only.
"""

from __future__ import annotations

import contextlib
import io
import threading

import numpy as np
from PIL import Image

from src.images.faults import BadImage, only_bad_image
from src.images.headers import Header, check_size, opened, read_header

# Held while a JPEG beyond consts.MAX_IMAGE_PIXELS is decoded: only one at a time is in memory.
LARGE = threading.Lock()
MAX_JPEG_SIDE = 65_500  # libjpeg's limit

# The transposition that makes the stored picture upright, by EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_with_pillow(data: bytes, ratio: int = 1, header: Header | None = None) -> np.ndarray:
    """Decode an encoded picture of any supported format to upright [height, width, 3] uint8.

    Of an animation the first frame is taken; transparent parts become white; 16-bit values keep their upper
    8 bits. The sides of a JPEG are divided by `ratio` (1, 2, 4 or 8) while it is decoded, or by the
    header's `least_ratio` if that is larger. `header` is that of `read_header(data)`, if it is known already.
    Raises BadImage as `read_header` does, and for data that is truncated or damaged.
    """
    header = header or read_header(data)
    orientation, large = header.orientation, header.least_ratio > 1
    ratio = max(ratio, header.least_ratio)
    one_at_a_time = LARGE if large else contextlib.nullcontext()
    with one_at_a_time, only_bad_image(data), opened(data) as image:
        check_size(*image.size, scalable=large)  # in case Pillow reads another size than `read_header`
        if ratio > 1:
            image.draft(image.mode, (image.width // ratio, image.height // ratio))
        image.load()
        rgb = _to_rgb(image)
        return np.array(rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb)


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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to 8-bit RGB."""
    if image.mode.startswith('I;16'):
        return _from_16_bit(image)
    if image.mode in ('I', 'F'):
        return _from_32_bit(image)
    if image.has_transparency_data:
        image = image.convert('RGBA')
        on_white = Image.new('RGB', image.size, 'white')
        on_white.paste(image, mask=image.getchannel('A'))
        return on_white
    if image.mode == 'LAB':
        raise BadImage('Lab colors, which are not read: save it as RGB')
    if image.mode == 'RGB':  # `convert` would copy it
        return image
    return image.convert('RGB')  # Pillow has already inverted the CMYK that Adobe stores inverted


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Convert 16-bit gray by its upper 8 bits, as Pillow converts 16-bit RGB; `convert` would clip at 255."""
    wide = np.asarray(image)
    gray = (wide >> 8).astype(np.uint8)
    transparent = image.info.get('transparency')
    if transparent is not None:
        gray[wide == transparent] = 255
    return Image.fromarray(gray).convert('RGB')


def _from_32_bit(image: Image.Image) -> Image.Image:
    """Convert 32-bit gray, which has no standard range: values from 0 to 1, or from 0 to 255, are black to
    white; other values are scaled from the lowest to the highest."""
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if image.mode == 'F' and high <= 1 else 255.0
    gray = (values - low) * (255 / (high - low or 1)) + 0.5
    return Image.fromarray(gray.clip(0, 255).astype(np.uint8)).convert('RGB')
