"""What is answered to pictures, as JSON objects: nothing here knows of HTTP."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass

import numpy as np

from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.reader import ImageReader
from src.inference.printers import best
from src.inference.server import tf_serving
from src.inference.server.admission import AdmissionLimit, Busy
from src.inference.server.models import Models, Served
from src.inference.server.tf_serving import BadRequest

TOP = 5


@dataclass(frozen=True)
class Limits:
    """What one request may bring: bytes of a picture and in all, and addresses to fetch pictures from."""

    picture_bytes: int = 20_000_000
    request_bytes: int = 60_000_000
    urls: bool = False


class Answers:
    """Pictures in, answers out, by the models that are served. Besides what is named below, the methods
    raise NoSuchModel, Busy and TooMuch."""

    def __init__(self, models: Models, admission: AdmissionLimit, limits: Limits):
        self.limits = limits
        self._models, self._classifier = models, Classifier(admission)

    def classify(
        self, pictures: Sequence[tuple[str, bytes]], model: str | None = None, top: int = TOP
    ) -> dict:
        """The best classes of each (name, encoded picture), or what is wrong with it. Raises BadRequest
        when one is too large or the only one is missing, and BadImage when there is but one and it is bad."""
        for name, data in pictures:
            if not data and not name:
                raise BadRequest('the request is empty: send an encoded picture as its body')
            self._check_bytes(data)
        begun = time.perf_counter()
        with self._models.use(model) as served:
            answers = self._classifier.classify(served, [data for _, data in pictures])
        if len(answers) == 1 and isinstance(answers[0], BadImage):
            raise answers[0]
        return {
            'model': served.name,
            'version': str(served.version),
            'milliseconds': round(1000 * (time.perf_counter() - begun), 1),
            'pictures': [
                {'name': name, **_told(answer, served.labels, top)}
                for (name, _), answer in zip(pictures, answers, strict=True)
            ],
        }

    def predict(self, body: bytes, name: str, version: int | None = None) -> dict:
        """The answer to a request in TensorFlow Serving's format. Raises BadRequest."""
        pictures, answered = tf_serving.parse_predict(body)
        for data in pictures:
            self._check_bytes(data)
        with self._models.use(name, version) as served:
            answers = self._classifier.classify(served, pictures)
        for i, answer in enumerate(answers):
            if isinstance(answer, BadImage):
                raise BadRequest(f'picture {i}: {answer}')
        return tf_serving.predictions(answers, answered)

    def _check_bytes(self, data: bytes) -> None:
        if len(data) > self.limits.picture_bytes:
            raise BadRequest(f'a picture of more than {self.limits.picture_bytes:,} bytes: send it smaller')


def _told(answer: np.ndarray | BadImage, labels: Sequence[str], top: int) -> dict:
    if isinstance(answer, BadImage):
        return {'error': str(answer)}
    return {
        'classes': [
            {'label': labels[i], 'probability': round(float(answer[i]), 6)} for i in best(answer, top)
        ]
    }


ANSWER_SECONDS = 60


QUICK_PIXELS = 1_000_000  # decoding more would keep the others of its batch waiting


class Classifier:
    """Pictures to probabilities for all requests, in batches. Most are decoded in the graph; large and odd
    ones before that, by as many threads as there are cores, so that memory stays flat."""

    def __init__(self, admission: AdmissionLimit):
        self._gate = admission
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
        header = read_header(picture)
        if reader.as_in_graph(header, QUICK_PIXELS):
            return picture
        with self._decoding:
            return reader.read(picture, header)
