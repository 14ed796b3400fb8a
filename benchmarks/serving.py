"""Serving: throughput, latency, overload and malformed requests.

    python -m benchmarks.serving
    python -m benchmarks.serving PHOTOS_DIR --model frozen/dogs.pb --overload-seconds 60 --malformed 10000

Starts `python -m src.inference.serve` and sends it requests over loopback, from the same cores:

- *throughput*: 32 clients, each sending its next request as soon as it has its answer, alternating with the
  same graph in this process in batches of 32 (`Predictor.from_pictures`), both from the same JPEG bytes;
- *latency*: requests at half that throughput, timed from when they fall due;
- *overload*: ten times the throughput over many connections; accepted answers are compared with those of the
  graph, and the memory of the server is recorded;
- *malformed*: damaged pictures, bodies and headers, after which the server must still answer.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.clients import Answer, ask, ask_once, post
from benchmarks.machine import add_rounds, machine_line
from benchmarks.malformed import malformed, tiny_picture
from benchmarks.photos import add_photos, photos_for
from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import human_size
from src.common.progress import say
from src.inference.predictor import Predictor, load_model
from src.inference.serve import PACKAGES

CLIENTS = 32
OVERLOAD, OVERLOAD_CLIENTS = 10, 300
PICTURES = 64


@dataclass(frozen=True)
class Server:
    """A running server: its address, process id and model."""

    address: tuple[str, int]
    pid: int
    model: str

    def status(self, key: str) -> int:
        """A number from /proc/<pid>/status, such as Threads, VmRSS or VmHWM (kB)."""
        return int(re.search(rf'^{key}:\s+(\d+)', Path(f'/proc/{self.pid}/status').read_text(), re.M)[1])


@contextmanager
def running(model: Path) -> Iterator[Server]:
    """A server in its own process, stopped at the end. Raises UserError if it does not start."""
    command = [sys.executable, '-m', 'src.inference.serve', '--port', '0', '--model', str(model.resolve())]
    process = subprocess.Popen(
        command, cwd=paths.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        for line in process.stdout:
            if found := re.match(r'open http://127.0.0.1:(\d+)/', line):
                yield Server(('127.0.0.1', int(found[1])), process.pid, model.stem)
                break
        else:
            raise UserError(f'the server does not start: try {" ".join(command[1:])}')
    finally:
        process.terminate()
        process.wait(60)


def throughput(
    server: Server, predictor: Predictor, pictures: Sequence[bytes], rounds: int, seconds: float
) -> tuple[float, float]:
    """Pictures a second in this process and by the server: medians over the rounds."""
    requests = [post('/classify', picture) for picture in pictures]
    inside, served = [], []
    for _ in range(rounds):
        inside.append(_in_process(predictor, pictures, seconds))
        answers = ask(server.address, requests, CLIENTS, seconds)
        _require_all(answers, 200)
        served.append(len(answers) / seconds)
    return statistics.median(inside), statistics.median(served)


def _in_process(predictor: Predictor, pictures: Sequence[bytes], seconds: float) -> float:
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += sum(1 for _ in predictor.from_pictures(pictures))
    return done / (time.perf_counter() - begun)


def latency(server: Server, pictures: Sequence[bytes], rate: float, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile in seconds, at `rate` requests a second."""
    answers = ask(
        server.address, [post('/classify', picture) for picture in pictures], CLIENTS, seconds, rate
    )
    _require_all(answers, 200)
    took = [answer.seconds for answer in answers]
    return float(np.percentile(took, 50)), float(np.percentile(took, 99))


def overload(
    server: Server, predictor: Predictor, pictures: Sequence[bytes], rate: float, seconds: float
) -> dict:
    """Send requests at `rate`. Returns the number of answers by status, the number of wrong answers, and the
    memory in bytes before and at the peak."""
    expected = [predictor.labels[row.argmax()] for row in predictor.from_pictures(pictures)]
    before = server.status('VmRSS')
    requests = [post('/classify?top=1', picture) for picture in pictures]
    answers = ask(server.address, requests, OVERLOAD_CLIENTS, seconds, rate)
    accepted = [answer for answer in answers if answer.status == 200]
    wrong = sum(_best(answer) != expected[answer.index] for answer in accepted)
    return {
        'statuses': dict(Counter(answer.status for answer in answers)),
        'wrong': wrong,
        'memory': (before * 1024, server.status('VmHWM') * 1024),
    }


def _best(answer: Answer) -> str:
    return json.loads(answer.body)['pictures'][0]['classes'][0]['label']


def send_malformed(server: Server, number: int, seed: int = 1) -> dict:
    """Statuses of malformed requests (0: the connection was closed), and threads before and after."""
    threads = server.status('Threads')
    statuses: Counter[int] = Counter()
    requests = malformed(tiny_picture(), server.model, seed)
    for chunk in iter(lambda: list(islice(requests, min(500, number - statuses.total()))), []):
        for answer in ask_once(server.address, chunk):
            statuses[answer] += 1
    return {'statuses': dict(statuses), 'threads': (threads, server.status('Threads'))}


def _require_all(answers: Sequence[Answer], status: int) -> None:
    others = Counter(answer.status for answer in answers if answer.status != status)
    if others:
        raise UserError(
            f'{others.total()} of {len(answers)} requests were not answered {status}: {dict(others)}'
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.serving', __doc__)
    add_photos(made)
    made.add_argument(
        '--model', type=Path, metavar='PB', default=paths.POCKET_DOGS, help='default: %(default)s'
    )
    add_rounds(made, 5)
    made.add_argument(
        '--seconds', type=cli.real_number(0.5, 600), default=5, help='of each measurement (default: 5)'
    )
    made.add_argument('--overload-seconds', type=cli.real_number(0, 600), default=10, help='default: 10')
    made.add_argument('--malformed', type=cli.whole_number(0), default=1000, help='default: %(default)s')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    errors.require_packages('serve', *PACKAGES)
    predictor = load_model(args.model)
    with tempfile.TemporaryDirectory() as scratch, running(args.model) as server:
        pictures = [photo.read_bytes() for photo in photos_for(args.photos, PICTURES, Path(scratch))]
        ask(server.address, [post('/classify', picture) for picture in pictures], CLIENTS, 2)  # warm-up
        _in_process(predictor, pictures, 2)
        say(machine_line())
        inside, served = throughput(server, predictor, pictures, args.rounds, args.seconds)
        say(f'in process      {inside:8.1f} pictures/s, in batches')
        say(f'{CLIENTS} clients      {served:8.1f} pictures/s, {served / inside:.2f} times that')
        median, worst = latency(server, pictures, served / 2, args.seconds * 2)
        say(f'half that load  median {1000 * median:.1f} ms, 99 % within {1000 * worst:.1f} ms')
        if args.overload_seconds:
            found = overload(server, predictor, pictures, served * OVERLOAD, args.overload_seconds)
            before, highest = map(human_size, found['memory'])
            say(f'{OVERLOAD} x the load   {found["statuses"]}, {found["wrong"]} wrong answers')
            say(f'                memory {before} before, {highest} at the peak')
        if args.malformed:
            found = send_malformed(server, args.malformed)
            before, after = found['threads']
            say(f'malformed       {found["statuses"]}; threads {before} before, {after} after')
        _require_all(ask(server.address, [post('/classify', pictures[0])], 1, 0.5), 200)


if __name__ == '__main__':
    errors.run(main)
