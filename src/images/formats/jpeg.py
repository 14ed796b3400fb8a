"""The header of a JPEG, and the number of its scans.

A progressive JPEG is stored in several scans, and libjpeg goes over all blocks of the picture for each, even
for one of ten bytes: a small file with thousands of them takes minutes. So they are counted before it is
decoded. The search for their markers runs in C, a megabyte in less than 2 ms.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from src.common import consts
from src.images.faults import BadImage
from src.images.formats.exif import orientation_of
from src.images.formats.header import Header, header

# A marker that a segment follows, or the end. In a scan 0xFF is followed by 0 or a restart marker (D0 to D7);
# between segments all decoders skip stray bytes, markers without a length and padding (FF).
MARKER = re.compile(rb'\xff[^\x00\x01\xd0-\xd8\xff]')
# Bytes between two segments of the header; encoders write none, or some bytes of padding.
MOST_STRAY = 1 << 16
MOST_SEGMENTS = 5_000  # 65 kB each; those of a phone's photo with a depth map are some hundreds

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame; holds the size
_HUFFMAN_SOF_MARKERS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; some decoders read no others
_PROGRESSIVE_SOF_MARKERS = (0xC2, 0xC6, 0xCA, 0xCE)
_ARITHMETIC_SOF_MARKERS = (0xC9, 0xCA)
_EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE

PIXEL_SECONDS, BYTE_SECONDS = 12e-9, 12e-9  # of inverse DCT and colors; of the entropy coding
SCAN_SECONDS = 1e-9  # for each pixel: a scan of refinements without data takes 0.6 ns, others less


def read(data: bytes) -> Header:
    """Read the segments up to the first scan, of which EXIF may be any, and count the scans. Raises BadImage.

    TensorFlow and Pillow use the same library for JPEG and leave the color space of three components to it,
    so they agree on all of them. Four components they invert by different rules.
    """
    frame, orientation, scans = None, None, 0
    try:
        for marker, at in segments(data):
            if marker == _SOS and not scans:
                in_first_scan = data[at + 4]
                scans = 1
                if frame and frame[0] not in _PROGRESSIVE_SOF_MARKERS and in_first_scan == frame[4]:
                    break  # decoders take no second scan
            elif marker == _SOS:
                scans += 1
            elif marker in _SOF_MARKERS:
                if frame:
                    raise BadImage('damaged')
                frame = marker, *struct.unpack_from('>BHHB', data, at + 4)
                factors = data[at + 11 : at + 10 + 3 * frame[4] : 3]
            elif marker == _APP1 and orientation is None and data[at + 4 : at + 10] == b'Exif\0\0':
                orientation = orientation_of(data[at + 10 : at + 2 + (data[at + 2] << 8 | data[at + 3])])
    except (IndexError, struct.error):
        raise BadImage('truncated') from None
    if frame is None or not scans:
        raise BadImage('damaged')
    if scans > consts.MAX_SCANS:
        raise BadImage(f'a JPEG of more than {consts.MAX_SCANS:,} scans: save it anew')
    sof, bits, height, width, components = frame
    if sof not in _HUFFMAN_SOF_MARKERS + _ARITHMETIC_SOF_MARKERS:
        # Hierarchical ones are read by no decoder. Pillow decodes lossless ones, and writes beyond its memory
        # for one whose sides are to be divided.
        raise BadImage('a JPEG of a kind that is not read (lossless or hierarchical): save it anew')
    pixels = width * height
    multiple = sof in _PROGRESSIVE_SOF_MARKERS or in_first_scan < components
    slower = 4 if sof in _ARITHMETIC_SOF_MARKERS else 1
    return header(
        'JPEG',
        width,
        height,
        sof in _HUFFMAN_SOF_MARKERS and bits == 8 and components in (1, 3),
        orientation or 1,
        kept=2 * _samples(factors) if multiple else 0,  # all coefficients
        made=4,
        seconds=slower * (pixels * (PIXEL_SECONDS + scans * SCAN_SECONDS) + len(data) * BYTE_SECONDS),
    )


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, where it is) of each segment, scans included, up to the end of the picture. Raises
    BadImage for data that ends before the first scan, and for more segments than any encoder writes."""
    at, in_scan = 2, False
    for _ in range(MOST_SEGMENTS):
        found = MARKER.search(data, at) if in_scan else MARKER.search(data, at, at + MOST_STRAY)
        if found is None:
            if in_scan:
                return  # without an end: decoders add it
            if len(data) - at > MOST_STRAY:
                raise BadImage(f'more than {MOST_STRAY:,} stray bytes in its header: save it anew')
            raise BadImage('truncated')
        at = found.start()
        marker = data[at + 1]
        yield marker, at
        if marker == _EOI:
            return
        in_scan = in_scan or marker == _SOS
        at += 2 + max(2, data[at + 2] << 8 | data[at + 3])
    raise BadImage(f'a JPEG of more than {MOST_SEGMENTS:,} segments: save it anew')


def without_metadata(data: bytes) -> bytes:
    """The JPEG without stray bytes, comments and application data, except what decides its colors (JFIF,
    Adobe). Pillow goes through all of these in Python, and copies a value of EXIF as often as it is named: of
    700 kB that took 10 GB."""
    parts = [data[:2]]
    for marker, at in segments(data):
        if marker == _SOS:
            return b''.join([*parts, data[at:]])
        if marker in (_APP0, _APP14) or not (_APP0 <= marker <= _APP15 or marker == _COM):
            parts.append(data[at : at + 2 + (data[at + 2] << 8 | data[at + 3])])
    return data


def _samples(factors: bytes) -> float:
    """How many samples a pixel has, by the sampling factors of the components: 3, or 1.5 for 4:2:0."""
    across, down = [factor >> 4 for factor in factors], [factor & 15 for factor in factors]
    areas = [a * d for a, d in zip(across, down, strict=True)]
    return sum(areas) / max(1, max(across) * max(down))
