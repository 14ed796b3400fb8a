"""Peak memory of a conversion, for several numbers of photos.

    python -m benchmarks.memory                                    # 1,000, 5,000 and 20,000 drawn pictures
    python -m benchmarks.memory PHOTOS_DIR --backbone mobilenet_v2.pb --images 1000 20000 --json memory.json

Each figure is one run of `python -m src.data_preparation.image_folder_to_tfrecords` in an empty
ROOTSTOCK_HOME, so the time includes the start of the process and the hashing of all files. If the folder has
fewer photos, they are repeated with different bytes after the end of the JPEG.
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
from benchmarks.photos import add_photos, copies_that_differ, photos_for
from benchmarks.table import add_output, show
from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.data_preparation.conversion.job import MANIFEST

NUMBERS = (1_000, 5_000, 20_000)
DIFFERENT = 200  # photos, which are repeated with different bytes at the end
CLASSES = 10
NAME = 'measured'
COLUMNS = ('photos', 'peak memory', '× first', 'seconds', 'photos/s')


@dataclass(frozen=True)
class Run:
    """Memory and time of a conversion of `images` photos."""

    images: int
    peak_bytes: int
    seconds: float


def measure(photos: Sequence[Path], number: int, backbone: Path) -> Run:
    """Convert `number` different files. Raises UserError if the conversion fails or skips a file."""
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
        raise UserError(
            f'{number - written:,} of {number:,} photos were skipped: the measurement is not valid'
        )
    return Run(number, peak, seconds)


def run(command: list[str], home: Path) -> tuple[float, int]:
    """Seconds and peak memory in bytes of one command. Raises UserError if it fails.

    The command is started from a fresh process: on Linux the peak memory of a program includes that of the
    process that starts it.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as fresh:
        return fresh.submit(_run, command, home).result()


def _run(command: list[str], home: Path) -> tuple[float, int]:
    environment = {**os.environ, 'ROOTSTOCK_HOME': str(home)}
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=paths.CHECKOUT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)  # of this child alone, unlike getrusage
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        if process.returncode:
            output.seek(0)
            last = output.read().decode(errors='replace').strip().splitlines()[-1:]
            raise UserError(f'the conversion ended with exit code {process.returncode}: {" ".join(last)}')
    return seconds, usage.ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def cells(run: Run, first: Run) -> list[str]:
    """The cells of COLUMNS."""
    return [
        f'{run.images:,}',
        files.human_size(run.peak_bytes),
        f'{run.peak_bytes / first.peak_bytes:.2f}',
        f'{run.seconds:.1f}',
        f'{run.images / run.seconds:.1f}',
    ]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.memory', __doc__)
    add_photos(made)
    made.add_argument(
        '--backbone', type=Path, metavar='PB', default=paths.POCKET_GRAPH_DEF, help='default: %(default)s'
    )
    made.add_argument(
        '--images',
        type=cli.whole_number(1),
        nargs='+',
        metavar='N',
        default=NUMBERS,
        help='numbers of photos',
    )
    add_output(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_for(args.photos, min(DIFFERENT, *args.images), Path(scratch))
        runs = [measure(photos, number, args.backbone) for number in args.images]
    lines = [machine_line(), f'{args.backbone.name}, {count(len(photos), "different photo")}']
    results = {'machine': machine(), 'runs': [asdict(run) for run in runs]}
    show(args, 'Memory of a conversion', lines, COLUMNS, [cells(run, runs[0]) for run in runs], results)


if __name__ == '__main__':
    errors.run(main)
