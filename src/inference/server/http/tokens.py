"""Bearer tokens: who may ask the server (RFC 6750).

The page itself and what load balancers ask stay open, so the names of the models are public. A token is sent
in the clear unless a proxy in front of the server speaks TLS.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from contextlib import suppress
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.inference.versions import stamp_of

OPEN = frozenset(['/', '/healthz', '/readyz', '/openapi.json'])
OPEN_FOLDER = '/page/'
TOKEN = re.compile(r'[A-Za-z0-9._~+/-]+=*')  # b64token of RFC 6750, section 2.1
HEADER = re.compile(rf' *bearer +({TOKEN.pattern}) *', re.IGNORECASE | re.ASCII)
LEAST = 16  # characters; shorter ones can be guessed
NEW = "python -c 'import secrets; print(secrets.token_urlsafe())'"


def is_open(path: str) -> bool:
    """Whether requests for a path need no token."""
    return path in OPEN or path.startswith(OPEN_FOLDER)


class Unauthorized(Exception):
    """A request without a token, or with one that is not valid. `challenge` is the header of its answer."""

    def __init__(self, line: str, fault: str = ''):
        super().__init__(line)
        self.challenge = 'WWW-Authenticate', f'Bearer realm="rootstock"{fault}'


class Tokens:
    """The tokens in a file, one a line; empty lines are skipped. Raises UserError for a file without tokens,
    and for lines that are no tokens."""

    def __init__(self, path: Path):
        self._path, self._stamp = path, _stamp(path)
        self._digests = _read(path)

    def refresh(self) -> bool:
        """Read the file again if it changed. Returns whether it did. Raises UserError as the constructor,
        once for each change; then the tokens stay as they are."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._digests = _read(self._path)
        return True

    def watch(self, seconds: float, stop: threading.Event) -> None:
        """Look for changes every `seconds` until `stop` is set."""
        while not stop.wait(seconds):
            try:
                if self.refresh():
                    say(f'{paths.shown(self._path)}: read again, {count(len(self._digests), "token")}')
            except UserError as error:
                say(f'{error}; the tokens from before are still the valid ones')

    def check(self, path: str, authorization: str) -> None:
        """Raise Unauthorized unless a request for a path has a valid token in its header, or needs none."""
        if is_open(path):
            return
        sent = HEADER.fullmatch(authorization)
        if not sent:
            raise Unauthorized('this server needs a token: send it as "Authorization: Bearer TOKEN"')
        digest = _digest(sent[1])
        # All are compared, in a time that depends on none of them.
        if not sum([hmac.compare_digest(digest, known) for known in self._digests]):
            raise Unauthorized('the token is not valid', ', error="invalid_token"')


def _stamp(path: Path) -> tuple[int, ...]:
    with suppress(OSError):
        return stamp_of(path)
    return ()


def _read(path: Path) -> list[bytes]:
    """The digests of the tokens in a file. Raises UserError."""
    try:
        lines = files.utf8_text(path, 'strict').splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f'there is no file {paths.shown(path)} with tokens; make one: {NEW} > FILE'
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f'cannot read the tokens in {paths.shown(path)}: {getattr(error, "strerror", "no text")}'
        ) from error
    tokens = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, token in tokens:
        if len(token) < LEAST or not TOKEN.fullmatch(token):
            raise UserError(
                f'{paths.shown(path)}, line {number}: a token has at least {LEAST} letters, digits and '
                f'-._~+/, and = at its end; make one: {NEW}'
            )
    if not tokens:
        raise UserError(f'there is no token in {paths.shown(path)}; make one: {NEW}')
    return [_digest(token) for _, token in tokens]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
