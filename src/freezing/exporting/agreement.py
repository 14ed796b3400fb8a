"""How far the probabilities of an exported model are from those of its graph, on real photos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.progress import progress
from src.freezing.exporting.photos import UNKNOWN, Photos
from src.inference.runtimes.tensorflow import TensorFlowPredictor

BATCH = 32
# Maximum absolute difference of a probability in float32: sums in another order, and other kernels. It stays
# below 1e-5 for the networks that were tried; a wrong conversion differs by tenths.
TOLERANCE = 1e-3


class Network(Protocol):
    """An exported model: [N, height, width, 3] float32 to probabilities [N, classes] float32."""

    def run(self, pixels: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Agreement:
    """An exported model (`exported`) and its graph (`graph`) on some photos.

    difference: maximum absolute difference of a probability; `mean_difference`: of the most likely class.
    same_top_1: share of the photos to which both give the same class.
    top_1: share that each names correctly, if the classes of the photos are known.
    """

    photos: int
    what: str
    difference: float
    mean_difference: float
    same_top_1: float
    top_1: dict[str, float] | None

    def facts(self) -> dict[str, Any]:
        """What `model_info` says of it."""
        facts = {
            'photos': self.photos,
            'what': self.what,
            'max_difference': self.difference,
            'mean_difference': self.mean_difference,
            'same_top_1': self.same_top_1,
        }
        return facts | ({'top_1': self.top_1} if self.top_1 else {})


def compare(predictor: TensorFlowPredictor, network: Network, photos: Photos) -> Agreement:
    """Compare an exported model with its graph, on the same pixels.

    Memory: a batch of pictures, and the probabilities of all. Raises UserError when no photo can be read, or
    when the exported model gives a value that is not a number.
    """
    expected, given, labels = [], [], []
    with progress(photos.number, 'comparing with the graph', 'photos') as bar:
        for pixels, label in _batches(photos, predictor):
            expected.append(predictor.from_pixels(pixels))
            given.append(_run(network, pixels))
            labels += label
            bar.update(len(label))
    if not labels:
        why = next(iter(photos.skipped.values()), 'there are none')
        raise UserError(
            f'no photo of {paths.shown(photos.folder)} can be read ({why}): the model cannot be checked'
        )
    return _agreement(np.concatenate(expected), np.concatenate(given), np.array(labels), photos.what)


def _batches(photos: Photos, predictor: TensorFlowPredictor) -> Iterator[tuple[np.ndarray, list[int]]]:
    read = photos.pixels(photos.checked, predictor.reader)
    while batch := list(islice(read, BATCH)):
        pixels, labels = zip(*batch, strict=True)
        yield np.stack(pixels), list(labels)


def _run(network: Network, pixels: np.ndarray) -> np.ndarray:
    """The probabilities of a batch, a part of it for each core."""
    cores = os.cpu_count() or 1
    parts = [part for part in np.array_split(pixels, cores) if len(part)]
    with ThreadPoolExecutor(cores) as pool:
        return np.concatenate(list(pool.map(network.run, parts)))


def _agreement(expected: np.ndarray, given: np.ndarray, labels: np.ndarray, what: str) -> Agreement:
    """Of probabilities [N, classes] and labels [N]."""
    if not np.isfinite(given).all():
        raise UserError('the exported model gives values that are no numbers; it was not kept')
    difference = np.abs(given - expected)
    best, found = expected.argmax(1), given.argmax(1)
    known = labels != UNKNOWN
    top_1 = None
    if known.all():
        top_1 = {'graph': float((best == labels).mean()), 'exported': float((found == labels).mean())}
    return Agreement(
        len(labels),
        what,
        float(difference.max()),
        float(difference[np.arange(len(best)), best].mean()),
        float((best == found).mean()),
        top_1,
    )
