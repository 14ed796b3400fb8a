"""Request bodies that arrive compressed: `Content-Encoding: gzip` (RFC 9110, section 8.4.1.3)."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from src.inference.server.admission import AdmissionLimit, TooMuch
from src.inference.server.tf_serving import BadRequest

ENCODING = 'HTTP_CONTENT_ENCODING'  # of a WSGI environment
NAMES = ('gzip', 'x-gzip')
FED_BYTES = 1 << 16
PIECE_BYTES = 1 << 20
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # tells zlib to expect gzip's header and checksum


class UnknownEncoding(Exception):
    """A compression that is not read here."""


@contextmanager
def decompressed(environ: dict, size: int, most: int, room: AdmissionLimit) -> Iterator[None]:
    """Inside, the request in `environ` looks as if its body of `size` bytes had come uncompressed.

    The bytes it grows to are counted in `room` as they appear, so that a small body that grows to gigabytes
    is refused early. Raises UnknownEncoding, BadRequest when the body is damaged, TooMuch when it grows to
    more than `most` bytes, and Busy as `room` does.
    """
    encoding = environ[ENCODING].strip().lower()
    if encoding not in NAMES:
        raise UnknownEncoding(
            f'Content-Encoding {encoding[:40]!r} is not read here: send gzip or plain bytes'
        )
    body = io.BytesIO()
    with ExitStack() as held:
        for piece in _pieces(environ['wsgi.input'].read(size)):
            if body.tell() + len(piece) > most:
                raise TooMuch(f'the request is too large: more than {most:,} bytes uncompressed')
            held.enter_context(room.enter(len(piece)))
            body.write(piece)
        environ['CONTENT_LENGTH'] = str(body.tell())
        body.seek(0)
        environ['wsgi.input'] = body
        del environ[ENCODING]
        yield


def _pieces(data: bytes) -> Iterator[bytes]:
    """The content of a gzip stream in pieces of up to PIECE_BYTES. Raises BadRequest.

    One member only, as web clients send it: reading millions of tiny ones would take minutes.
    """
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        for at in range(0, len(data), FED_BYTES):
            fed = data[at : at + FED_BYTES]
            while fed and not stream.eof:
                yield stream.decompress(fed, PIECE_BYTES)
                fed = stream.unconsumed_tail
            if stream.unused_data or (stream.eof and fed):
                raise BadRequest('the body has more bytes than its gzip stream')
        while not stream.eof and (piece := stream.decompress(b'', PIECE_BYTES)):
            yield piece
    except zlib.error:
        raise BadRequest('the body is not valid gzip, as its Content-Encoding says') from None
    if not stream.eof:
        raise BadRequest('the gzip body is cut short')
