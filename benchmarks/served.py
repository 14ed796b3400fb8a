"""A server in a process of its own, for benchmarks and tests."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Answer
from src.common import paths
from src.common.errors import UserError
from src.graph.lite.package import SUFFIX


def add_models(made: argparse.ArgumentParser) -> None:
    """The flag for the models to serve, `shipped` by default."""
    made.add_argument(
        '--model',
        type=Path,
        action='append',
        metavar='FILE',
        help='.pb or .tflite, may be repeated (default: the one that ships, as both)',
    )


def shipped() -> list[Path]:
    """The files of the model that ships: a frozen graph, and a .tflite."""
    return [path for path in (paths.POCKET_DOGS, paths.POCKET_DOGS.with_suffix(SUFFIX)) if path.exists()]


@dataclass(frozen=True)
class Server:
    """A running server: its address, process, model, and seconds until it answered."""

    address: tuple[str, int]
    process: subprocess.Popen
    model: str
    start_seconds: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid

    def status(self, key: str) -> int:
        """The sum over its processes of a number from /proc/<pid>/status, such as Threads, VmRSS or VmHWM
        (kB)."""
        return sum(_number(process, key) for process in [self.pid, *children(self.pid)])


def children(process: int) -> list[int]:
    """The processes that a process started."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with suppress(OSError):  # it ended
            if int(stat.read_text().rpartition(')')[2].split()[1]) == process:
                found.append(int(stat.parent.name))
    return found


def _number(process: int, key: str) -> int:
    return int(re.search(rf'^{key}:\s+(\d+)', Path(f'/proc/{process}/status').read_text(), re.M)[1])


@contextmanager
def running(model: Path, *flags: str) -> Iterator[Server]:
    """A server in its own process, stopped at the end. Raises UserError if it does not start."""
    command = [sys.executable, '-m', 'src.inference.serve', '--port', '0', '--model', str(model.resolve())]
    command += flags
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=paths.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        for line in process.stdout:
            if found := re.match(r'open http://127.0.0.1:(\d+)/', line):
                address = '127.0.0.1', int(found[1])
                yield Server(address, process, model.stem, time.perf_counter() - begun)
                break
        else:
            raise UserError(f'the server does not start: try {" ".join(command[1:])}')
    finally:
        process.terminate()
        process.wait(60)


def require_all(answers: Sequence[Answer], status: int) -> None:
    """Raise UserError unless all answers have this status."""
    others = Counter(answer.status for answer in answers if answer.status != status)
    if others:
        raise UserError(
            f'{others.total()} of {len(answers)} requests were not answered {status}: {dict(others)}'
        )
