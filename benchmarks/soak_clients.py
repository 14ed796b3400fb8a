"""Clients of a soak test: they ask without a pause, compare each answer with the right one, and go on while
the server stops."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple

import numpy as np

from benchmarks.clients import post
from src.common.consts import SERVING_INPUT
from src.inference.runtimes.base import Predictor

TOLERANCE = 1e-3  # of a probability: batches differ in the last digits
SECONDS = 60  # without an answer, after which a request is lost


class Question(NamedTuple):
    """A request as bytes, and the right answer: probabilities [classes] by label."""

    request: bytes
    right: dict[str, float]

    def is_answered_by(self, body: bytes) -> bool:
        """Whether an answer of either route is right."""
        answer = json.loads(body)
        if rows := answer.get('predictions'):
            return np.allclose(rows[0], list(self.right.values()), 0, TOLERANCE)
        (best,) = answer['pictures'][0]['classes']
        right = self.right[best['label']]
        return abs(best['probability'] - right) < TOLERANCE and right > max(self.right.values()) - TOLERANCE


def questions(model: str, predictor: Predictor, pictures: Sequence[bytes]) -> list[Question]:
    """Each picture for the binary route and for the JSON route in turn."""
    made = []
    for picture, row in zip(pictures, predictor.from_pictures(pictures), strict=True):
        right = dict(zip(predictor.labels, map(float, row), strict=True))
        instance = {SERVING_INPUT: {'b64': base64.b64encode(picture).decode()}}
        body = json.dumps({'instances': [instance]}).encode()
        made.append(Question(post('/classify?top=1', picture), right))
        made.append(Question(post(f'/v1/models/{model}:predict', body, 'application/json'), right))
    return made


class Client(threading.Thread):
    """Asks the questions over one connection, and over a new one when the server closes it, until there is no
    server any more or `leave` is set.

    counts: of answers `right`, `wrong`, `refused` (503) and of other `errors`; `lost`: requests without an
        answer on a connection that had been answered before; `unheard`: the same on a new connection, which
        the server need not have accepted.
    """

    def __init__(self, address: tuple[str, int], asked: Sequence[Question], first: int):
        super().__init__(daemon=True)
        self.counts: Counter[str] = Counter()
        self.leave = threading.Event()
        self._address, self._asked, self._next = address, asked, first
        self.start()

    def run(self) -> None:
        while not self.leave.is_set():
            try:
                connection = socket.create_connection(self._address, SECONDS)
            except OSError:  # the server has stopped
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for outcome in self._outcomes(connection):
                    self.counts[outcome] += 1

    def _outcomes(self, connection: socket.socket) -> Iterator[str]:
        """What becomes of each request on a connection, until it is closed."""
        fresh, closing = True, False
        while not closing and not self.leave.is_set():
            question = self._asked[self._next % len(self._asked)]
            self._next += 1
            try:
                connection.sendall(question.request)
                response = HTTPResponse(connection, method='POST')
                response.begin()
                body, closing = response.read(), response.will_close
            except (OSError, HTTPException):
                yield 'unheard' if fresh else 'lost'
                return
            fresh = False
            if response.status == 200:
                yield 'right' if question.is_answered_by(body) else 'wrong'
            else:
                yield 'refused' if response.status == 503 else 'errors'
