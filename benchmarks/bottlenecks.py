"""Speed of computing bottlenecks, compared with Keras, OpenVINO, LiteRT and ONNX Runtime.

    python -m benchmarks.bottlenecks                                   # drawn pictures
    python -m benchmarks.bottlenecks PHOTOS_DIR --json times.json
    python -m benchmarks.bottlenecks PHOTOS_DIR --backbone mobilenet_v2.pb
    python -m benchmarks.bottlenecks PHOTOS_DIR --backbone mobilenet_v2.pb --network-alone
    python -m benchmarks.bottlenecks PHOTOS_DIR --backbone a.pb b.pb c.pb --precision float32

Measures from JPEG bytes to vectors, or with --network-alone from decoded pixels, on the same photos,
contenders alternating. A figure is the median of all rounds. The graph is that of --backbone, by default one
with the structure of the 2015 Inception release and random weights. `reference` is one session call for each
image on the graph as released, as was usual in 2015. Each contender has its own process and is warmed up by
one run. The table shows the maximum absolute difference of its vectors from those of the reference, as a
share of the largest value, and its share of the peak: the FLOP/s that products of large matrices reach on
this machine. int8 is calibrated on the first of the photos.

With several backbones it measures one pass over the photos for all of them (benchmarks/joined.py) against
one pass for each, and the ratio: the time of the one pass by the sum of the others less all decodings but
one. A time is the best of all rounds.

OpenVINO, NNCF (its int8) and ONNX Runtime come with `pip install -c setup/constraints.txt -e '.[bench]'`,
LiteRT with '.[lite]'; without them the others are measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import inception_2015, joined, peers, ways
from benchmarks.contender import Contender
from benchmarks.machine import add_rounds, machine, machine_line, rounds
from benchmarks.photos import add_photos, photos_for
from benchmarks.table import add_output, show
from benchmarks.task import Task, prepare
from src.common import cli, commands, errors
from src.common.files import count
from src.graph import precision
from src.graph.graph_io import write_graph
from src.graph.precision import cpu_has_bfloat16

REFERENCE = 'reference, one by one'
# Name: builder, its arguments after the task, and the precision whose peak it is compared with, if any.
CONTENDERS = {
    REFERENCE: (ways.reference, 'float32'),
    'Rootstock float32': (ways.ours, 'float32', 'float32'),
    'Rootstock bfloat16': (ways.ours, 'bfloat16', 'bfloat16'),
    'Rootstock int8': (ways.ours, 'int8', None),
    'Keras predict': (ways.keras, 'float32'),
    'OpenVINO float32': (peers.openvino, 'float32', 'float32'),
    'OpenVINO bfloat16': (peers.openvino, 'bfloat16', 'bfloat16'),
    'OpenVINO int8': (peers.openvino, 'int8', None),
    'LiteRT float32': (peers.litert, 'float32', 'float32'),
    'LiteRT int8': (peers.litert, 'int8', None),
    'ONNX Runtime': (peers.onnx_runtime, 'float32'),
}
PACKAGES = ('openvino', 'nncf', 'onnxruntime', 'tf2onnx')  # of the extra `bench`
COLUMNS = ('', 'images/s', '× reference', 'max abs difference', 'of the peak')


def measure(task: Task, number: int, contenders: dict[str, tuple]) -> dict:
    """Time `number` rounds. Returns a dict for JSON with `peaks` in FLOP/s and a row for each contender."""
    with ExitStack() as running:
        made: dict[str, Contender] = {}
        for name, (build, *args, _) in contenders.items():
            made[name] = running.enter_context(Contender(build, task, *args))
        for name, (*_, precision) in contenders.items():
            if precision and precision not in made and not made[name].missing:
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
    """The maximum absolute difference, as a share of the largest expected absolute value."""
    if expected.shape != found.shape:
        return float('inf')
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def cells(row: dict) -> list[str]:
    """The cells of COLUMNS."""
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
    """CONTENDERS, without those in bfloat16 if the CPU has no instructions for it."""
    return {n: c for n, c in CONTENDERS.items() if c[-1] != 'bfloat16' or cpu_has_bfloat16()}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.bottlenecks', __doc__)
    add_photos(made)
    cli.add_list(
        made,
        '--backbone',
        '.pb',
        type=Path,
        metavar='PB',
        help='default: a graph like Inception, random weights; several are measured in one pass',
    )
    made.add_argument(
        '--precision',
        choices=precision.CHOICES,
        default='auto',
        help='for several backbones: what they compute in (default: as in a conversion)',
    )
    made.add_argument('--images', type=cli.whole_number(1), default=256, help='default: %(default)s')
    made.add_argument(
        '--network-alone', action='store_true', help='decode the photos before the clock starts'
    )
    add_rounds(made, 5)
    add_output(made)
    args = made.parse_args(argv)
    if args.network_alone and len(args.backbone or ()) > 1:
        made.error('--network-alone measures one backbone')
    return args


def _several(args: argparse.Namespace) -> None:
    """Measure several backbones in one pass."""
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_for(args.photos, args.images, Path(scratch))
        found = {'machine': machine()}
        found |= joined.measure(photos, args.backbone, precision.resolve(args.precision), args.rounds)
    head = f'{count(len(photos), "photo")}, {found["precision"]}, best of {count(args.rounds, "round")}'
    ratio = f'one pass takes {found["ratio"]:.3f} × the sum of the single ones less all decodings but one'
    rows = [joined.cells(row) for row in found['rows']]
    show(args, 'Bottlenecks of several backbones', [machine_line(), head, ratio], joined.COLUMNS, rows, found)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.backbone and len(args.backbone) > 1:
        return _several(args)
    if missing := errors.missing_packages(*PACKAGES):
        install = commands.to_install('bench')
        print(f'measured without {", ".join(missing)}: for these run {install}', file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = photos_for(args.photos, args.images, folder)
        graph = (
            args.backbone[0]
            if args.backbone
            else write_graph(inception_2015.graph_def(), folder / 'inception_2015.pb')
        )
        task = prepare(graph, photos, folder, args.network_alone)
        found = {'machine': machine(), 'graph': graph.name, 'nodes': task.nodes, 'alone': task.alone}
        found |= measure(task, args.rounds, available())
    head = (
        f'{graph.name}, {count(task.nodes, "node")}, {task.flops / 1e9:.1f} GFLOP an image; '
        f'{count(len(photos), "photo")}, median of {count(args.rounds, "round")}'
    )
    peaks = ', '.join(
        f'{peak / 1e9:.0f} GFLOP/s in {precision}' for precision, peak in found['peaks'].items()
    )
    lines = [machine_line(), head, f'peak of matrix products: {peaks}']
    title = 'Bottlenecks, the network alone' if task.alone else 'Bottlenecks, from JPEG bytes'
    show(args, title, lines, COLUMNS, [cells(row) for row in found['rows']], found)


if __name__ == '__main__':
    errors.run(main)
