"""At which fraction of its size a JPEG is decoded for a network.

A JPEG much larger than the network's input is decoded at a half, a quarter or an eighth of its size, which
takes libjpeg less than half of the time; it is resized afterwards. This is done only if resizing averages:
bilinear resizing without antialiasing, as in the graph of 2015, would sample other pixels (docs/scale.md has
the figures). Pictures that would take more than consts.PICTURE_BYTES are decoded at a fraction for every
network (`Header.least_ratio`).

This module does not import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from src.images.headers import Header

RATIOS = (8, 4, 2)  # by which libjpeg can divide the sides while it decodes
# Both sides of a JPEG decoded at a ratio stay at least this many times those of the network's input: there is
# still detail to resize, and the photos of common data sets are small enough to be decoded in full.
LEAST_OVERSAMPLING = 2


class Target(NamedTuple):
    """The size that a picture is resized to, and whether a JPEG for it may be decoded at a fraction of its
    size."""

    height: int
    width: int
    scalable: bool

    def ratio(self, header: Header) -> int:
        """The ratio by which the decoder may divide the sides of the picture."""
        if header.format != 'JPEG':
            return header.least_ratio
        spare = min(header.height / self.height, header.width / self.width) / LEAST_OVERSAMPLING
        offered = RATIOS if header.least_ratio > 1 or self.scalable else ()
        return max(header.least_ratio, next((ratio for ratio in offered if ratio <= spare), 1))


def plain_in_full(header: Header, targets: Iterable[Target], most_pixels: int) -> bool:
    """Whether TensorFlow decodes a picture as Pillow does, it is decoded in full for all targets, and it has
    at most `most_pixels`."""
    return (
        header.plain
        and header.width * header.height <= most_pixels
        and all(target.ratio(header) == 1 for target in targets)
    )
