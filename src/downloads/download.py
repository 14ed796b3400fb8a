"""Download a data set or a backbone: resumed where it stopped, verified, unpacked.

    python -m src.downloads.download stanford_dogs
    python -m src.downloads.download inception --mirror http://127.0.0.1:8000

Run it again after Ctrl-C or a lost connection: it resumes, and does nothing if all is done. Size and SHA-256
checksum of every archive are verified, from a mirror too. Archives are kept beside the unpacked files, and
may be deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shlex
import shutil
from pathlib import Path
from typing import TypedDict

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import human_size, read_notes, size_of
from src.common.locks import at_work
from src.common.progress import next_step, say, wrote
from src.downloads import archives
from src.downloads.catalog import DOWNLOADS, Download, RemoteFile
from src.downloads.speed import MIN_SPEED
from src.downloads.transfer import forget, transfer, wrong_size

MIRROR_VARIABLE = 'ROOTSTOCK_MIRROR'

# Disk space for the unpacked files, as a multiple of the archive's size: 20,580 small photos fill whole
# blocks, and the Inception graph is a little larger than its archive. Unpacking checks the exact size again.
UNPACKED = 1.2


class Unpacked(TypedDict):
    """The shape of the file that marks a download as complete."""

    size: int
    sha256: str
    unpacked: list[str]


class FirstSeen(TypedDict):
    """The shape of the file with the checksum of a first download."""

    sha256: str


def install(
    what: Download, folder: Path, mirror: str | None = None, min_speed: float = MIN_SPEED
) -> list[RemoteFile]:
    """Download and unpack the archives of `what` into `folder`; returns those that were missing.

    Raises UserError if the disk is too small, a download fails or is another file, or an archive is unsafe.
    """
    missing = [remote for remote in what.files if unpacked(remote, folder) is None]
    if missing:
        _require_space(missing, folder)
    for remote in missing:
        with at_work(folder / remote.name):
            _install(remote, folder, mirror, min_speed)
    return missing


def _install(remote: RemoteFile, folder: Path, mirror: str | None, min_speed: float) -> None:
    archive, digest = obtain(remote, folder, mirror, min_speed)
    names = archives.extract(archive, folder / remote.extract_to)
    # Written last, as it marks the download as complete.
    files.write_json(_marker(remote, folder), {'size': remote.size, 'sha256': digest, 'unpacked': names})
    if not remote.sha256:
        files.write_json(_first_seen(remote, folder), {'sha256': digest})


def unpacked(remote: RemoteFile, folder: Path) -> list[Path] | None:
    """The files and folders that were unpacked from the archive, or None if it has to be unpacked."""
    seen = read_notes(_marker(remote, folder), Unpacked)
    found = [folder / remote.extract_to / name for name in seen.get('unpacked', ())]
    same = seen.get('size') == remote.size and remote.sha256 in (None, seen.get('sha256'))
    return found if same and all(path.exists() for path in found) else None


def obtain(
    remote: RemoteFile, folder: Path, mirror: str | None = None, min_speed: float = MIN_SPEED
) -> tuple[Path, str]:
    """The verified archive in `folder` and its SHA-256; downloads it if it is missing."""
    archive = folder / remote.name
    if archive.exists():
        return archive, _verified(archive, remote, folder, 'move it away, then repeat')
    part = archive.with_name(archive.name + '.part')
    transfer(remote.address(mirror), part, remote.size, bool(remote.sha256), min_speed)
    remedy = 'removed; repeat, or try another server with --mirror URL'
    try:
        digest = _verified(part, remote, folder, remedy)
        if not remote.sha256:  # the checksums in the archive are all there is
            archives.check(part, remedy)
    except UserError:
        forget(part)
        raise
    part.replace(archive)
    forget(part)
    return archive, digest


def _verified(path: Path, remote: RemoteFile, folder: Path, remedy: str) -> str:
    """The SHA-256 of a file. Raises UserError, with `remedy` at its end, if size or checksum is wrong."""
    shown = paths.shown(path)
    if size_of(path) != remote.size:
        raise UserError(wrong_size(shown, size_of(path), remote.size) + remedy)
    digest, first = files.sha256(path), _first_seen(remote, folder)
    expected, source = remote.sha256, ''
    if expected is None and (expected := _seen(first)):
        source = f', as at the first download ({paths.shown(first)}: delete it if you trust the new one)'
    if expected not in (None, digest):
        raise UserError(f'{shown} has the wrong SHA-256: {digest}, expected {expected}{source}; {remedy}')
    return digest


def _seen(first: Path) -> str | None:
    """The SHA-256 of the first download, None where there was none. Raises UserError for a damaged file."""
    if not first.exists():
        return None
    return files.read_json(first, FirstSeen, 'delete it if you trust the new download')['sha256']


def _marker(remote: RemoteFile, folder: Path) -> Path:
    return folder / f'.{remote.name}.done'


def _first_seen(remote: RemoteFile, folder: Path) -> Path:
    return folder / f'{remote.name}.first_seen.json'


def _require_space(missing: list[RemoteFile], folder: Path) -> None:
    """Make the folder. Raises UserError unless the disk has room for the downloads and the unpacked files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'cannot make {paths.shown(folder)}: {error.strerror}') from error
    need = 0
    for remote in missing:
        present = (folder / remote.name, folder / f'{remote.name}.part')
        need += int(remote.size * (1 + UNPACKED)) - min(remote.size, sum(map(size_of, present)))
    free = shutil.disk_usage(folder).free
    if need > free:
        raise UserError(
            f'{paths.shown(folder)} needs {human_size(need)} and has {human_size(free)}: '
            'free some space, or choose another disk with --dest DIR'
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.downloads.download', __doc__)
    made.add_argument(
        'names', nargs='+', choices=sorted(DOWNLOADS), metavar='NAME', help=', '.join(sorted(DOWNLOADS))
    )
    made.add_argument(
        '--dest', type=Path, metavar='DIR', help='folder to unpack into (default: where the commands look)'
    )
    made.add_argument(
        '--mirror',
        metavar='URL',
        default=os.environ.get(MIRROR_VARIABLE),
        help=f'download from URL/<file name> (default: {MIRROR_VARIABLE}, else the original server)',
    )
    made.add_argument(
        '--min-speed',
        metavar='KB',
        type=cli.real_number(0, math.inf),
        default=MIN_SPEED / 1000,
        help='connect anew when less than so many kB per second arrive over a minute; 0 never does '
        '(default: %(default)g)',
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
        if not install(what, folder, args.mirror, args.min_speed * 1000):
            say(f'{name}: nothing to do, all is there')
        report(what, folder)
        typed = shlex.quote(paths.shown(folder))
        data = '' if folder == what.folder else f' --data {typed}'
        next_step(what.next_command.format(folder=typed, data=data))


def report(what: Download, folder: Path) -> None:
    """Print the paths of the archives and of the unpacked files."""
    for remote in what.files:
        with contextlib.suppress(OSError):  # the archive may have been deleted since
            wrote(folder / remote.name, human_size((folder / remote.name).stat().st_size))
        for path in unpacked(remote, folder) or ():
            wrote(path, f'from {remote.name}')


if __name__ == '__main__':
    errors.run(main)
