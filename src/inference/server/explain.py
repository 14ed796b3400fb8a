"""Grad-CAM over an uploaded picture, as a PNG.

The map is stretched over the whole picture, as the preprocessing of most graphs stretches the picture to the
pixels of the network. For a graph that crops, it does not fit.
"""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image

from src.drawing.overlays import overlay
from src.images.decode import charged, decode_with_pillow
from src.images.headers import read_header
from src.inference.server.admission import WAIT_SECONDS, AdmissionLimit
from src.inference.server.fairness.turns import Shared
from src.inference.server.http.json_bodies import BadRequest
from src.inference.server.served import Served

LONGEST_SIDE = 640  # pixels of the drawn picture
RATIOS = (8, 4, 2)  # by which libjpeg can divide the sides while it decodes


class Explainer:
    """Encoded pictures to Grad-CAM for all requests; as many at once as there are cores."""

    def __init__(self, admission: AdmissionLimit):
        self._admission = admission
        self._computing = Shared(*range(os.cpu_count() or 1))

    def explain(self, served: Served, data: bytes, label: str | None) -> dict:
        """The PNG, the label of the class, and its probability. `label`: None for the best class.

        Raises BadRequest for an unknown label, BadImage, UserError as `Predictor.grad_cam` does, Busy and
        Unavailable.
        """
        if label is not None and label not in served.labels:
            raise BadRequest(f'no class {label[:80]!r}: GET /classes lists them')
        with self._admission.enter(1):
            header, reader = read_header(data), served.predictor.reader
            side = max(header.width, header.height)
            ratio = next((each for each in RATIOS if side > each * LONGEST_SIDE), 1)
            # The memory first, as in `Classifier`.
            with charged(header, min(ratio, reader.ratio(header))), self._computing.one(WAIT_SECONDS):
                pixels = reader.read(data, header)
                probabilities = served.probabilities(data, pixels)
                index = int(probabilities.argmax()) if label is None else served.labels.index(label)
                importance = served.predictor.grad_cam(pixels, index)
                picture = np.asarray(_small(decode_with_pillow(data, ratio, header)))
                png = io.BytesIO()
                overlay(picture, importance).save(png, 'PNG')
        return {
            'label': served.labels[index],
            'probability': round(float(probabilities[index]), 6),
            'png': png.getvalue(),
        }

    def give_up(self) -> None:
        """Let the requests fail that wait for their turn."""
        self._computing.give_up()


def _small(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return image
