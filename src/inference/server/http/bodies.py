"""Compressed request bodies: `Content-Encoding: gzip` (RFC 9110, section 8.4.1.3)."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from src.inference.server.admission import AdmissionLimit, TooMuch
from src.inference.server.http.json_bodies import BadRequest

ENCODING = 'HTTP_CONTENT_ENCODING'  # key of a WSGI environment
NAMES = ('gzip', 'x-gzip')
INPUT_BYTES = 1 << 16  # compressed bytes that are decompressed at once
PIECE_BYTES = 1 << 20
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # makes zlib expect gzip's header and checksum


class UnknownEncoding(Exception):
    """A Content-Encoding that is not supported."""


@contextmanager
def decompressed(environ: dict, size: int, max_bytes: int, admission: AdmissionLimit) -> Iterator[None]:
    """Inside, the request in `environ` has a plain body in place of its compressed one of `size` bytes.

    Decompressed bytes are counted in `admission` as they appear, so that a small body that would grow to
    gigabytes is refused early. Raises UnknownEncoding, BadRequest for a damaged body, TooMuch for more than
    `max_bytes` decompressed, and Busy as `admission` does.
    """
    encoding = environ[ENCODING].strip().lower()
    if encoding not in NAMES:
        raise UnknownEncoding(
            f'Content-Encoding {encoding[:40]!r} is not supported: send gzip or plain bytes'
        )
    body = io.BytesIO()
    with ExitStack() as held:
        for piece in _pieces(environ['wsgi.input'].read(size)):
            if body.tell() + len(piece) > max_bytes:
                raise TooMuch(f'the request is too large: more than {max_bytes:,} bytes uncompressed')
            held.enter_context(admission.enter(len(piece)))
            body.write(piece)
        environ['CONTENT_LENGTH'] = str(body.tell())
        body.seek(0)
        environ['wsgi.input'] = body
        del environ[ENCODING]
        yield


def _pieces(data: bytes) -> Iterator[bytes]:
    """The content of a gzip stream in pieces of up to PIECE_BYTES. Raises BadRequest.

    Takes one member only, as web clients send it: millions of tiny members would take minutes.
    """
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        for at in range(0, len(data), INPUT_BYTES):
            compressed = data[at : at + INPUT_BYTES]
            while compressed and not stream.eof:
                yield stream.decompress(compressed, PIECE_BYTES)
                compressed = stream.unconsumed_tail
            if stream.unused_data or (stream.eof and compressed):
                raise BadRequest('the body has more bytes than its gzip stream')
        while not stream.eof and (piece := stream.decompress(b'', PIECE_BYTES)):
            yield piece
    except zlib.error:
        raise BadRequest('the body is not valid gzip, as its Content-Encoding says') from None
    if not stream.eof:
        raise BadRequest('the gzip body is cut short')
