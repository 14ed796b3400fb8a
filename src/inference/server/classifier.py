"""Encoded pictures to probabilities, for the requests of many threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError

import numpy as np

from src.images.faults import BadImage
from src.images.reader import ImageReader
from src.inference.server.admission import Busy, Gate
from src.inference.server.models import Served

ANSWER_SECONDS = 60
QUICK_PIXELS = 1_000_000  # decoding more would keep the others of its batch waiting


class Classifier:
    """Pictures to probabilities for all requests, in batches. Most are decoded in the graph; large and odd
    ones before that, by as many threads as there are cores, so that memory stays flat."""

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
        submitted: list[Future | BadImage] = []
        for picture in pictures:
            try:
                submitted.append(served.batcher.submit(self._row(served.predictor.reader, picture)))
            except BadImage as fault:
                submitted.append(fault)
        return submitted

    def _row(self, reader: ImageReader, picture: bytes) -> bytes | np.ndarray:
        """The picture as its batch takes it. Raises BadImage."""
        if reader.as_in_graph(picture, QUICK_PIXELS):
            return picture
        with self._decoding:
            return reader.read(picture)
