"""GIF: what stands before the first frame is made short, as Pillow joins long comments in quadratic time."""

from __future__ import annotations

from src.images.faults import BadImage

MOST_BLOCKS = 100_000  # of at most 255 bytes, before the first frame
LIGHT_BYTES = 1 << 16
_EXTENSION, _FRAME, _CONTROL = 0x21, 0x2C, 0xF9


def without_extensions(data: bytes) -> bytes:
    """A GIF without comments and application data before its first frame. Its graphic control extension,
    which holds the transparent color, stays. Raises BadImage for more blocks than any encoder writes, and
    IndexError for data that ends before."""
    begin = at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    control, blocks = b'', 0
    while data[at] != _FRAME:
        start, at = at, at + 1
        if data[start] != _EXTENSION:  # Pillow skips stray bytes, and ends at ';'
            blocks += 1
        else:
            at += 1
            while data[at]:
                at += 1 + data[at]
                blocks += 1
                if blocks > MOST_BLOCKS:
                    break
            at += 1
            if data[start + 1] == _CONTROL:
                control = data[start:at]
        if blocks > MOST_BLOCKS:
            raise BadImage(f'a GIF of more than {MOST_BLOCKS:,} blocks before its picture: save it anew')
    if at - begin < LIGHT_BYTES:
        return data
    return b''.join([data[:begin], control, data[at:]])
