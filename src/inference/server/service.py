"""Pictures in, JSON objects out. Nothing here knows of HTTP."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from src.common.errors import UserError
from src.images.decode import DECODING, charged
from src.images.faults import BadImage, or_fault
from src.images.headers import read_header
from src.images.reader import ImageReader
from src.inference.printers import best_classes
from src.inference.server import tf_serving
from src.inference.server.admission import WAIT_SECONDS, AdmissionLimit, Busy
from src.inference.server.batching import GivenUp
from src.inference.server.explain import Explainer
from src.inference.server.fairness.turns import Shared
from src.inference.server.http.json_bodies import BadRequest
from src.inference.server.models import Models
from src.inference.server.served import Served
from src.inference.versions import for_clients
from src.inference.workers import ANSWER_SECONDS

TOP = 5
BATCH = 32  # pictures of a request, if they are as small as the model takes them
FRAME_BYTES = 1 << 16  # of a request besides its pictures
# Bytes of a JSON body. Larger ones are parsed one at a time: each of their threads would hold up all other
# requests.
LARGE_BODY = 1 << 20
QUICK_PIXELS = 1_000_000  # a larger picture decoded in the graph would delay the others of its batch


@dataclass(frozen=True)
class Limits:
    """Limits of one request: bytes of a picture and in all, and whether addresses of pictures are fetched;
    and how many pictures may be in progress at once, in all and of one client."""

    picture_bytes: int = 20_000_000
    request_bytes: int = 60_000_000
    urls: bool = False
    queue: int = 128
    per_client: int = 64


def useful_bytes(picture_bytes: int, models: Models) -> int:
    """The size of the largest request that the models have a use for: a picture of `picture_bytes`, or BATCH
    pictures of the size that a model takes, uncompressed; in base64."""
    pixels = max(math.prod(models.slot(name).served.predictor.reader.shape) for name in models.names)
    return math.ceil(4 / 3 * max(picture_bytes, BATCH * pixels)) + FRAME_BYTES


class Service:
    """Answers about pictures, by the models that are served. The methods also raise NoSuchModel, Busy,
    TooMuch and Unavailable."""

    def __init__(self, models: Models, admission: AdmissionLimit, limits: Limits):
        self.limits = limits
        self._models, self._classifier = models, Classifier(admission)
        self._explainer = Explainer(admission)
        self._parsing = Shared(None)

    def classify(
        self, pictures: Sequence[tuple[str, bytes]], model: str | None = None, top: int = TOP
    ) -> dict:
        """The `top` best classes of each (name, encoded picture), or its error.

        Raises BadRequest for a picture that is too large and for a request without one, and BadImage if the
        only picture cannot be read.
        """
        for name, data in pictures:
            if not data and not name:
                raise BadRequest('the request is empty: send an encoded picture as its body')
            self._check_bytes(data)
        begun = time.perf_counter()
        with self._models.use(model) as served:
            answers = self._classifier.classify(served, [data for _, data in pictures])
        if len(answers) == 1 and isinstance(answers[0], BadImage):
            # Taken out of the list: else the traceback refers to this frame, its list to the exception, and
            # the picture stays in memory until Python's collector of cycles runs.
            raise answers.pop()
        return {
            'model': served.name,
            'version': str(served.version),
            'milliseconds': round(1000 * (time.perf_counter() - begun), 1),
            'pictures': [
                {'name': name, **_entry(answer, served.labels, top)}
                for (name, _), answer in zip(pictures, answers, strict=True)
            ],
        }

    def explain(self, data: bytes, model: str | None = None, label: str | None = None) -> dict:
        """Grad-CAM over an encoded picture for a class (default: the best): `png`, `label`, `probability`,
        `model` and `version`.

        Raises BadRequest for a class that the model does not have and as `classify` does, BadImage, and
        UserError for a network without gradients or feature maps.
        """
        if not data:
            raise BadRequest('the request is empty: send an encoded picture as its body')
        self._check_bytes(data)
        with self._models.use(model) as served:
            try:
                found = self._explainer.explain(served, data, label)
            except UserError as error:
                raise UserError(for_clients(str(error), served.path)) from error
        return {'model': served.name, 'version': str(served.version), **found}

    def predict(self, body: bytes, name: str, version: int | None = None, label: str | None = None) -> dict:
        """The response to a request in TensorFlow Serving's format. Raises BadRequest."""
        with self._parsing.one(WAIT_SECONDS) if len(body) > LARGE_BODY else nullcontext():
            pictures, key = tf_serving.parse_predict(body)
        del body  # it may be large, and its pictures are copies
        for data in pictures:
            self._check_bytes(data)
        with self._models.use(name, version, label) as served:
            answers = self._classifier.classify(served, pictures)
        for i, answer in enumerate(answers):
            if isinstance(answer, BadImage):
                raise BadRequest(f'picture {i}: {answer}')
        return tf_serving.predictions(answers, key)

    def give_up(self) -> None:
        """Let the requests fail that are not answered yet."""
        self._models.give_up()
        self._classifier.give_up()
        self._explainer.give_up()
        self._parsing.give_up()
        DECODING.give_up()

    def _check_bytes(self, data: bytes) -> None:
        if len(data) > self.limits.picture_bytes:
            raise BadRequest(f'a picture has more than {self.limits.picture_bytes:,} bytes: send it smaller')


def _entry(answer: np.ndarray | BadImage, labels: Sequence[str], top: int) -> dict:
    if isinstance(answer, BadImage):
        return {'error': str(answer)}
    return {'classes': best_classes(answer, labels, top)}


class Classifier:
    """Encoded pictures to probabilities for all requests.

    For models that take batches, most pictures are decoded in the graph. Large and unusual ones are decoded
    before it, by at most as many threads as there are cores, within the budget of images/decode.py.
    """

    def __init__(self, admission: AdmissionLimit):
        self._admission = admission
        self._decoding = Shared(*range(os.cpu_count() or 1))

    def classify(self, served: Served, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """For each picture its probabilities [classes] float32, or why it cannot be read. Raises Busy,
        TooMuch and Unavailable."""
        with self._admission.enter(len(pictures)):
            try:
                if served.one_by_one and len(pictures) == 1:
                    return [served.answer(*pictures)]
                submitted = self._submit(served, pictures)
                return [a.result(ANSWER_SECONDS) if isinstance(a, Future) else a for a in submitted]
            except TimeoutError as error:
                raise Busy(f'no answer in {ANSWER_SECONDS} seconds: try again later') from error
            except GivenUp as error:
                raise Busy('the server is stopping') from error

    def give_up(self) -> None:
        """Let the requests fail that wait for their turn to decode."""
        self._decoding.give_up()

    def _submit(self, served: Served, pictures: Sequence[bytes]) -> list[Future | BadImage]:
        submitted: list[Future | BadImage] = []
        for picture in pictures:
            row = picture if served.one_by_one else or_fault(self._row, served.predictor.reader, picture)
            submitted.append(row if isinstance(row, BadImage) else served.batcher.submit(row))
        return submitted

    def _row(self, reader: ImageReader, picture: bytes) -> bytes | np.ndarray:
        """The picture as `Predictor.from_mixed` takes it: encoded, or decoded to pixels. Raises BadImage."""
        header = read_header(picture)
        if reader.as_in_graph(header, QUICK_PIXELS):
            return picture
        # The memory first: large pictures wait for it without holding up others.
        with charged(header, reader.ratio(header)), self._decoding.one(WAIT_SECONDS):
            return reader.read(picture, header)
