"""Serving: throughput, latency, overload and malformed requests.

    python -m benchmarks.serving
    python -m benchmarks.serving PHOTOS_DIR --model frozen/dogs.pb --model frozen/dogs.tflite
    python -m benchmarks.serving PHOTOS_DIR --overload-seconds 60 --malformed 10000

Starts `python -m src.inference.serve` for each model and sends requests over loopback, from the same cores.
All models, in this process and served, alternate in every measurement:

- *throughput*: 32 clients, each sending its next request as soon as it has its answer; and the same model in
  this process (`from_pictures`), from the same JPEG bytes;
- *latency*: requests at half the throughput of the server, timed from when they fall due;
- *overload*: ten times the throughput over many connections; accepted answers are compared with those of the
  model, and the memory of the server is recorded;
- *malformed*: damaged pictures, bodies and headers, after which the server must still answer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.clients import ask, post
from benchmarks.machine import add_rounds, machine_line, rounds
from benchmarks.malformed import schemathesis
from benchmarks.overload import overload, send_malformed
from benchmarks.photos import add_photos, photos_for
from benchmarks.served import Server, add_models, require_all, running, shipped
from benchmarks.table import add_output, show
from src.common import cli, errors
from src.common.files import human_size
from src.common.progress import say
from src.inference.predictor import load_model
from src.inference.runtimes.base import Predictor
from src.inference.serve import PACKAGES

CLIENTS = 32
OVERLOAD = 10
PICTURES = 64
COLUMNS = ('model', 'in process', f'{CLIENTS} clients', '× the first', 'median', '99 %', 'ready', 'memory')


@dataclass
class Contender:
    """A model, in this process and served, and what was measured: pictures a second in this process and by
    the server in each round, and the seconds of all answers at half that throughput."""

    name: str
    predictor: Predictor
    server: Server
    inside: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def measure_throughput(self, pictures: Sequence[bytes], seconds: float) -> None:
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            done += sum(1 for _ in self.predictor.from_pictures(pictures))
        self.inside.append(done / (time.perf_counter() - begun))
        self.served.append(self._answered(pictures, seconds) / seconds)

    def measure_latency(self, pictures: Sequence[bytes], seconds: float) -> None:
        """At half the median throughput of the server, which was measured before."""
        self._answered(pictures, seconds, statistics.median(self.served) / 2, self.took)

    def _answered(
        self, pictures: Sequence[bytes], seconds: float, rate: float = 0, took: list[float] | None = None
    ) -> int:
        """The number of answers of the server; their seconds are added to `took`."""
        requests = [post('/classify', picture) for picture in pictures]
        answers = ask(self.server.address, requests, CLIENTS, seconds, rate)
        require_all(answers, 200)
        if took is not None:
            took += [answer.seconds for answer in answers]
        return len(answers)

    def results(self, first: Contender) -> dict:
        """Medians of the rounds, and their ratio to those of the first contender."""
        served = statistics.median(self.served)
        ratios = [own / other for own, other in zip(self.served, first.served, strict=True)]
        return {
            'in_process': statistics.median(self.inside),
            'served': served,
            'times_the_first': statistics.median(ratios),
            'rate_of_latency': served / 2,
            'median_ms': 1000 * float(np.percentile(self.took, 50)),
            '99_percent_ms': 1000 * float(np.percentile(self.took, 99)),
            'start_seconds': self.server.start_seconds,
            'memory_bytes': self.server.status('VmRSS') * 1024,
        }


def measure(contenders: Sequence[Contender], pictures: Sequence[bytes], number: int, seconds: float) -> dict:
    """Results of each contender by name, in so many alternating rounds."""
    for contender in contenders:  # warm-up
        contender.measure_throughput(pictures, 2)
        contender.inside.clear(), contender.served.clear()
    alternate(contenders, lambda c: c.measure_throughput(pictures, seconds), number)
    alternate(contenders, lambda c: c.measure_latency(pictures, seconds), number)
    return {contender.name: contender.results(contenders[0]) for contender in contenders}


def alternate(contenders: Sequence[Contender], measured: Callable[[Contender], None], number: int) -> None:
    rounds({contender.name: partial(measured, contender) for contender in contenders}, number)


def row(name: str, found: dict) -> list[str]:
    return [
        name,
        f'{found["in_process"]:,.0f} pictures/s',
        f'{found["served"]:,.0f} pictures/s',
        f'{found["times_the_first"]:.2f}',
        f'{found["median_ms"]:.1f} ms',
        f'{found["99_percent_ms"]:.1f} ms',
        f'{found["start_seconds"]:.1f} s',
        human_size(found['memory_bytes']),
    ]


def stress(
    contender: Contender, found: dict, pictures: Sequence[bytes], seconds: float, malformed: int
) -> None:
    """Overload a server, send it malformed requests, and print what came of it; it must answer after that."""
    if seconds:
        rate = OVERLOAD * found['served']
        loaded = overload(contender.server, contender.predictor, pictures, rate, seconds)
        before, highest = map(human_size, loaded['memory'])
        say(
            f'{contender.name}: {OVERLOAD} x the load: {loaded["statuses"]}, {loaded["wrong"]} wrong; '
            f'memory {before} before, {highest} at the peak'
        )
        found['overload'] = loaded
    if malformed:
        sent = send_malformed(contender.server, malformed)
        before, after = sent['threads']
        say(f'{contender.name}: malformed: {sent["statuses"]}; threads {before} before, {after} after')
        found['malformed'] = sent
        faults = schemathesis(contender.server.address)
        words = {None: 'not installed', '': 'no faults'}
        say(f'{contender.name}: schemathesis: {words.get(faults, faults)}')
    require_all(ask(contender.server.address, [post('/classify', pictures[0])], 1, 0.5), 200)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.serving', __doc__)
    add_photos(made)
    add_models(made)
    add_rounds(made, 5)
    made.add_argument(
        '--seconds', type=cli.real_number(0.5, 600), default=5, help='of each measurement (default: 5)'
    )
    made.add_argument('--overload-seconds', type=cli.real_number(0, 600), default=10, help='default: 10')
    made.add_argument('--malformed', type=cli.whole_number(0), default=1000, help='default: %(default)s')
    add_output(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    errors.require_packages('serve', *PACKAGES)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pictures = [photo.read_bytes() for photo in photos_for(args.photos, PICTURES, scratch)]
        contenders = [
            Contender(path.name, load_model(path), stack.enter_context(running(path)))
            for path in args.model or shipped()
        ]
        found = measure(contenders, pictures, args.rounds, args.seconds)
        for contender in contenders:
            stress(contender, found[contender.name], pictures, args.overload_seconds, args.malformed)
        lines = [machine_line(), f'{CLIENTS} clients on the same cores; latency at half their throughput.']
        show(args, 'Serving', lines, COLUMNS, [row(*item) for item in found.items()], found)


if __name__ == '__main__':
    errors.run(main)
