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
from src.images.decode import decode_with_pillow
from src.images.headers import read_header
from src.inference.server.admission import AdmissionLimit
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

        Raises BadRequest for an unknown label, BadImage, UserError as `Predictor.grad_cam` does, Busy.
        """
        if label is not None and label not in served.labels:
            raise BadRequest(f'no class {label[:80]!r}: GET /classes lists them')
        with self._admission.enter(1), self._computing.one():
            header = read_header(data)
            pixels = served.predictor.reader.read(data, header)
            probabilities = served.probabilities(data, pixels)
            index = int(probabilities.argmax()) if label is None else served.labels.index(label)
            importance = served.predictor.grad_cam(pixels, index)
            ratio = next(
                r for r in (*RATIOS, 1) if r == 1 or max(header.width, header.height) > r * LONGEST_SIDE
            )
            picture = np.asarray(_small(decode_with_pillow(data, ratio, header)))
            png = io.BytesIO()
            overlay(picture, importance).save(png, 'PNG')
        return {
            'label': served.labels[index],
            'probability': round(float(probabilities[index]), 6),
            'png': png.getvalue(),
        }


def _small(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return image
