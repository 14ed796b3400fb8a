"""Training from pixels: pictures a second, against the same network in PyTorch.

    python -m benchmarks.pixels
    python -m benchmarks.pixels --networks cnn_best --rounds 9 --torch-python ~/torch/bin/python

Whole training steps (pixels to [-1, 1], forward, backward, SGD with momentum) on drawn pictures of
32 x 32, in processes of their own that take turns. PyTorch runs with channels last, in bfloat16 by autocast;
it may live in another environment, which --torch-python names. Median, least and most of all rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np

from benchmarks.machine import machine_line
from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.progress import say
from src.common.tf1 import tf
from src.engine.learners.network import Network
from src.engine.sources import InMemory
from src.graph import precision
from src.recipes.recipe import PixelRecipe
from src.records.dataset import Examples

NETWORKS = ('cnn_deep', 'cnn_best')
BATCHES = {'cnn_deep': 128, 'cnn_best': 1000}
OURS, THEIRS = 'rootstock', 'pytorch'


def rate(network: str, computes_in: str, batch: int, seconds: float) -> float:
    """Training pictures a second of ours, in this process."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (batch, 32, 32, 3)).astype(np.uint8)
    drawn = Examples([str(i) for i in range(batch)], rng.integers(0, 10, batch).astype(np.int32), pixels)
    recipe = PixelRecipe('drawn', network, 32, 1, batch, 'sgd', 0.01, 0.9, precision=computes_in)
    with tf.Graph().as_default(), tf.Session() as session:
        trained = Network(recipe, InMemory({'train': drawn}, batch, 1), 10)
        trained.initialize(session)
        for step in range(3):
            session.run([trained.train_op, trained.cost], trained.feed(step))
        begun, steps = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            session.run([trained.train_op, trained.cost], trained.feed(steps))
            steps += 1
        return steps * batch / (time.perf_counter() - begun)


def measured(python: str, module: str, network: str, computes_in: str, seconds: float) -> dict:
    """One turn, in a process of its own. Raises UserError when it fails."""
    command = [python, '-m', module, network, computes_in, str(BATCHES[network]), str(seconds)]
    told = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)
    if told.returncode:
        last = (told.stderr.strip().splitlines() or ['no reason given'])[-1]
        raise UserError(f'{" ".join(command)} failed: {last}')
    return json.loads(told.stdout.splitlines()[-1])


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.pixels', __doc__)
    made.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS), help='default: all')
    made.add_argument('--rounds', type=cli.whole_number(1), default=5, help='default: %(default)s')
    made.add_argument(
        '--seconds', type=cli.real_number(0.1, 600), default=8, help='of each turn (default: 8)'
    )
    made.add_argument(
        '--torch-python', metavar='PYTHON', default=sys.executable, help='that has torch (default: this one)'
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    say(machine_line())
    for network in args.networks:
        for computes_in in ('float32', *(['bfloat16'] if precision.cpu_has_bfloat16() else [])):
            rates = defaultdict(list)
            for _ in range(args.rounds):
                for who, python, module in (
                    (OURS, sys.executable, 'benchmarks.pixels_turn'),
                    (THEIRS, args.torch_python, 'benchmarks.pixels_torch'),
                ):
                    told = measured(python, module, network, computes_in, args.seconds)
                    rates[who].append(told['rate'])
            middle = {who: statistics.median(found) for who, found in rates.items()}
            for who, found in rates.items():
                span = f'({min(found):,.0f} to {max(found):,.0f})'
                share = f'{middle[who] / middle[THEIRS]:.2f}'
                say(f'{network:<10}{computes_in:<10}{who:<11}{middle[who]:>8,.0f} img/s {span:<18}{share}')


if __name__ == '__main__':
    errors.run(main)
