"""Speed of training from pixels, compared with the same network in PyTorch.

    python -m benchmarks.pixels
    python -m benchmarks.pixels --networks cnn_best --rounds 9 --torch-python ~/torch/bin/python

Times whole training steps (pixels to [-1, 1], forward, backward, SGD with momentum) on random pictures of 32
x 32, in separate, alternating processes. PyTorch runs with channels last, in bfloat16 by autocast; it may be
in another environment: --torch-python. A line shows the median (minimum to maximum) of all rounds in pictures
a second, and the ratio to PyTorch.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict

import numpy as np

from benchmarks.machine import add_rounds, machine_line
from benchmarks.pixels_turn import images_per_second, random_pictures
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
    """Training pictures a second of Rootstock, measured in this process."""
    pixels, labels = random_pictures(batch)
    examples = Examples([str(i) for i in range(batch)], labels.astype(np.int32), pixels)
    recipe = PixelRecipe('drawn', network, 32, 1, batch, 'sgd', 0.01, 0.9, precision=computes_in)
    with tf.Graph().as_default(), tf.Session() as session:
        trained = Network(recipe, InMemory({'train': examples}, batch, 1), 10)
        trained.initialize(session)

        def step(number: int) -> None:
            session.run([trained.train_op, trained.cost], trained.feed(number))

        return images_per_second(step, batch, seconds)


def measured(python: str, module: str, network: str, computes_in: str, seconds: float) -> dict:
    """The JSON that one measurement in its own process prints. Raises UserError if it fails."""
    command = [python, '-m', module, network, computes_in, str(BATCHES[network]), str(seconds)]
    finished = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or ['no error message'])[-1]
        raise UserError(f'{" ".join(command)} failed: {last}')
    return json.loads(finished.stdout.splitlines()[-1])


def require_torch(python: str) -> None:
    """Raise UserError if this Python does not exist or has no PyTorch, before anything is measured."""
    code = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'
    try:
        missing = subprocess.run([python, '-c', code], capture_output=True, check=False).returncode
    except OSError as error:
        raise UserError(f'--torch-python {python}: {error.strerror}') from error
    if missing:
        install = shlex.join([python, '-m', 'pip', 'install', 'torch'])
        raise UserError(
            f'{python} has no PyTorch: name a Python that has it with --torch-python, or run {install}'
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.pixels', __doc__)
    made.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS), help='default: all')
    add_rounds(made, 5)
    made.add_argument(
        '--seconds', type=cli.real_number(0.1, 600), default=8, help='of each measurement (default: 8)'
    )
    made.add_argument(
        '--torch-python',
        metavar='PYTHON',
        default=sys.executable,
        help='Python that has torch (default: this one)',
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_torch(args.torch_python)
    say(machine_line())
    say(f'{"network":<10}{"precision":<10}{"":<11}{"median":>14} {"(min to max)":<18}× PyTorch')
    for network in args.networks:
        for computes_in in ('float32', *(['bfloat16'] if precision.cpu_has_bfloat16() else [])):
            rates = defaultdict(list)
            for _ in range(args.rounds):
                for who, python, module in (
                    (OURS, sys.executable, 'benchmarks.pixels_turn'),
                    (THEIRS, args.torch_python, 'benchmarks.pixels_torch'),
                ):
                    rates[who].append(measured(python, module, network, computes_in, args.seconds)['rate'])
            middle = {who: statistics.median(found) for who, found in rates.items()}
            for who, found in rates.items():
                span = f'({min(found):,.0f} to {max(found):,.0f})'
                share = f'{middle[who] / middle[THEIRS]:.2f}'
                say(f'{network:<10}{computes_in:<10}{who:<11}{middle[who]:>8,.0f} img/s {span:<18}{share}')


if __name__ == '__main__':
    errors.run(main)
