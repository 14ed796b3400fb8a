"""Load mutated graphs: each must answer, or be refused in one line. None may crash or hang the process.

    python -m benchmarks.mutated
    python -m benchmarks.mutated --graphs 100 --first 500 --keep folder

Each graph is loaded as a backbone and tried, as a backbone in inference mode, as a classifier that is given a
picture, as a table of layers, and as a network to look inside. A child process does it, so that its end is
seen. Prints how many of these ended how; those that did not end well are listed with their seeds, and
`--keep` writes their graphs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from benchmarks.mutated_bases import NAMES, base
from benchmarks.mutations import mutated
from src.common import cli, errors
from src.common.progress import say

GOOD = ('answers', 'refused')
SECONDS = 120  # for a step, on a busy machine


class Outcome(NamedTuple):
    """How a step of a graph ended: `kind` is 'answers', 'refused', 'unexpected', 'abort' or 'hang'."""

    seed: int
    step: str
    kind: str
    text: str = ''


def outcomes(seeds: Sequence[int], names: Sequence[str] = NAMES) -> Iterator[Outcome]:
    """Yield how each step of the graphs of some seeds ended, in order. `names`: of the graphs to mutate."""
    left = list(seeds)
    while left:
        for outcome in _of_process(left, names):
            if outcome.seed in left:
                left = left[left.index(outcome.seed) + 1 :]
            yield outcome


def _of_process(seeds: Sequence[int], names: Sequence[str]) -> Iterator[Outcome]:
    """The outcomes in a child process; the last one is its crash or hang, if it did not end by itself."""
    command = [sys.executable, '-m', 'benchmarks.mutated_child', json.dumps([list(seeds), list(names)])]
    tried, late = Outcome(seeds[0], 'start', 'tries'), threading.Event()
    with (
        TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as child,
    ):
        while line := _line(child, late):
            outcome = Outcome(*json.loads(line))
            if outcome.kind == 'tries':
                tried = outcome
            else:
                yield outcome
        if child.wait():
            log.seek(0)
            said = log.read().decode('utf-8', 'replace').strip()[-400:]
            yield tried._replace(kind='hang' if late.is_set() else 'abort', text=f'{child.returncode} {said}')


def _line(child: subprocess.Popen, late: threading.Event) -> str:
    """The next line that a process writes; it is killed when it writes none for SECONDS."""

    def kill() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(SECONDS, kill)
    timer.start()
    try:
        return child.stdout.readline()
    finally:
        timer.cancel()


def write(seed: int, folder: Path, names: Sequence[str] = NAMES) -> Path:
    """Write the graph of a seed, and its labels if it has none. Returns its path."""
    data, _, labels = base(names[seed % len(names)])
    path = folder / f'{seed}.pb'
    path.write_bytes(mutated(data, seed))
    if labels:
        path.with_suffix('.txt').write_text(labels)
    return path


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.mutated', __doc__)
    for flag, default, text in (
        ('--graphs', 1000, 'number of graphs'),
        ('--first', 0, 'seed of the first'),
    ):
        made.add_argument(
            flag, type=cli.whole_number(0), default=default, metavar='N', help=f'{text} (default: {default})'
        )
    made.add_argument('--keep', type=Path, metavar='FOLDER', help='write the graphs that did not end well')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    kinds: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes(range(args.first, args.first + args.graphs)):
        kinds[outcome.step, outcome.kind] += 1
        if outcome.kind not in GOOD:
            say(f'{outcome.seed} {outcome.step} {outcome.kind}: {outcome.text}')
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                write(outcome.seed, args.keep)
    for (step, kind), number in sorted(kinds.items()):
        say(f'{step:12} {kind:12} {number:,}')
    return 0 if all(kind in GOOD for _, kind in kinds) else 2


if __name__ == '__main__':
    errors.run(main)
