"""A server under load for an hour: nothing lost, nothing wrong, memory flat, and an honest end.

    python -m benchmarks.soak
    python -m benchmarks.soak PHOTOS_DIR --model frozen/dogs.pb --minutes 60 --clients 64 --json soak.json

Starts `python -m src.inference.serve` for each model. So many clients send real pictures over connections
that they keep, as bytes and as JSON in turn, each its next request as soon as it has its answer; every answer
is compared with that of the model in this process. At the end the server gets SIGTERM while the clients go
on: each request that it took must be answered, its line and exit code must say so, and it must end within its
grace period. The memory is that of the server and its processes together.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine, machine_line
from benchmarks.photos import add_photos, photos_for
from benchmarks.served import Server, add_models, running, shipped
from benchmarks.soak_clients import Client, Question, questions
from benchmarks.table import add_output, show
from src.common import cli, errors
from src.common.errors import UserError
from src.common.files import human_size
from src.common.progress import progress
from src.inference.predictor import load_model
from src.inference.serve import PACKAGES
from src.inference.server.http.listening import STOP_SECONDS

PICTURES = 64
SAMPLES = 400  # of the memory
END_SECONDS = STOP_SECONDS + 5  # the grace period, in which the server must have ended
HONEST = 'stopped; all requests that had arrived were answered'
COLUMNS = (
    *('model', 'answers', 'a second', 'refused', 'wrong', 'lost'),
    *('first quarter', 'last quarter', 'maximum', 'end'),
)


def soak(server: Server, asked: Sequence[Question], clients: int, seconds: float) -> dict:
    """What became of the requests, the memory in bytes over time, and how the server ended."""
    begun = time.monotonic()
    running_clients = [Client(server.address, asked, number) for number in range(clients)]
    memory = []
    with progress(round(seconds), server.model, 's') as bar:
        while (passed := time.monotonic() - begun) < seconds and server.process.poll() is None:
            memory.append(server.status('VmRSS') * 1024)
            bar.update(round(passed) - bar.n)
            time.sleep(min(max(1.0, seconds / SAMPLES), seconds))
    loaded = sum((client.counts for client in running_clients), Counter())
    ended = end(server)
    for client in running_clients:
        client.leave.set()
        client.join(END_SECONDS)
    counts = sum((client.counts for client in running_clients), Counter())
    return {
        'counts': dict(counts),
        'a_second': loaded.total() / (time.monotonic() - begun - ended['seconds']),
        'memory': memory,
        'end': ended,
    }


def end(server: Server) -> dict:
    """Send SIGTERM. Returns the seconds until the server ended, its exit code and its last line."""
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    output = server.process.stdout.read()
    code = server.process.wait()
    return {'seconds': time.monotonic() - begun, 'code': code, 'line': output.strip().rpartition('\n')[2]}


def faults(found: dict) -> list[str]:
    """What did not hold, in words."""
    counts, ended = found['counts'], found['end']
    bad = [f'{counts[name]:,} {name}' for name in ('wrong', 'lost', 'errors') if counts.get(name)]
    if ended['code']:
        bad.append(f'exit code {ended["code"]}')
    if ended['line'].startswith(HONEST) == bool(counts.get('lost')):
        bad.append(f'the server says {ended["line"]!r}')
    if ended['seconds'] > END_SECONDS:
        bad.append(f'it ended after {ended["seconds"]:.0f} seconds')
    return bad


def quarters(memory: Sequence[int]) -> tuple[float, float]:
    """The median memory in the first and in the last quarter of the time."""
    quarter = max(1, len(memory) // 4)
    return statistics.median(memory[:quarter]), statistics.median(memory[-quarter:])


def row(name: str, found: dict) -> list[str]:
    """The cells of COLUMNS."""
    counts = Counter(found['counts'])
    memory = *quarters(found['memory']), max(found['memory'])
    return [
        name,
        f'{counts.total():,}',
        f'{found["a_second"]:,.0f}',
        *(f'{counts[name]:,}' for name in ('refused', 'wrong', 'lost')),
        *map(human_size, map(round, memory)),
        f'{found["end"]["seconds"]:.1f} s',
    ]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.soak', __doc__)
    add_photos(made)
    add_models(made)
    made.add_argument(
        '--minutes', type=cli.real_number(0.01, 100_000), default=60, help='of each model (default: 60)'
    )
    made.add_argument('--clients', type=cli.whole_number(1, 1000), default=64, help='default: %(default)s')
    add_output(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    errors.require_packages('serve', *PACKAGES)
    results, rows, bad = {'machine': machine(), 'models': {}}, [], []
    with tempfile.TemporaryDirectory() as scratch:
        pictures = [photo.read_bytes() for photo in photos_for(args.photos, PICTURES, Path(scratch))]
        for path in args.model or shipped():
            asked = questions(path.stem, load_model(path), pictures)
            with running(path, '--queue', str(2 * args.clients)) as server:
                found = soak(server, asked, args.clients, 60 * args.minutes)
            results['models'][path.name] = found
            rows.append(row(path.name, found))
            bad += [f'{path.name}: {fault}' for fault in faults(found)]
    lines = [machine_line(), f'{args.clients} clients on the same cores, {args.minutes:g} minutes']
    show(args, 'Soak', lines, COLUMNS, rows, results)
    if bad:
        raise UserError('; '.join(bad))


if __name__ == '__main__':
    errors.run(main)
