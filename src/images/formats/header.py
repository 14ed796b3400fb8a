"""What is known of a picture before it is decoded, and what decoding it takes."""

from __future__ import annotations

from typing import NamedTuple

from src.common import consts

RATIOS = (1, 2, 4, 8)  # by which the sides can be divided: libjpeg does it while it decodes
RESIZED = 15  # bytes for each decoded pixel: 3 of uint8, and 12 of float32, which TensorFlow resizes
DECODED = 3
COLUMN = 7_200  # bytes for each pixel of the width: resizing first makes 300 rows of float32, and a copy


class Header(NamedTuple):
    """Facts from the first bytes of a picture.

    The last four are estimates, measured with Pillow 12 and libjpeg-turbo 3 (`python -m benchmarks.hostile`).
    """

    format: str  # one of headers.FORMATS
    width: int  # upright
    height: int
    plain: bool  # DecodeJpeg with channels=3 gives the same pixels as Pillow
    orientation: int = 1  # EXIF: 1 is upright as stored, 2 to 8 are rotated or mirrored
    kept: float = 4  # bytes that a decoder holds for each pixel of the picture, whatever the ratio
    made: float = 0  # bytes for each pixel that is left at a ratio, beside the result
    seconds: float = 0  # CPU time that decoding takes
    heavy: bool = False  # a PNG with more metadata than decoders can pass over fast, or an animation

    def memory(self, ratio: int = 1) -> int:
        """Bytes that it takes to decode the picture with its sides divided by `ratio`, and to resize it."""
        decoding = self.kept * ratio**2 + self.made + DECODED
        return int(self.width * self.height * max(decoding, RESIZED)) // ratio**2

    @property
    def least_ratio(self) -> int:
        """The least ratio at which `memory` is within consts.PICTURE_BYTES; the largest of RATIOS if it is at
        none of them."""
        for ratio in RATIOS:
            if self.memory(ratio) <= consts.PICTURE_BYTES:
                break
        return ratio


def header(
    kind: str, width: int, height: int, plain: bool = False, orientation: int = 1, **estimates: float
) -> Header:
    """The header of a picture that is stored with this width and height."""
    if orientation >= 5:  # these swap width and height
        width, height = height, width
    return Header(kind, width, height, plain and orientation == 1, orientation, **estimates)
