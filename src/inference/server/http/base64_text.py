"""Base64 in JSON, decoded in pieces: a call of `binascii` for 59 MB holds Python's lock for some tenths of a
second, in which the server would answer nobody.

Accepted are both alphabets (RFC 4648, sections 4 and 5), with or without padding, and white space.
"""

from __future__ import annotations

import base64
import io
import json

PIECE_BYTES = 1 << 17
ESCAPE = 6  # bytes of the longest escape of JSON, \u002b
STANDARD_ALPHABET, WHITE_SPACE = bytes.maketrans(b'-_', b'+/'), b' \t\r\n\v\f'


def decoded(text: bytes) -> bytes:
    """What a short text says. Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return _unpadded(_plain(text).rstrip(b'='))


def decoded_in_pieces(body: bytes, start: int, end: int) -> bytes:
    """What a string of JSON, without its quotes, from `start` to `end` in a body says. Raises ValueError."""
    found, rest, padded = io.BytesIO(), b'', False
    while start < end:
        stop = _end_of_piece(body, start, end)
        piece = _plain(_unescaped(body[start:stop]))
        text = piece.rstrip(b'=')
        if b'=' in text or (padded and text):
            raise ValueError('more after the padding')
        padded = padded or len(text) < len(piece)
        text = rest + text
        whole = len(text) // 4 * 4
        found.write(base64.b64decode(text[:whole], validate=True))
        start, rest = stop, text[whole:]
    found.write(_unpadded(rest))
    return found.getvalue()


def _end_of_piece(body: bytes, start: int, end: int) -> int:
    """Where a piece ends: not inside an escape."""
    stop = start + PIECE_BYTES
    if stop >= end:
        return end
    escape = body.rfind(b'\\', stop - ESCAPE, stop)
    return stop if escape < 0 else escape


def _unescaped(text: bytes) -> bytes:
    """Raises ValueError for an invalid escape."""
    return json.loads(b'"%b"' % text, strict=False).encode() if b'\\' in text else text


def _plain(text: bytes) -> bytes:
    """In the standard alphabet, without white space."""
    return text.translate(STANDARD_ALPHABET, WHITE_SPACE)


def _unpadded(text: bytes) -> bytes:
    return base64.b64decode(text + b'=' * (-len(text) % 4), validate=True)
