"""How long it takes to name one picture, beside the import of TensorFlow that is part of it.

    python -m benchmarks.startup
    python -m benchmarks.startup frozen/flowers.pb --rounds 9

Whole processes from start to end, taking turns: an empty Python, `import tensorflow`, and
`src.inference.classify` on one drawn picture with each frozen graph (default: the one that comes with
the project). Median, and the least and the most, of all rounds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.machine import machine_line, rounds
from src.common import cli, errors, paths
from src.common.progress import say
from src.drawn_dogs.draw import draw_sample


def one_picture(folder: Path) -> Path:
    """A drawn dog, 500 x 375 as photos of dogs are."""
    picture = draw_sample(folder, per_class=1)[0]
    with Image.open(picture) as image:
        image.convert('RGB').resize((500, 375)).save(folder / 'dog.jpg')
    return folder / 'dog.jpg'


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.startup', __doc__)
    made.add_argument('models', nargs='*', type=Path, default=[paths.POCKET_DOGS], metavar='PB')
    made.add_argument('--rounds', type=cli.whole_number(1), default=7, help='default: %(default)s')
    args = made.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        picture = one_picture(Path(scratch))
        classify = ['-m', 'src.inference.classify', 'file', picture, '--model']
        commands = {
            'python': ['-c', ''],
            'import tensorflow': ['-c', 'import tensorflow'],
            **{f'classify, {model.name}': [*classify, model.resolve()] for model in args.models},
        }
        contenders = {name: partial(_run, command) for name, command in commands.items()}
        for warm_up in contenders.values():
            warm_up()
        seconds = rounds(contenders, args.rounds)
    say(machine_line())
    needed = statistics.median(seconds['import tensorflow'])
    for name, took in seconds.items():
        middle = statistics.median(took)
        say(f'{name:<32}{middle:>7.2f} s  ({min(took):.2f} to {max(took):.2f}){middle - needed:>+8.2f} s')


def _run(command: list) -> None:
    subprocess.run([sys.executable, *command], cwd=paths.CHECKOUT, check=True, capture_output=True)


if __name__ == '__main__':
    errors.run(main)
