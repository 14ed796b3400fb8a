"""WebP: whether its first frame is lossless, and the memory of the Huffman codes in it.

A lossless frame, and the alpha of a lossy one, may have a group of Huffman codes for each block of 4 x 4
pixels, up to 65,536. libwebp makes a table of each code: a file of 300 kB took 380 MB for a million pixels.
How many groups there are is known only once the frame is decoded.
(https://developers.google.com/speed/webp/docs/riff_container,
https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification)
"""

from __future__ import annotations

from src.common import consts
from src.images.formats.header import Header

MOST_CHUNKS = 64  # before the first frame
MOST_GROUPS, GROUP_BITS = 65_536, 20  # five codes of 4 bits each, at least
GROUP_BYTES = 5_900  # of the tables; up to twice as many where codes have more than 8 bits
BLOCK = 4  # pixels


def frame_kinds(webp: bytes) -> tuple[bool, bool]:
    """Whether the first frame is lossless, also True where it is not found among the chunks; and whether
    anything in it is."""
    at, alpha = 12, False
    for _ in range(MOST_CHUNKS):
        name = webp[at : at + 4]
        if name in (b'VP8 ', b'VP8L', b''):
            return name != b'VP8 ', alpha or name != b'VP8 '
        alpha = alpha or name == b'ALPH'
        size = int.from_bytes(webp[at + 4 : at + 8], 'little')
        at += 24 if name == b'ANMF' else 8 + size + size % 2  # a frame of an animation holds chunks
    return True, True


def with_codes(header: Header, data: bytes) -> Header:
    """The header with the memory that the Huffman codes of a lossless frame may take; of a large picture at
    most what is left of consts.PICTURE_BYTES, as it could not be read otherwise: then it is decoded alone."""
    pixels = header.width * header.height
    blocks = -(-header.width // BLOCK) * -(-header.height // BLOCK)
    codes = GROUP_BYTES * min(MOST_GROUPS, blocks, len(data) * 8 // GROUP_BITS)
    left = max(0, consts.PICTURE_BYTES - header.memory(header.least_ratio))
    return header._replace(kept=header.kept + min(codes, left * 0.999) / pixels)
