"""Base64 in pieces: the same bytes as in one, wherever the pieces end."""

from __future__ import annotations

import base64
import json
import random

import pytest

from src.inference.server.http import base64_text
from src.inference.server.http.base64_text import decoded, decoded_in_pieces


def forms(data: bytes, rng: random.Random) -> list[str]:
    """The ways to write it."""
    standard, safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    folded = base64.encodebytes(data).decode()
    spaced = ''.join(letter + rng.choice(('', '', ' ', '\t')) for letter in standard)
    return [standard, safe, folded, spaced, standard.rstrip('='), safe.rstrip('='), standard + '==']


def in_pieces(text: bytes) -> bytes:
    return decoded_in_pieces(b'{"b64": "%b"}' % text, 9, 9 + len(text))


@pytest.mark.parametrize('piece', [8, 13, 64, 1 << 17])
def test_all_forms_are_read(monkeypatch, piece):
    monkeypatch.setattr(base64_text, 'PIECE_BYTES', piece)
    rng = random.Random(piece)
    for size in range(200):
        data = rng.randbytes(size)
        for text in forms(data, rng):
            escaped = json.dumps(text)[1:-1]
            assert decoded(text.encode()) == data
            for written in (escaped, escaped.replace('/', '\\/'), escaped.replace('+', '\\u002b')):
                assert in_pieces(written.encode()) == data


@pytest.mark.parametrize('piece', [8, 16, 1 << 17])
@pytest.mark.parametrize(
    'text',
    ['a', 'abcde', 'ab=c', 'QUI=QUI=', 'abcd' * 6 + '==' + 'abcd', 'abc.', 'é' * 8, '=a', 'a' * 4 + '\0'],
)
def test_what_is_no_base64_is_refused(monkeypatch, piece, text):
    monkeypatch.setattr(base64_text, 'PIECE_BYTES', piece)
    with pytest.raises(ValueError):
        decoded(text.encode())
    for written in (text.encode(), json.dumps(text)[1:-1].encode()):
        with pytest.raises(ValueError):
            in_pieces(written)


@pytest.mark.parametrize('text', [b'abcd\\', b'abcdabcdabc\\u00', b'abcd\\x41', b'abcdefg\\\\h'])
def test_invalid_escapes_are_refused(monkeypatch, text):
    monkeypatch.setattr(base64_text, 'PIECE_BYTES', 8)
    with pytest.raises(ValueError):
        in_pieces(text)


def test_no_call_holds_the_lock_of_python_for_a_large_text(monkeypatch):
    sizes, decode, loads = [], base64.b64decode, json.loads

    def noted(function):
        return lambda text, **options: (sizes.append(len(text)), function(text, **options))[1]

    monkeypatch.setattr(base64_text.base64, 'b64decode', noted(decode))
    monkeypatch.setattr(base64_text.json, 'loads', noted(loads))
    data = random.Random(1).randbytes(3_000_000)
    assert in_pieces(json.dumps(base64.encodebytes(data).decode())[1:-1].encode()) == data
    assert max(sizes) < 2 * base64_text.PIECE_BYTES
