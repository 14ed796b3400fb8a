"""How long a normal client of a server waits while others send hostile pictures, and the memory it takes.

    python -m benchmarks.attackers
    python -m benchmarks.attackers PHOTOS_DIR --model frozen/dogs.pb --seconds 60 --json found.json

Starts `python -m src.inference.serve` for each model. A client sends photos one by one and measures its
answers: first alone, then while so many attackers send the pictures of hostile_files.py, each its next one as
soon as it has an answer. The attackers have an address (127.0.0.2), or with --addresses one each; the client
has another one. Linux gives a machine all addresses that begin with 127. The memory is that of the server and
its processes together, before the attack and at most during it.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hostile_files import FILES
from benchmarks.machine import machine, machine_line
from benchmarks.photos import add_photos, photos_for
from benchmarks.served import Server, add_models, running, shipped
from benchmarks.table import add_output, show
from src.common import cli, errors
from src.common.files import human_size
from src.common.progress import progress
from src.inference.serve import PACKAGES

PICTURES = 64
ALONE_SECONDS = 5
BETWEEN = 0.05  # seconds between the requests of the client
PATIENCE = 60  # seconds for an answer
CLIENT = '127.0.0.1'
COLUMNS = ('model', 'alone, median', 'slowest', 'beside, median', 'slowest', 'refused', 'idle', 'maximum')


def ask(server: Server, source: str, data: bytes) -> int:
    """The status of the answer to a picture that is sent from an address; 0 if the connection breaks."""
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE, source_address=(source, 0))
    try:
        connection.request('POST', '/classify', data)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


class Attacker(threading.Thread):
    """Sends hostile pictures in turn, from the one with its number on, until `leave` is set."""

    def __init__(self, server: Server, source: str, pictures: Sequence[bytes], number: int):
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.leave = threading.Event()
        self._server, self._source = server, source
        self._pictures = itertools.cycle([*pictures[number:], *pictures[:number]])

    def run(self) -> None:
        while not self.leave.is_set():
            self.statuses[ask(self._server, self._source, next(self._pictures))] += 1


def answers(server: Server, photos: Sequence[bytes], seconds: float) -> tuple[list[float], list[int], int]:
    """The seconds until each answer to a client, their statuses, and the most memory of the server, bytes."""
    waited, statuses, most = [], [], 0
    begun = time.monotonic()
    with progress(round(seconds), server.model, 's') as bar:
        for photo in itertools.cycle(photos):
            asked = time.monotonic()
            if asked - begun > seconds:
                return waited, statuses, most
            statuses.append(ask(server, CLIENT, photo))
            waited.append(time.monotonic() - asked)
            most = max(most, server.status('VmRSS') * 1024)
            bar.update(round(asked - begun) - bar.n)
            time.sleep(BETWEEN)


def measure(server: Server, photos: Sequence[bytes], pictures: Sequence[bytes], args) -> dict:
    """The figures of a server."""
    alone, statuses, idle = answers(server, photos, ALONE_SECONDS)
    attackers = [
        Attacker(
            server,
            f'127.0.0.{2 + number * args.addresses}',
            pictures,
            number * len(pictures) // args.attackers,
        )
        for number in range(args.attackers)
    ]
    for attacker in attackers:
        attacker.start()
    beside, during, most = answers(server, photos, args.seconds)
    for attacker in attackers:
        attacker.leave.set()
    for attacker in attackers:
        attacker.join(PATIENCE)
    return {
        'alone': alone,
        'beside': beside,
        'statuses': dict(Counter(statuses + during)),
        'attackers': dict(sum((attacker.statuses for attacker in attackers), Counter())),
        'memory': (idle, most),
    }


def row(name: str, found: dict) -> list[str]:
    """The cells of COLUMNS."""
    times = [f(found[when]) for when in ('alone', 'beside') for f in (statistics.median, max)]
    refused = sum(number for status, number in found['statuses'].items() if status != 200)
    return [name, *(f'{t * 1000:,.0f} ms' for t in times), f'{refused:,}', *map(human_size, found['memory'])]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.attackers', __doc__)
    add_photos(made)
    add_models(made)
    made.add_argument(
        '--seconds', type=cli.real_number(1, 100_000), default=60, help='of the attack (default: %(default)s)'
    )
    made.add_argument('--attackers', type=cli.whole_number(1, 200), default=8, help='default: %(default)s')
    made.add_argument(
        '--addresses', action='store_true', help='an address for each attacker, not one for all'
    )
    made.add_argument('--files', nargs='+', choices=FILES, metavar='FILE', help='default: all')
    add_output(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    errors.require_packages('serve', *PACKAGES)
    results, rows = {'machine': machine(), 'models': {}}, []
    pictures = [FILES[name]() for name in args.files or FILES]
    with tempfile.TemporaryDirectory() as scratch:
        photos = [photo.read_bytes() for photo in photos_for(args.photos, PICTURES, Path(scratch))]
        for path in args.model or shipped():
            with running(path) as server:
                results['models'][path.name] = found = measure(server, photos, pictures, args)
            rows.append(row(path.name, found))
    title = f'A client beside {args.attackers} attackers'
    lines = [
        machine_line(),
        *(
            f'answers to the attackers of {name}: {found["attackers"]}'
            for name, found in results['models'].items()
        ),
    ]
    show(args, title, lines, COLUMNS, rows, results)


if __name__ == '__main__':
    errors.run(main)
