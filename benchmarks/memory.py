"""How much memory a conversion takes at its peak, and whether that grows with the number of photos.

    python -m benchmarks.memory                                    # 1,000, 5,000 and 20,000 drawn pictures
    python -m benchmarks.memory PHOTOS_DIR --backbone mobilenet_v2.pb --images 1000 20000 --json memory.json

Each figure is a run of `python -m src.data_preparation.image_folder_to_tfrecords` in a home of its own,
so the time holds its start and the hashing of all files, too. Where a folder has fewer photos, each
serves several times, with different bytes behind the end of the JPEG.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import machine, machine_line
from benchmarks.photos import copies_that_differ, photos_for
from benchmarks.table import as_markdown, as_text
from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say, wrote
from src.data_preparation.conversion.job import MANIFEST

NUMBERS = (1_000, 5_000, 20_000)
DIFFERENT = 200  # photos that are copied with different ends
CLASSES = 10
NAME = 'measured'
COLUMNS = ('photos', 'peak memory', '× first', 'seconds', 'photos/s')


@dataclass(frozen=True)
class Run:
    """What a conversion of `images` photos took."""

    images: int
    peak_bytes: int
    seconds: float


def measure(photos: Sequence[Path], number: int, backbone: Path) -> Run:
    """Convert `number` different files. Raises UserError when the conversion fails or leaves any out."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch, 'photos'), Path(scratch, 'home')
        for _ in copies_that_differ(photos, number, folder, CLASSES):
            pass
        module = 'src.data_preparation.image_folder_to_tfrecords'
        flags = ['--name', NAME, '--backbone', str(backbone.resolve())]
        seconds, peak = run([sys.executable, '-m', module, str(folder), *flags], home)
        manifest = files.read_json(home / 'data' / 'records' / NAME / MANIFEST)
    written = sum(manifest['counts'].values())
    if written != number:
        raise UserError(f'{number - written:,} of {number:,} photos were left out, so the run says nothing')
    return Run(number, peak, seconds)


def run(command: list[str], home: Path) -> tuple[float, int]:
    """Seconds and peak memory in bytes of one command. Raises UserError when it fails.

    Started from a fresh process: Linux counts the memory of the process that starts a program as the
    program's own.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as fresh:
        return fresh.submit(_run, command, home).result()


def _run(command: list[str], home: Path) -> tuple[float, int]:
    environment = {**os.environ, 'ROOTSTOCK_HOME': str(home)}
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=paths.CHECKOUT, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)  # unlike getrusage: of this child alone
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        if process.returncode:
            said.seek(0)
            last = said.read().decode(errors='replace').strip().splitlines()[-1:]
            raise UserError(f'the conversion ended with exit code {process.returncode}: {" ".join(last)}')
    return seconds, usage.ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def cells(run: Run, first: Run) -> list[str]:
    """A row for COLUMNS."""
    return [
        f'{run.images:,}',
        files.human_size(run.peak_bytes),
        f'{run.peak_bytes / first.peak_bytes:.2f}',
        f'{run.seconds:.1f}',
        f'{run.images / run.seconds:.1f}',
    ]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.memory', __doc__)
    made.add_argument('photos', type=Path, nargs='?', metavar='PHOTOS_DIR', help='default: drawn pictures')
    made.add_argument(
        '--backbone', type=Path, metavar='PB', default=paths.POCKET_GRAPH_DEF, help='default: %(default)s'
    )
    made.add_argument(
        '--images', type=cli.whole_number(1), nargs='+', metavar='N', default=NUMBERS, help='how many'
    )
    made.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    made.add_argument('--markdown', action='store_true', help='print a section of Markdown')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_for(args.photos, min(DIFFERENT, *args.images), Path(scratch))
        runs = [measure(photos, number, args.backbone) for number in args.images]
    lines = [machine_line(), f'{args.backbone.name}, {count(len(photos), "different photo")}']
    table = as_markdown if args.markdown else as_text
    say(table('Memory of a conversion', lines, COLUMNS, [cells(run, runs[0]) for run in runs]))
    if args.json:
        files.write_json(args.json, {'machine': machine(), 'runs': [asdict(run) for run in runs]})
        wrote(args.json, 'all figures')


if __name__ == '__main__':
    errors.run(main)
