"""The headers of GIF, WebP, BMP, TIFF and AVIF, which Pillow reads."""

from __future__ import annotations

from PIL import Image

from src.images.formats import avif, tiff, webp
from src.images.formats.exif import orientation_of
from src.images.formats.header import Header, header

# Bytes that Pillow has for a pixel of a mode; 4 of all others.
MODE_BYTES = {'1': 1, 'L': 1, 'P': 1, 'I;16': 2, 'I;16L': 2, 'I;16B': 2, 'I;16N': 2}
# Bytes for a pixel while it is decoded, the picture included. WebP: two canvases of 4, a copy of one of them,
# the picture, and what the codec holds; AVIF: frames of 16-bit samples, and the same copies.
WEBP, WEBP_LOSSLESS, AVIF = 18, 27, 30
RLE_BMP = 3

NANOSECONDS = {'GIF': 10, 'WEBP': 30, 'BMP': 5, 'AVIF': 60}  # for a pixel
RLE_NANOSECONDS = 120  # Pillow decodes it in Python
DATA_NANOSECONDS = {'GIF': 20, 'WEBP': 20, 'BMP': 5, 'TIFF': 5, 'AVIF': 40}  # for a byte of the file
RLE_BYTE_NANOSECONDS = 500


def read(image: Image.Image, data: bytes) -> Header:
    """The header of a picture that Pillow has opened."""
    kind, (width, height) = image.format, image.size
    own = MODE_BYTES.get(image.mode, 4)
    kept, pixel, byte = own, NANOSECONDS.get(kind, 0), DATA_NANOSECONDS[kind]
    codes = False
    if kind == 'GIF':
        kept = 2 * own
    elif kind == 'WEBP':
        lossless, codes = webp.frame_kinds(data)
        kept = WEBP_LOSSLESS if lossless else WEBP
    elif kind == 'AVIF':
        larger = max(1.0, avif.frame_pixels(data) / (width * height))
        kept, pixel = AVIF * larger, pixel * larger
    elif kind == 'BMP' and image.info.get('compression'):
        if image.info['compression'] in (1, 2):  # run-length encoding
            kept, pixel, byte = RLE_BMP, RLE_NANOSECONDS, RLE_BYTE_NANOSECONDS
    elif kind == 'TIFF':
        buffers, pixel = tiff.stored(image, data)
        kept = own + buffers
    seconds = (width * height * pixel + len(data) * byte) * 1e-9
    # Pillow rotates TIFF by itself, and gives the size after that.
    exif = image.info.get('exif', b'') if kind != 'TIFF' else b''
    orientation = orientation_of(exif.removeprefix(b'Exif\0\0'))
    made = header(kind, width, height, False, orientation, kept=kept, seconds=seconds)
    return webp.with_codes(made, data) if codes and width and height else made
