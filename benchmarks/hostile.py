"""Time and memory that small files cost which are made to cost much.

    python -m benchmarks.hostile
    python -m benchmarks.hostile --checkout ../before --files canvas.gif float.tif --json before.json

Each file is made (hostile_files.py) and read for a network of 224 x 224 pixels in a process of its own: by
TensorFlow and Pillow, as `convert`, `classify` and `serve` read it for a frozen graph, and with --pillow by
Pillow alone, as for a .tflite file. Seconds are CPU time. The memory is what the process takes at its peak
beyond what it took before. --checkout measures the code of another folder, such as a git worktree of an
earlier version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hostile_files import FILES
from benchmarks.machine import machine, machine_line
from benchmarks.table import add_output, show
from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.progress import progress

COLUMNS = ('file', 'size', 'header ms', 'CPU seconds', 'peak memory', 'kept', 'answer')
MOST_SECONDS = 300  # then the process is killed

# Runs in the checkout that is measured, which may be an earlier one.
MEASURE = """
import json, re, sys, time
from pathlib import Path
from src.images.decode import encode_jpeg
from src.images.faults import BadImage
from src.images.headers import read_header
import numpy as np

def memory(key):
    return 1024 * int(re.search(rf'^{key}:\\s+(\\d+)', Path('/proc/self/status').read_text(), re.M)[1])

if sys.argv[2] == 'pillow':
    from src.images.pillow_reader import PillowReader, usual_preprocessing
    reader = PillowReader(usual_preprocessing(224, 224, (0, 255)))
else:
    from src.graph.preprocessing.find import preprocessing_graph
    from src.images.reader import ImageReader
    reader = ImageReader(*preprocessing_graph(224, 224))
from src.common.process import memory as kept
kept.keep_freed()
reader.read(encode_jpeg(np.zeros((300, 300, 3), np.uint8)))
data = Path(sys.argv[1]).read_bytes()
before, header, answer = memory('VmRSS'), None, 'read'
begun = time.process_time()
try:
    header = read_header(data)
except BadImage as fault:
    answer = str(fault)
middle = time.process_time()
if header:
    try:
        reader.read(data)
    except BadImage as fault:
        answer = str(fault)
print(json.dumps({
    'header_seconds': middle - begun, 'seconds': time.process_time() - middle, 'answer': answer,
    'peak_bytes': memory('VmHWM') - before, 'kept_bytes': memory('VmRSS') - before,
}))
"""


def measured(file: Path, reader: str, checkout: Path) -> dict:
    """The figures of one file. Raises UserError if the code that is measured fails."""
    command = [sys.executable, '-c', MEASURE, str(file), reader]
    try:
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return {'answer': f'killed after {MOST_SECONDS} seconds'}
    if done.returncode < 0:
        return {'answer': f'ended by signal {-done.returncode}'}
    if done.returncode:
        raise UserError(f'{file.name}: {done.stderr.strip().splitlines()[-1]}')
    return json.loads(done.stdout.splitlines()[-1])


def cells(name: str, size: int, found: dict) -> list[str]:
    """The cells of COLUMNS."""
    if 'seconds' not in found:
        return [name, files.human_size(size), '', '', '', '', found['answer']]
    return [
        name,
        files.human_size(size),
        f'{1000 * found["header_seconds"]:.1f}',
        f'{found["seconds"]:.2f}',
        files.human_size(max(0, found['peak_bytes'])),
        files.human_size(max(0, found['kept_bytes'])),
        found['answer'],
    ]


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.hostile', __doc__)
    made.add_argument(
        '--files', nargs='+', choices=list(FILES), metavar='FILE', default=list(FILES), help='default: all'
    )
    made.add_argument(
        '--pillow',
        dest='reader',
        action='store_const',
        const='pillow',
        default='tensorflow',
        help='as .tflite files are run',
    )
    made.add_argument(
        '--checkout', type=Path, metavar='DIR', default=paths.CHECKOUT, help='code to measure (default: this)'
    )
    add_output(made)
    return made.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    rows, results = [], {'machine': machine(), 'files': {}}
    with tempfile.TemporaryDirectory() as scratch, progress(len(args.files), 'reading', 'files') as bar:
        for name in args.files:
            file = Path(scratch, name)
            file.write_bytes(FILES[name]())
            found = measured(file, args.reader, args.checkout)
            rows.append(cells(name, file.stat().st_size, found))
            results['files'][name] = found
            file.unlink()
            bar.update()
    lines = [machine_line(), f'read by {args.reader}']
    show(args, 'Hostile pictures', lines, COLUMNS, rows, results)


if __name__ == '__main__':
    errors.run(main)
