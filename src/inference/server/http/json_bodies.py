"""JSON bodies, parsed in little memory.

Nearly all of a body is pictures in base64. They are not copied while it is parsed: each string of more than
LONG_BYTES stays where it is, and the value has a `LongString` in its place. Without them a body is small. A
large one with anything else, such as nested lists, which Python would turn into twenty times as many bytes,
is refused before it is parsed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from src.inference.server.http.base64_text import decoded_in_pieces

LONG_BYTES = 100
SMALL_BYTES = 1 << 18  # of a body without its long strings
ESCAPED_QUOTES = 1000  # base64 has none
BACKSLASHES = 64  # in a row


class BadRequest(Exception):
    """What is wrong with a request, in one line."""


class LongString:
    """A string of JSON that is still a part of the body."""

    def __init__(self, body: bytes, start: int, end: int):
        self._body, self._start, self._end = body, start, end

    def encoded(self) -> bytes:
        """The string in UTF-8. Raises ValueError for an invalid escape."""
        return json.loads(b'"%b"' % self._body[self._start : self._end], strict=False).encode()

    def starts_with(self, text: bytes) -> bool:
        return self._body.startswith(text, self._start, self._end)

    def from_base64(self) -> bytes:
        """What the string says in base64. Raises ValueError."""
        return decoded_in_pieces(self._body, self._start, self._end)


def parse_json(body: bytes, form: str) -> Any:
    """The value of a JSON text. Strings may hold line breaks. Raises BadRequest, which shows the `form` that
    the body should have."""
    try:
        if len(body) <= SMALL_BYTES:
            return json.loads(body, strict=False)
        return _parsed_in_place(body)
    except (ValueError, RecursionError):
        raise BadRequest(f'the body is not valid JSON such as {form}') from None


def _parsed_in_place(body: bytes) -> Any:
    """The value, with a LongString for each long string. Raises ValueError and BadRequest."""
    mark = secrets.token_hex(16)  # no string of a client begins with it
    strings: list[LongString] = []

    def replace(start: int, end: int) -> bytes:
        strings.append(LongString(body, start, end))
        return f'{mark}{len(strings) - 1}'.encode()

    def restore(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {whole(key): restored(value) for key, value in pairs}

    def whole(key: str) -> str:
        found = restored(key)
        return found.encoded().decode() if isinstance(found, LongString) else found

    def restored(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(mark):
            return strings[int(value[len(mark) :])]
        return [restored(item) for item in value] if isinstance(value, list) else value

    return restored(json.loads(_shortened(body, replace), strict=False, object_pairs_hook=restore))


def _shortened(body: bytes, replace: Callable[[int, int], bytes]) -> bytes:
    """The text with the result of `replace` in place of each long string. Raises ValueError for a string that
    does not end, and BadRequest for what is still large."""
    parts: list[bytes] = []
    size = kept = at = 0

    def keep(end: int) -> None:
        """Keep all from `kept` to `end`."""
        nonlocal size
        size += end - kept
        if size > SMALL_BYTES:
            raise BadRequest(f'the body has more than {SMALL_BYTES:,} bytes besides pictures in base64')
        parts.append(body[kept:end])

    while (start := body.find(b'"', at)) >= 0:
        if start - kept > SMALL_BYTES:
            break
        end = _end_of_string(body, start + 1)
        if end - start > LONG_BYTES:
            keep(start + 1)
            parts.append(replace(start + 1, end))
            size += len(parts[-1])
            kept = end
        at = end + 1
    keep(len(body))
    return b''.join(parts)


def _end_of_string(body: bytes, start: int) -> int:
    """Where the string that begins at `start` has its closing quote. Raises ValueError."""
    at = start
    for _ in range(ESCAPED_QUOTES):
        end = body.find(b'"', at)
        if end < 0:
            break
        before = body[max(start, end - BACKSLASHES) : end]
        backslashes = len(before) - len(before.rstrip(b'\\'))
        if backslashes == BACKSLASHES:
            break
        if backslashes % 2 == 0:
            return end
        at = end + 1
    raise ValueError('a string without an end')
