"""How fast photos become bottlenecks, ours beside what people would use instead.

    python -m benchmarks.bottlenecks                                   # drawn pictures
    python -m benchmarks.bottlenecks PHOTOS_DIR --json times.json
    python -m benchmarks.bottlenecks PHOTOS_DIR --backbone mobilenet_v2.pb

From the bytes of JPEGs to vectors, on the same photos, by turns; a figure is the median of all rounds.
The graph is one with the structure of the 2015 Inception release and random weights, made here, or
that of --backbone. `reference` is a session call for each image on the graph as released, which is how
it was done in 2015. Each contender has a process of its own, and runs once before it is measured; its
largest difference from the reference's vectors is told (as a share of their largest value), and how
much of what the machine can do at most, in products of large matrices, it makes use of.
OpenVINO and ONNX Runtime come with `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import inception_2015, peers, ways
from benchmarks.contender import Contender
from benchmarks.machine import machine, machine_line, rounds
from benchmarks.photos import photos_for
from benchmarks.table import as_markdown, as_text
from benchmarks.task import Task, prepare
from src.common import cli, errors, files
from src.common.files import count
from src.common.progress import say, wrote
from src.graph.graph_io import write_graph
from src.graph.precision import cpu_has_bfloat16

REFERENCE = 'reference, one by one'
# Name: how it is built, from a task and what follows; the last says which of the machine's peaks counts.
CONTENDERS = {
    REFERENCE: (ways.reference, 'float32'),
    'Rootstock float32': (ways.ours, 'float32', 'float32'),
    'Rootstock bfloat16': (ways.ours, 'bfloat16', 'bfloat16'),
    'Keras predict': (ways.keras, 'float32'),
    'OpenVINO float32': (peers.openvino, 'float32', 'float32'),
    'OpenVINO bfloat16': (peers.openvino, 'bfloat16', 'bfloat16'),
    'ONNX Runtime': (peers.onnx_runtime, 'float32'),
}
COLUMNS = ('', 'images/s', '× reference', 'largest difference', 'of the peak')


def measure(task: Task, number: int, contenders: dict[str, tuple]) -> dict:
    """Times of `number` rounds as a dict for JSON: `peaks` in FLOP/s, and a row for each contender."""
    with ExitStack() as running:
        made: dict[str, Contender] = {}
        for name, (build, *args, _) in contenders.items():
            made[name] = running.enter_context(Contender(build, task, *args))
        for name, (*_, precision) in contenders.items():
            if precision not in made and not made[name].missing:
                made[precision] = running.enter_context(Contender(ways.matrix_product, precision))
        seconds = rounds({name: c for name, c in made.items() if not c.missing}, number)
    peaks = {
        precision: ways.peak_flops() / min(seconds[precision])
        for precision in made
        if precision not in contenders and precision in seconds
    }
    results = {name: made[name] for name in contenders}
    rows = [_row(name, results, seconds, task, peaks.get(contenders[name][-1])) for name in contenders]
    return {'images': len(task.photos), 'rounds': number, 'flops': task.flops, 'peaks': peaks, 'rows': rows}


def _row(
    name: str, results: dict[str, Contender], seconds: dict[str, list[float]], task: Task, peak: float | None
) -> dict:
    if results[name].missing:
        return {'name': name, 'missing': results[name].missing}
    rate = len(task.photos) / median(seconds[name])
    row = {'name': name, 'images_per_second': rate, 'seconds': seconds[name]}
    if REFERENCE in seconds:
        row['ratio'] = median(seconds[REFERENCE]) / median(seconds[name])
        row['difference'] = difference(results[REFERENCE].result, results[name].result)
    if peak:
        row['of_peak'] = rate * task.flops / peak
    return row


def difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest, as a share of the largest value expected."""
    if expected.shape != found.shape:
        return float('inf')
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def cells(row: dict) -> list[str]:
    """A row for COLUMNS."""
    if 'missing' in row:
        return [row['name'], 'not measured: ' + row['missing'], '', '', '']
    return [
        row['name'],
        f'{row["images_per_second"]:.1f}',
        f'{row["ratio"]:.2f}' if 'ratio' in row else '',
        f'{row["difference"]:.1e}' if 'difference' in row else '',
        f'{row["of_peak"]:.0%}' if 'of_peak' in row else '',
    ]


def available() -> dict[str, tuple]:
    """CONTENDERS, those in bfloat16 only where the CPU is made for it."""
    return {n: c for n, c in CONTENDERS.items() if c[-1] != 'bfloat16' or cpu_has_bfloat16()}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.bottlenecks', __doc__)
    made.add_argument('photos', type=Path, nargs='?', metavar='PHOTOS_DIR', help='default: drawn pictures')
    made.add_argument('--backbone', type=Path, metavar='PB', help='default: made here')
    made.add_argument('--images', type=cli.whole_number(1), default=256, help='default: %(default)s')
    made.add_argument('--rounds', type=cli.whole_number(1), default=5, help='default: %(default)s')
    made.add_argument('--json', type=Path, metavar='FILE', help='write the times there')
    made.add_argument('--markdown', action='store_true', help='print a section of Markdown')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = photos_for(args.photos, args.images, folder)
        graph = args.backbone or write_graph(inception_2015.graph_def(), folder / 'inception_2015.pb')
        task = prepare(graph, photos, folder)
        found = {'machine': machine(), 'graph': graph.name, 'nodes': task.nodes}
        found |= measure(task, args.rounds, available())
    head = (
        f'{graph.name}, {count(task.nodes, "node")}, {task.flops / 1e9:.1f} GFLOP an image; '
        f'{count(len(photos), "photo")}, median of {count(args.rounds, "round")}'
    )
    peaks = ', '.join(
        f'{peak / 1e9:.0f} GFLOP/s in {precision}' for precision, peak in found['peaks'].items()
    )
    table = as_markdown if args.markdown else as_text
    lines = [machine_line(), head, f'peak: {peaks}']
    say(table('Bottlenecks', lines, COLUMNS, [cells(row) for row in found['rows']]))
    if args.json:
        files.write_json(args.json, found)
        wrote(args.json, 'all times')


if __name__ == '__main__':
    errors.run(main)
