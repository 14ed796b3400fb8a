"""What a server does under too many and under malformed requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from benchmarks.clients import Answer, ask, ask_once, post
from benchmarks.malformed import malformed, tiny_picture
from benchmarks.served import Server
from src.inference.runtimes.base import Predictor

CLIENTS = 300
CHUNK = 500  # malformed requests that are sent at a time


def overload(
    server: Server, predictor: Predictor, pictures: Sequence[bytes], rate: float, seconds: float
) -> dict:
    """Send requests at `rate`. Returns the number of answers by status, the number of wrong answers, and the
    memory in bytes before and at the peak. `predictor` is that of the served model."""
    expected = [predictor.labels[row.argmax()] for row in predictor.from_pictures(pictures)]
    before = server.status('VmRSS')
    requests = [post('/classify?top=1', picture) for picture in pictures]
    answers = ask(server.address, requests, CLIENTS, seconds, rate)
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
    for chunk in iter(lambda: list(islice(requests, min(CHUNK, number - statuses.total()))), []):
        for answer in ask_once(server.address, chunk):
            statuses[answer] += 1
    return {'statuses': dict(statuses), 'threads': (threads, server.status('Threads'))}
