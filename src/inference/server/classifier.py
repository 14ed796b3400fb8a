"""Encoded pictures to probabilities, for the requests of many threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError

import numpy as np

from src.images.faults import BadImage
from src.inference.server.gate import Busy, Gate
from src.inference.server.models import Served

ANSWER_SECONDS = 60


class Classifier:
    """Pictures to probabilities for all requests: decoded by as many threads as there are cores, so that
    memory stays flat, and run through the graph in batches."""

    def __init__(self, gate: Gate):
        self._gate = gate
        self._decoding = threading.Semaphore(os.cpu_count() or 1)

    def classify(self, served: Served, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """For each picture its probabilities [classes], or what is wrong with it. Raises Busy
        and TooMuch."""
        with self._gate.enter(len(pictures)):
            submitted = self._submit(served, pictures)
            try:
                return [a.result(ANSWER_SECONDS) if isinstance(a, Future) else a for a in submitted]
            except TimeoutError as error:
                raise Busy(f'no answer in {ANSWER_SECONDS} seconds: try again later') from error

    def _submit(self, served: Served, pictures: Sequence[bytes]) -> list[Future | BadImage]:
        missing = len(pictures)
        served.batcher.expect(missing)
        submitted: list[Future | BadImage] = []
        try:
            for picture in pictures:
                try:
                    with self._decoding:
                        pixels = served.predictor.reader.read(picture)
                except BadImage as fault:
                    submitted.append(fault)
                else:
                    submitted.append(served.batcher.submit(pixels))
                    missing -= 1
        finally:
            served.batcher.expect(-missing)
        return submitted
