"""From what Pillow has decoded to upright 8-bit RGB. Large pictures are converted in tiles, so that only the
result is held beside the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from src.images.faults import BadImage

TILE_PIXELS, TILE_WIDTH = 1 << 18, 1 << 15  # at most, for one tile; its sides are multiples of all ratios

Converter = Callable[[Image.Image], Image.Image]


def upright_rgb(image: Image.Image, orientation: int, ratio: int = 1) -> np.ndarray:
    """The pixels [height, width, 3] uint8 of a decoded picture in any mode of Pillow.

    orientation: of EXIF. ratio: the sides are divided by it (rounded up), each pixel the mean of a square.
    """
    if image.mode == 'RGB' and ratio == orientation == 1 and not image.has_transparency_data:
        return np.array(image)  # which holds less than resizing does
    width, height = (-(-side // ratio) for side in image.size)
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = _as_stored(upright, orientation)
    convert = _converter(image)
    for left, top, tile in _tiles(image):
        rgb = convert(tile)
        rgb = rgb.reduce(ratio) if ratio > 1 else rgb
        y, x = top // ratio, left // ratio
        stored[y : y + rgb.height, x : x + rgb.width] = np.asarray(rgb)
    return upright


def _as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """A view of the upright pixels that has them as they are stored (EXIF 2.3, section 4.6.4)."""
    if orientation >= 5:
        upright = upright.swapaxes(0, 1)
    if orientation in (3, 4, 6, 7):
        upright = upright[::-1]
    if orientation in (2, 3, 7, 8):
        upright = upright[:, ::-1]
    return upright


def _tiles(image: Image.Image) -> Iterator[tuple[int, int, Image.Image]]:
    """Left and upper edge of each tile, and the tile."""
    width, height = image.size
    if width * height <= TILE_PIXELS:
        yield 0, 0, image
        return
    across = min(width, TILE_WIDTH)
    down = max(8, TILE_PIXELS // across // 8 * 8)
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, image.crop((left, top, min(width, left + across), min(height, top + down)))


def _converter(image: Image.Image) -> Converter:
    """A function that converts tiles of the picture to RGB."""
    if image.mode.startswith('I;16'):
        return _from_16_bit
    if image.mode in ('I', 'F'):
        return _from_32_bit(image)
    if image.mode == 'LAB':
        raise BadImage('Lab colors, which are not read: save it as RGB')
    if image.has_transparency_data:
        return _on_white
    if image.mode == 'RGB':  # `convert` would copy it
        return lambda tile: tile
    return lambda tile: tile.convert('RGB')  # Pillow has already inverted the CMYK that Adobe stores inverted


def _on_white(tile: Image.Image) -> Image.Image:
    tile = tile.convert('RGBA')
    on_white = Image.new('RGB', tile.size, 'white')
    on_white.paste(tile, mask=tile.getchannel('A'))
    return on_white


def _from_16_bit(tile: Image.Image) -> Image.Image:
    """Convert 16-bit gray by its upper 8 bits, as Pillow converts 16-bit RGB; `convert` would clip at 255."""
    wide = np.asarray(tile)
    gray = (wide >> 8).astype(np.uint8)
    transparent = tile.info.get('transparency')
    if transparent is not None:
        gray[wide == transparent] = 255
    return Image.fromarray(gray).convert('RGB')


def _from_32_bit(image: Image.Image) -> Converter:
    """Convert 32-bit gray, which has no standard range: values from 0 to 1, or from 0 to 255, are black to
    white; other values are scaled from the lowest to the highest."""
    ranges = [(values.min(), values.max()) for values in (_finite(tile) for _, _, tile in _tiles(image))]
    low, high = float(min(least for least, _ in ranges)), float(max(most for _, most in ranges))
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if image.mode == 'F' and high <= 1 else 255.0
    factor = 255 / (high - low or 1)

    def convert(tile: Image.Image) -> Image.Image:
        gray = (_finite(tile).astype(np.float64) - low) * factor + 0.5
        return Image.fromarray(gray.clip(0, 255).astype(np.uint8)).convert('RGB')

    return convert


def _finite(tile: Image.Image) -> np.ndarray:
    """The values; 0 for those that are not finite."""
    return np.nan_to_num(np.asarray(tile), posinf=0, neginf=0)
