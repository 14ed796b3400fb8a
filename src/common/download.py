"""Download a data set or a backbone: resumed where it stopped, verified, unpacked.

    python -m src.common.download stanford_dogs
    python -m src.common.download inception --mirror http://127.0.0.1:8000

Run it again after Ctrl-C or a lost connection: it goes on from there, and does nothing when all is
done. What arrives is taken only when its size and its SHA-256 checksum are right, from a mirror too.
Archives are kept beside what was unpacked from them; they may be deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from src.common import archives, cli, errors, files, paths
from src.common.errors import UserError
from src.common.fetch import NETWORK_FAULTS, USER_AGENT, shown_url, status_line, web_address, why
from src.common.files import human_size
from src.common.progress import next_step, progress, say, wrote

MIRROR_VARIABLE = 'ROOTSTOCK_MIRROR'

TRIES = 5  # in a row, none of which brings PROGRESS bytes
PROGRESS = 1 << 20
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0  # seconds before the second try, doubled for each further one
CONNECT_SECONDS, READ_SECONDS = 15, 60
CHUNK = 1 << 16
BUSY = {408, 429, *range(500, 600)}  # answers that a later try may better

# Space that unpacking takes, in sizes of the archive: 20,580 small photos fill whole blocks of the
# disk, and the Inception graph is a little larger than its archive. Unpacking itself looks again.
UNPACKED = 1.2

STANFORD = 'http://vision.stanford.edu/aditya86/ImageNetDogs/'
INCEPTION = 'https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/'


@dataclass(frozen=True)
class RemoteFile:
    """An archive on a server. Without a known checksum the first one seen is remembered."""

    url: str
    size: int
    sha256: str | None = None
    extract_to: str = '.'  # below the download's folder

    @property
    def name(self) -> str:
        return self.url.rpartition('/')[2]

    def address(self, mirror: str | None) -> str:
        return web_address(f'{mirror.rstrip("/")}/{self.name}' if mirror else self.url)


@dataclass(frozen=True)
class Download:
    name: str
    folder: Path
    files: tuple[RemoteFile, ...]
    terms: str
    next_command: str  # {folder} stands for where it was put


DOWNLOADS = {
    made.name: made
    for made in (
        Download(
            'stanford_dogs',
            paths.STANFORD_DS_DIR,
            (
                RemoteFile(
                    STANFORD + 'images.tar',
                    793_579_520,
                    'a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58',
                ),
                RemoteFile(
                    STANFORD + 'annotation.tar',
                    21_852_160,
                    '662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd',
                ),
                RemoteFile(
                    STANFORD + 'lists.tar',
                    481_280,
                    '34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c',
                    'lists',
                ),
            ),
            'Stanford Dogs: images from ImageNet, for non-commercial research and education; '
            'cite Khosla et al. 2011',
            'python -m src.data_preparation.stanford_ds_to_tfrecords',
        ),
        Download(
            'inception',
            paths.IMAGENET_GRAPH_DEF.parent,
            (RemoteFile(INCEPTION + 'inception-2015-12-05.tgz', 88_931_400),),
            'Inception (Google, 2015): Apache-2.0',
            f'python -m src.graph.backbones {{folder}}/{paths.IMAGENET_GRAPH_DEF.name}',
        ),
    )
}


def install(what: Download, folder: Path, mirror: str | None = None) -> list[RemoteFile]:
    """Bring the archives of `what` into `folder` and unpack them; returns those that were not yet there.

    Raises UserError when there is no room, when the server does not give what is expected, and when
    an archive is unsafe to unpack.
    """
    missing = [remote for remote in what.files if unpacked(remote, folder) is None]
    if missing:
        _require_space(missing, folder)
    for remote in missing:
        archive, digest = obtain(remote, folder, mirror)
        names = archives.extract(archive, folder / remote.extract_to)
        # Last of all, as its presence says that the rest is there.
        files.write_json(_marker(remote, folder), {'size': remote.size, 'sha256': digest, 'unpacked': names})
        if not remote.sha256:
            files.write_json(_first_seen(remote, folder), {'sha256': digest})
    return missing


def unpacked(remote: RemoteFile, folder: Path) -> list[Path] | None:
    """What was unpacked from the archive, or None when that is still to be done."""
    seen = _noted(_marker(remote, folder))
    found = [folder / remote.extract_to / name for name in seen.get('unpacked', ())]
    same = seen.get('size') == remote.size and remote.sha256 in (None, seen.get('sha256'))
    return found if same and all(path.exists() for path in found) else None


def obtain(remote: RemoteFile, folder: Path, mirror: str | None = None) -> tuple[Path, str]:
    """The verified archive in `folder` and its SHA-256; downloaded unless it lies there already."""
    archive = folder / remote.name
    if archive.exists():
        return archive, _verified(archive, remote, folder, 'move it away, then repeat')
    part = archive.with_name(archive.name + '.part')
    transfer(remote.address(mirror), part, remote.size, blindly=bool(remote.sha256))
    try:
        digest = _verified(part, remote, folder, 'removed; repeat, or try another place with --mirror URL')
    except UserError:
        _forget(part)
        raise
    part.replace(archive)
    _forget(part)
    return archive, digest


def transfer(url: str, part: Path, size: int, blindly: bool = True) -> None:
    """Bring the `size` bytes at `url` into `part`, going on from what lies there.

    `blindly` also goes on when the server cannot tell whether its file is still the same one: only
    where a checksum will tell. Raises UserError; what has arrived stays for the next time.
    """
    delay, tries = FIRST_DELAY, 1
    while (have := _size(part)) != size:
        try:
            _try(url, part, size, blindly)
        except _Dropped as fault:
            if _size(part) - have >= PROGRESS:
                delay, tries = FIRST_DELAY, 1
            if tries == TRIES:
                raise UserError(
                    f'cannot fetch {shown_url(url)} ({fault}): check the network and repeat; '
                    f'{human_size(_size(part))} of {human_size(size)} are kept'
                ) from fault
            wait = min(max(delay, fault.wait), LONGEST_DELAY)
            say(f'{part.stem}: {fault} at {human_size(_size(part))}, trying again in {wait:.0f} s')
            time.sleep(wait)
            delay, tries = delay * 2, tries + 1


class _Dropped(Exception):
    """A try that failed in a way that the next may not, after at least `wait` seconds."""

    def __init__(self, why: str, wait: float = 0):
        super().__init__(why)
        self.wait = wait


def _try(url: str, part: Path, size: int, blindly: bool) -> None:
    """One request: all that is missing, or _Dropped, or UserError when another try would be in vain."""
    validator = _remembered(part, url)
    have = _size(part) if _size(part) < size and (validator or blindly) else 0
    headers = {'User-Agent': USER_AGENT, 'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
        # The rest is only sent if the file is still the one whose beginning we have.
        headers |= {'If-Range': validator} if validator else {}
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as answer:
            start = _start(answer, part, have, validator, size)
            _remember(part, url, answer)
            _store(answer, part, start, size)
    except (*NETWORK_FAULTS, ValueError) as error:
        if isinstance(error, (ValueError, requests.TooManyRedirects)):
            raise UserError(f'cannot fetch {shown_url(url)} ({why(error)}): try --mirror URL') from error
        raise _Dropped(why(error)) from error
    except OSError as error:
        remedy = ': free some space, then repeat' if error.errno in (errno.ENOSPC, errno.EDQUOT) else ''
        raise UserError(f'cannot write {paths.shown(part)}: {error.strerror or error}{remedy}') from error


def _start(answer: requests.Response, part: Path, have: int, validator: str | None, size: int) -> int:
    """Where in the file the answer's bytes belong."""
    name, code = shown_url(answer.url), answer.status_code
    if code in BUSY:
        asked = answer.headers.get('Retry-After', '')
        raise _Dropped(f'the server answers {status_line(code)}', float(asked) if asked.isdecimal() else 0)
    if code not in (200, 206, 416):
        raise UserError(f'{name} answers {status_line(code)}: try another place with --mirror URL')
    start, total = 0, answer.headers.get('Content-Length', '')
    if code != 200:
        sent = re.fullmatch(r'bytes (\d+)-\d+/(\d+|\*)', answer.headers.get('Content-Range', ''))
        if code == 416 or not sent or int(sent[1]) != have or _is_other(answer, validator):
            _forget(part)
            raise _Dropped('the server cannot go on where we stopped')
        start, total = have, sent[2]
    if total.isdecimal() and int(total) != size:
        raise UserError(_wrong_size(name, int(total), size) + 'try another place with --mirror URL')
    return start


def _store(answer: requests.Response, part: Path, start: int, size: int) -> None:
    have = start
    with part.open('ab' if start else 'wb') as out, progress(size, part.stem, 'B', start) as bar:
        # As sent: an archive that a server calls 'gzip-encoded' must stay one.
        for block in answer.raw.stream(CHUNK, decode_content=False):
            have += len(block)
            if have > size:
                break
            out.write(block)
            bar.update(len(block))
    if have > size:
        _forget(part)
        raise UserError(
            _wrong_size(shown_url(answer.url), have, size) + 'try another place with --mirror URL'
        )
    if have < size:
        raise _Dropped('the connection ended early')


def _validator(answer: requests.Response) -> str | None:
    """What tells this version of the file from another; weak ETags do not tell bytes apart."""
    tag = answer.headers.get('ETag')
    return tag if tag and not tag.startswith('W/') else answer.headers.get('Last-Modified')


def _is_other(answer: requests.Response, validator: str | None) -> bool:
    """Whether a server that pays no heed to If-Range sends the rest of another file."""
    given = (answer.headers.get('ETag'), answer.headers.get('Last-Modified'))
    return validator is not None and any(given) and validator not in given


def _notes(part: Path) -> Path:
    return part.with_name(part.name + '.json')


def _remember(part: Path, url: str, answer: requests.Response) -> None:
    files.write_json(_notes(part), {'url': shown_url(url), 'validator': _validator(answer)})


def _remembered(part: Path, url: str) -> str | None:
    notes = _noted(_notes(part))
    return notes.get('validator') if notes.get('url') == shown_url(url) else None


def _noted(path: Path) -> dict:
    """What one of our JSON files says; nothing when it is missing or spoilt."""
    try:
        notes = files.read_json(path)
    except UserError:
        return {}
    return notes if isinstance(notes, dict) else {}


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _verified(path: Path, remote: RemoteFile, folder: Path, remedy: str) -> str:
    """SHA-256 of a file with the right size and checksum. Raises UserError, ending with the remedy."""
    shown = paths.shown(path)
    if _size(path) != remote.size:
        raise UserError(_wrong_size(shown, _size(path), remote.size) + remedy)
    digest, first = files.sha256(path), _first_seen(remote, folder)
    expected, source = remote.sha256, ''
    if expected is None and (expected := _noted(first).get('sha256')):
        source = f', seen first and noted in {paths.shown(first)}: delete that if you trust the new one'
    if expected not in (None, digest):
        raise UserError(f'{shown} has the wrong SHA-256: {digest}, expected {expected}{source}; {remedy}')
    return digest


def _wrong_size(name: str, size: int, expected: int) -> str:
    return f'{name} is another file: {size:,} bytes, expected {expected:,}; '


def _marker(remote: RemoteFile, folder: Path) -> Path:
    return folder / f'.{remote.name}.done'


def _first_seen(remote: RemoteFile, folder: Path) -> Path:
    return folder / f'{remote.name}.first_seen.json'


def _require_space(missing: list[RemoteFile], folder: Path) -> None:
    """Raises UserError unless the disk takes what is still to come, unpacked too; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'cannot make {paths.shown(folder)}: {error.strerror}') from error
    need = 0
    for remote in missing:
        lie_there = (folder / remote.name, folder / f'{remote.name}.part')
        need += int(remote.size * (1 + UNPACKED)) - min(remote.size, sum(map(_size, lie_there)))
    free = shutil.disk_usage(folder).free
    if need > free:
        raise UserError(
            f'{paths.shown(folder)} needs {human_size(need)} and has {human_size(free)}: '
            'free some space, or choose another disk with --dest DIR'
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.common.download', __doc__)
    made.add_argument(
        'names', nargs='+', choices=sorted(DOWNLOADS), metavar='NAME', help=', '.join(sorted(DOWNLOADS))
    )
    made.add_argument(
        '--dest', type=Path, metavar='DIR', help='folder for it (default: where the commands look)'
    )
    made.add_argument(
        '--mirror',
        metavar='URL',
        default=os.environ.get(MIRROR_VARIABLE),
        help=f'take the files from URL/<file name> (default: {MIRROR_VARIABLE}, else their home)',
    )
    args = made.parse_args(argv)
    cli.require(not args.dest or len(args.names) == 1, '--dest is for one name: run the command for each')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    for name in args.names:
        what = DOWNLOADS[name]
        folder = args.dest or what.folder
        say(what.terms)
        if not install(what, folder, args.mirror):
            say(f'{name}: nothing to do, all is there')
        report(what, folder)
        next_step(what.next_command.format(folder=paths.shown(folder)))


def report(what: Download, folder: Path) -> None:
    """Name what lies where."""
    for remote in what.files:
        with contextlib.suppress(OSError):  # the archive may have been deleted since
            wrote(folder / remote.name, human_size((folder / remote.name).stat().st_size))
        for path in unpacked(remote, folder) or ():
            wrote(path, f'from {remote.name}')


if __name__ == '__main__':
    errors.run(main)
