"""Encoded bytes to upright 8-bit RGB: the one path that conversion, classify and serve share.

    if read_header(data).plain:            # nearly all: left to DecodeJpeg in the graph
        ...
    else:
        pixels = decode_with_pillow(data)  # [height, width, 3] uint8

Nothing here imports TensorFlow, and nothing raises for bad data but BadImage.
"""

from __future__ import annotations

import contextlib
import io
import threading

import numpy as np
from PIL import Image

from src.images.faults import BadImage, only_bad_image
from src.images.headers import check_size, opened, read_header

# Held while a JPEG beyond consts.MAX_IMAGE_PIXELS is decoded, so that threads do not add up their memory.
LARGE = threading.Lock()
MAX_JPEG_SIDE = 65_500  # libjpeg's limit

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


def decode_with_pillow(data: bytes, ratio: int = 1) -> np.ndarray:
    """The picture upright as [height, width, 3] uint8, whatever its kind: the first frame of an
    animation, transparent parts on white, 16 bits by their upper 8. The sides of a JPEG are divided
    by `ratio` (1, 2, 4 or 8) while it is decoded, and those of a very large one by its `least_ratio`.

    Raises BadImage as `read_header` does, and for data that is cut short or damaged.
    """
    header = read_header(data)
    orientation, large = header.orientation, header.least_ratio > 1
    ratio = max(ratio, header.least_ratio)
    one_at_a_time = LARGE if large else contextlib.nullcontext()
    with one_at_a_time, only_bad_image(data), opened(data, large) as image:
        check_size(*image.size, scalable=large)  # should Pillow see another size than we did
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
    if image.mode == 'RGB':  # `convert` would copy it
        return image
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
