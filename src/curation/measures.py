"""What is measured of one picture: eight numbers and a gray thumbnail, from one decoding.

Sharpness, brightness, entropy and colorfulness are those of the picture scaled down to at most `SIDE` pixels:
they would depend on the size otherwise, and a photo of a phone would take a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from src.common.files import human_size
from src.images.decode import decode_with_pillow
from src.images.headers import Header, read_header

SIDE = 256  # of the pictures that are measured, in pixels, at most
THUMBNAIL = 64  # side of the thumbnails, in pixels
RATIOS = (8, 4, 2)  # by which libjpeg divides the sides while it decodes


@dataclass(frozen=True)
class Measure:
    """One number about a picture.

    text: writes a value for people.
    skewed: whether values spread by factors (sizes) rather than by differences; its logarithm is compared.
    least_spread: an interquartile range below this counts as this, so that in a data set of equal pictures
        the next pixel is not odd; of a skewed measure in natural logarithms, about a share.
    """

    name: str
    text: Callable[[float], str]
    skewed: bool = False
    least_spread: float = 0.1


def _pixels(value: float) -> str:
    return f'{value:,.0f} pixels'


def _number(value: float) -> str:
    return f'{value:,.3g}' if abs(value) < 100 else f'{value:,.0f}'


MEASURES = (
    Measure('file size', human_size, skewed=True),
    Measure('width', _pixels, skewed=True),
    Measure('height', _pixels, skewed=True),
    Measure('bytes per pixel', _number, skewed=True),
    Measure('entropy', lambda value: f'{value:.2f} bits'),  # of 8
    Measure('sharpness', _number, skewed=True),
    Measure('brightness', _number, least_spread=5),  # of 255
    Measure('colorfulness', _number, least_spread=2),
)


def measured(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Measure an encoded picture.

    Returns its MEASURES [8] float32, and a gray thumbnail [THUMBNAIL, THUMBNAIL] uint8, which is stretched to
    a square. Raises BadImage.
    """
    header = read_header(data)
    image = Image.fromarray(decode_with_pillow(data, _ratio(header), header))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    gray = image.convert('L')
    pixels = header.width * header.height
    sizes = len(data), header.width, header.height, len(data) / pixels
    looks = gray.entropy(), sharpness(gray), np.asarray(gray).mean(), colorfulness(image)
    thumbnail = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return np.array([*sizes, *looks], np.float32), np.asarray(thumbnail)


def sharpness(gray: Image.Image) -> float:
    """The variance of the Laplacian of a gray picture: low for a blurred one (Pech-Pacheco et al. 2000,
    "Diatom autofocusing in brightfield microscopy", https://doi.org/10.1109/ICPR.2000.903548)."""
    pixels = np.pad(np.asarray(gray, np.int16), 1, mode='edge')
    inner = pixels[1:-1, 1:-1]
    around = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float((around - 4 * inner).var(dtype=np.float32))


def colorfulness(image: Image.Image) -> float:
    """How colorful a picture is: 0 is gray, above 80 is highly colorful (Hasler and Süsstrunk 2003,
    "Measuring colourfulness in natural images", https://doi.org/10.1117/12.477378)."""
    red, green, blue = np.moveaxis(np.asarray(image, np.float32), 2, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _ratio(header: Header) -> int:
    """The ratio at which a JPEG is decoded: it stays larger than what is measured."""
    if header.format != 'JPEG':
        return 1
    longer = max(header.width, header.height)
    return next((ratio for ratio in RATIOS if longer // ratio >= 2 * SIDE), 1)
