"""Time and memory to classify one picture from the command line, by TensorFlow and by LiteRT.

    python -m benchmarks.startup
    python -m benchmarks.startup frozen/flowers.pb frozen/flowers.tflite --rounds 9

Times whole processes, alternating: an empty Python program, the import of LiteRT with NumPy and Pillow,
`import tensorflow`, and `src.inference.classify` on one drawn picture with each model (default: the files of
the one that ships with the project). A line shows the median seconds (minimum to maximum) of all rounds, the
median seconds of CPU, and the largest memory of the process. What LiteRT's start is compared with is
`import numpy, PIL, ai_edge_litert.interpreter`: the ratio to it follows. Python's cache of compiled modules
is used, as for every user, also if the environment forbids to write it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.machine import add_rounds, machine_line, rounds
from benchmarks.served import shipped
from src.common import cli, errors, paths
from src.common.progress import say
from src.drawn_dogs.draw import draw_sample
from src.graph.lite.interpreters import installed

LITERT = 'import numpy, PIL, ai_edge_litert.interpreter'


class Usage(NamedTuple):
    """What a process used: seconds of CPU, and bytes of memory at most; both 0 on Windows. Linux counts no
    less memory than that of this benchmark, which starts it: about 56 MB."""

    cpu: float
    memory: int


def one_picture(folder: Path) -> Path:
    """The path of a drawn dog of 500 x 375 pixels, a typical size of photos in Stanford Dogs."""
    picture = draw_sample(folder, per_class=1)[0]
    with Image.open(picture) as image:
        image.convert('RGB').resize((500, 375)).save(folder / 'dog.jpg')
    return folder / 'dog.jpg'


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.startup', __doc__)
    made.add_argument('models', nargs='*', type=Path, metavar='PB|TFLITE', help='files of models')
    add_rounds(made, 7)
    args = made.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        picture = one_picture(Path(scratch))
        environment = {key: value for key, value in os.environ.items() if key != 'PYTHONDONTWRITEBYTECODE'}
        environment.setdefault('PYTHONPYCACHEPREFIX', str(Path(scratch) / 'compiled'))
        used: dict[str, list[Usage]] = {}
        contenders = {
            name: partial(_run, command, environment, used.setdefault(name, []))
            for name, command in _commands(args.models or shipped(), picture).items()
        }
        for warm_up in contenders.values():
            warm_up()
        seconds = rounds(contenders, args.rounds)
    say(machine_line())
    beside = statistics.median(seconds[LITERT]) if LITERT in seconds else None
    for name, took in seconds.items():
        middle = statistics.median(took)
        cpu = statistics.median(usage.cpu for usage in used[name])
        memory = max(usage.memory for usage in used[name]) / 1e6
        ratio = f'{middle / beside:>7.2f} x' if beside else ''
        spread = f'({min(took):.2f} to {max(took):.2f})'
        say(f'{name:<46}{middle:>7.2f} s  {spread:<16}{cpu:>7.2f} s of CPU{memory:>7.0f} MB{ratio}')


def _commands(models: list[Path], picture: Path) -> dict[str, list]:
    """The arguments of Python for each contender, by name."""
    classify = ['-m', 'src.inference.classify', 'file', picture, '--model']
    return {
        'python': ['-c', ''],
        **({LITERT: ['-c', LITERT]} if installed() else {}),
        'import tensorflow': ['-c', 'import tensorflow'],
        **{f'classify, {model.name}': [*classify, model.resolve()] for model in models},
    }


def _run(command: list, environment: dict[str, str], used: list[Usage]) -> None:
    """Run Python in the checkout, and note what it used. Raises CalledProcessError when it fails."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=paths.CHECKOUT, env=environment, stdout=subprocess.DEVNULL
    )
    if not hasattr(os, 'wait4'):
        code, usage = process.wait(), Usage(0.0, 0)
    else:
        _, status, spent = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == 'darwin' else 1024  # of ru_maxrss: bytes on macOS, kibibytes on Linux
        usage = Usage(spent.ru_utime + spent.ru_stime, spent.ru_maxrss * unit)
    if code:
        raise subprocess.CalledProcessError(code, command)
    used.append(usage)


if __name__ == '__main__':
    errors.run(main)
