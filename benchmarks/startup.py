"""Time to classify one picture from the command line, compared with the import of TensorFlow.

    python -m benchmarks.startup
    python -m benchmarks.startup frozen/flowers.pb --rounds 9

Times whole processes, alternating: an empty Python program, `import tensorflow`, and `src.inference.classify`
on one drawn picture with each frozen graph (default: the one that ships with the project). A line shows the
median (minimum to maximum) of all rounds, and the difference from the median of `import tensorflow`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.machine import add_rounds, machine_line, rounds
from src.common import cli, errors, paths
from src.common.progress import say
from src.drawn_dogs.draw import draw_sample


def one_picture(folder: Path) -> Path:
    """The path of a drawn dog of 500 x 375 pixels, a typical size of photos in Stanford Dogs."""
    picture = draw_sample(folder, per_class=1)[0]
    with Image.open(picture) as image:
        image.convert('RGB').resize((500, 375)).save(folder / 'dog.jpg')
    return folder / 'dog.jpg'


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.startup', __doc__)
    made.add_argument(
        'models', nargs='*', type=Path, default=[paths.POCKET_DOGS], metavar='PB', help='frozen graphs'
    )
    add_rounds(made, 7)
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
    imported = statistics.median(seconds['import tensorflow'])
    for name, took in seconds.items():
        middle = statistics.median(took)
        say(f'{name:<32}{middle:>7.2f} s  ({min(took):.2f} to {max(took):.2f}){middle - imported:>+8.2f} s')


def _run(command: list) -> None:
    subprocess.run([sys.executable, *command], cwd=paths.CHECKOUT, check=True, capture_output=True)


if __name__ == '__main__':
    errors.run(main)
