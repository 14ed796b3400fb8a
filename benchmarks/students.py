"""Size and speed of the students of distillation (src/models/students.py), with random weights.

    python -m benchmarks.students
    python -m benchmarks.students resnet_small resnet_deep --side 128 --rounds 5

For each student: weights, multiplications for one picture, size as a backbone file (float16) and as an int8
.tflite model; pictures that training takes in a second, with Muon in bfloat16 where the CPU has it; and
milliseconds for one picture with LiteRT in int8 on one thread, pixels given. Medians of all rounds, students
alternating.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.machine import add_rounds, machine, machine_line, rounds
from benchmarks.table import add_output, show
from benchmarks.task import flops
from src.common import cli, errors
from src.common.tf1 import tf
from src.engine.distilling.backbone import student_graph
from src.engine.optimizers import minimize
from src.graph import precision
from src.graph.backbones import load_backbone
from src.graph.graph_io import write_graph
from src.graph.lite.backbones import int8_backbone
from src.graph.lite.interpreters import Interpreters
from src.models.layers import Mode, dense
from src.models.students import STUDENTS, bottleneck_of, find_student

WIDTH = 1280  # of a teacher's bottleneck
BATCH, STEPS = 128, 4
PICTURES = 200


class Training:
    """A student in training, on random pictures."""

    def __init__(self, name: str, side: int):
        rng = np.random.default_rng(1)
        with tf.Graph().as_default() as graph:
            pixels = tf.placeholder(tf.uint8, [BATCH, side, side, 3])
            targets = tf.placeholder(tf.float32, [BATCH, WIDTH])
            step, dtype = tf.train.get_or_create_global_step(), precision.resolve('auto')
            bottleneck = bottleneck_of(name, pixels, Mode(True, (1, step), dtype))
            variables = tf.trainable_variables()
            loss = tf.reduce_mean(tf.square(dense(bottleneck, WIDTH, 'projection') - targets))
            updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
            train = minimize(loss, tf.constant(0.01), step, 'muon', 0.9, 0.0, updates, dtype)
            self.session = tf.Session(graph=graph)
            self.session.run(tf.global_variables_initializer())
        self.weights = sum(variable.shape.num_elements() for variable in variables)
        given = rng.integers(0, 255, (BATCH, side, side, 3), np.uint8)
        self._run = partial(
            self.session.run, train, {pixels: given, targets: rng.normal(size=(BATCH, WIDTH))}
        )

    def steps(self) -> None:
        for _ in range(STEPS):
            self._run()


def files_of(name: str, side: int, folder: Path) -> tuple[Path, Path]:
    """The student as a backbone and as an int8 model."""
    path = write_graph(student_graph(name, side, {}), folder / f'{name}.pb')
    backbone = load_backbone(path)
    pixels = np.random.default_rng(2).uniform(0, 255, (20, side, side, 3)).astype(np.float32)
    lite = path.with_suffix('.tflite')
    lite.write_bytes(int8_backbone(backbone, list(pixels)))
    return path, lite


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.students', __doc__)
    made.add_argument('students', nargs='*', metavar='STUDENT', help=f'default: {", ".join(STUDENTS)}')
    made.add_argument('--side', type=cli.whole_number(8), default=128, help='pixels (default: %(default)s)')
    add_rounds(made, 5)
    add_output(made)
    args = made.parse_args(argv)
    names = args.students or list(STUDENTS)
    for name in names:
        find_student(name)
    show(args, 'Students', [machine_line(), f'{args.side} x {args.side} pixels'], *_measured(args, names))


def _measured(args: argparse.Namespace, names: list[str]) -> tuple[list[str], list[list[str]], dict]:
    columns = ['', 'weights', 'multiplications', '.pb', 'int8', 'training pictures/s', 'int8 ms']
    rows, results = [], {'machine': machine(), 'side': args.side}
    trainings = {name: Training(name, args.side) for name in names}
    pictures = (
        np.random.default_rng(3).uniform(0, 255, (PICTURES, args.side, args.side, 3)).astype(np.float32)
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {name: files_of(name, args.side, Path(folder)) for name in names}
        networks = {name: Interpreters(lite, 1) for name, (_, lite) in files.items()}
        for training, network in zip(trainings.values(), networks.values(), strict=True):
            training.steps()
            network.run(pictures[:10])
        steps = rounds({name: training.steps for name, training in trainings.items()}, args.rounds)
        runs = rounds(
            {name: partial(network.run, pictures) for name, network in networks.items()}, args.rounds
        )
        for name in names:
            path, lite = files[name]
            backbone = load_backbone(path)
            found = {
                'weights': trainings[name].weights,
                'multiplications': flops(backbone.graph_def, backbone.bottleneck) / 2,
                'pb_bytes': path.stat().st_size,
                'int8_bytes': lite.stat().st_size,
                'training_per_second': BATCH * STEPS / median(steps[name]),
                'int8_ms': 1000 * median(runs[name]) / PICTURES,
            }
            results[name] = found
            rows.append(
                [
                    name,
                    f'{found["weights"] / 1e6:.2f} M',
                    f'{found["multiplications"] / 1e6:.0f} M',
                    f'{found["pb_bytes"] / 1e6:.1f} MB',
                    f'{found["int8_bytes"] / 1e6:.1f} MB',
                    f'{found["training_per_second"]:.0f}',
                    f'{found["int8_ms"]:.2f}',
                ]
            )
    return columns, rows, results


if __name__ == '__main__':
    errors.run(main)
