"""Download one address to one file; resumes what an earlier try or run began.

The received bytes are in `part`. `part`.json beside it holds the address and the server's validator (ETag or
Last-Modified), so that parts of two versions of a file are never joined. Temporary errors are retried with
growing delays, as long as there is progress: bytes beyond the largest size that was ever reached.
"""

from __future__ import annotations

import errno
import re
import time
from pathlib import Path
from typing import TypedDict

import requests

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import human_size, read_notes, size_of
from src.common.progress import progress, say
from src.downloads.connections import follow, session
from src.downloads.http import NETWORK_FAULTS, shown_url, status_line, why
from src.downloads.speed import MIN_SPEED, SpeedFloor

TRIES = 5  # in a row, each with less than PROGRESS new bytes
PROGRESS = 1 << 20
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0  # seconds before the second try, doubled for each later one
CONNECT_SECONDS, READ_SECONDS = 15, 60
BUSY = {408, 429, *range(500, 600)}  # a later try may succeed
ELSEWHERE = 'try another server with --mirror URL'


def transfer(url: str, part: Path, size: int, blindly: bool = True, min_speed: float = MIN_SPEED) -> None:
    """Download the `size` bytes at `url` to `part`, after the bytes that are already there.

    `blindly`: resume also if the server cannot tell whether its file is unchanged, for files that are
    verified by a checksum later. A connection with less than `min_speed` bytes per second over a minute is
    cut, and counts as a failed try. Raises UserError; received bytes are kept for the next run.
    """
    delay, tries, largest = FIRST_DELAY, 1, size_of(part)
    while size_of(part) != size:
        try:
            _try(url, part, size, blindly, min_speed)
        except _Dropped as fault:
            received = size_of(part)
            if received - largest >= PROGRESS:
                delay, tries = FIRST_DELAY, 1
            # A server that always starts over, and stops at the same place, makes no progress.
            largest = max(largest, received)
            if tries == TRIES:
                kept = f'; {human_size(received)} of {human_size(size)} are kept' if received else ''
                raise UserError(
                    f'cannot fetch {shown_url(url)} ({fault}): check the network and repeat{kept}'
                ) from fault
            wait = min(max(delay, fault.wait), LONGEST_DELAY)
            after = f' after {human_size(received)}' if received else ''
            say(f'{part.stem}: {fault}{after}; trying again in {wait:.0f} s')
            time.sleep(wait)
            delay, tries = delay * 2, tries + 1


class _Dropped(Exception):
    """A try that failed for a temporary reason. The next should wait at least `wait` seconds."""

    def __init__(self, why: str, wait: float = 0):
        super().__init__(why)
        self.wait = wait


def _try(url: str, part: Path, size: int, blindly: bool, min_speed: float) -> None:
    """One request for all that is missing. Raises _Dropped for temporary errors and UserError for others."""
    validator = _remembered(part, url)
    have = size_of(part) if size_of(part) < size and (validator or blindly) else 0
    headers = {}
    if have:
        headers['Range'] = f'bytes={have}-'
        # The server sends only the rest if its file is unchanged, else all of it.
        headers |= {'If-Range': validator} if validator else {}
    with SpeedFloor(min_speed) as floor, session(floor.dial) as opened:
        try:
            with follow(opened, url, (CONNECT_SECONDS, READ_SECONDS), headers) as answer:
                start = _start(answer, part, have, validator, size)
                _remember(part, url, answer)
                _store(answer, part, start, size, floor)
        except (*NETWORK_FAULTS, ValueError, _Dropped) as error:
            if floor.broken:
                raise _Dropped(floor.fault) from error
            if isinstance(error, _Dropped):
                raise
            if isinstance(error, ValueError):
                raise UserError(f'cannot fetch {shown_url(url)} ({why(error)}): try --mirror URL') from error
            raise _Dropped(why(error)) from error
        except OSError as error:
            remedy = ': free some space, then repeat' if error.errno in (errno.ENOSPC, errno.EDQUOT) else ''
            raise UserError(f'cannot write {paths.shown(part)}: {error.strerror or error}{remedy}') from error


def _start(answer: requests.Response, part: Path, have: int, validator: str | None, size: int) -> int:
    """The position in the file of the first byte of the response."""
    name, code = shown_url(answer.url), answer.status_code
    if code in BUSY:
        asked = answer.headers.get('Retry-After', '')
        raise _Dropped(f'the server answers {status_line(code)}', float(asked) if asked.isdecimal() else 0)
    if code not in (200, 206, 416):
        raise UserError(f'{name} answers {status_line(code)}: {ELSEWHERE}')
    start, total, resumed = 0, answer.headers.get('Content-Length', ''), True
    if code != 200:
        sent = re.fullmatch(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)', answer.headers.get('Content-Range', ''))
        start, total = have, sent[2] if sent else ''
        resumed = code == 206 and sent and sent[1] == str(have) and not _is_other(answer, validator)
    # Before `forget`: a response from a wrong address must not delete the received bytes.
    if total.isdecimal() and int(total) != size:
        raise UserError(wrong_size(name, int(total), size) + ELSEWHERE)
    if not resumed:
        forget(part)
        raise _Dropped('the server cannot resume the download')
    return start


def _store(answer: requests.Response, part: Path, start: int, size: int, floor: SpeedFloor) -> None:
    """Write the bytes of the response to `part`, from `start` on."""
    have = start
    with part.open('ab' if start else 'wb') as out, progress(size, part.stem, 'B', start) as bar:
        # Not decoded: some servers send archives with Content-Encoding gzip.
        for block in answer.raw.stream(floor.chunk, decode_content=False):
            have += len(block)
            floor.received += len(block)
            if have > size:
                break
            out.write(block)
            bar.update(len(block))
    if have > size:
        forget(part)
        raise UserError(wrong_size(shown_url(answer.url), have, size) + ELSEWHERE)
    if have < size:
        raise _Dropped('the connection ended early')


def _validator(answer: requests.Response) -> str | None:
    """The server's mark of this version of the file. Weak ETags do not guarantee equal bytes."""
    tag = answer.headers.get('ETag')
    return tag if tag and not tag.startswith('W/') else answer.headers.get('Last-Modified')


def _is_other(answer: requests.Response, validator: str | None) -> bool:
    """Whether a server that ignores If-Range sends the rest of another version."""
    given = (answer.headers.get('ETag'), answer.headers.get('Last-Modified'))
    return validator is not None and any(given) and validator not in given


class Notes(TypedDict):
    """The shape of the file beside the received bytes."""

    url: str
    validator: str | None


def _notes(part: Path) -> Path:
    return part.with_name(part.name + '.json')


def _remember(part: Path, url: str, answer: requests.Response) -> None:
    files.write_json(_notes(part), {'url': shown_url(url), 'validator': _validator(answer)})


def _remembered(part: Path, url: str) -> str | None:
    notes = read_notes(_notes(part), Notes)
    return notes.get('validator') if notes.get('url') == shown_url(url) else None


def forget(part: Path) -> None:
    """Delete the received bytes and the notes about them."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def wrong_size(name: str, size: int, expected: int) -> str:
    """The beginning of an error message; the caller adds the remedy."""
    return f'{name} is another file: {size:,} bytes, expected {expected:,}; '
