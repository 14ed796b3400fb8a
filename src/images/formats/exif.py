"""The orientation in an EXIF block."""

from __future__ import annotations

import struct

_ORIENTATION_TAG, _SHORT = 0x0112, 3


def orientation_of(tiff: bytes) -> int:
    """Orientation 1 to 8 from an EXIF block; 1 when it is missing or invalid.

    The copy of it in XMP is ignored. Browsers do the same in both cases.
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
    except struct.error:  # fewer entries than the count says
        pass
    return 1
