"""The proof that a frozen file gives the probabilities of the model it was made from, on real pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path

import numpy as np

from src.common import consts
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.learner import TrainedGraph
from src.graph.graph_io import read_graph
from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.reader import ImageReader
from src.inference.predictor import load_model
from src.records.dataset import Records, pictures

PROOF_PICTURES = 32
TOLERANCE = (
    1e-4  # maximum absolute difference of a probability; float32 sums in another order stay below 1e-5
)


def prove(
    frozen: Path, model: TrainedGraph, encoded: Iterable[bytes], classes: int, trained: str
) -> tuple[float, int]:
    """Compare the frozen file with the model of so many classes, from the first PROOF_PICTURES of some real
    encoded pictures, one by one and in a batch.

    A model whose backbone is loaded as it was released proves the rewriting of the backbone too. `trained`
    names the model in messages. Returns the maximum absolute difference of a probability, and the number of
    pictures. Raises UserError when there are no pictures, or when the difference exceeds TOLERANCE.
    """
    reader = ImageReader(model.graph_def, model.preprocessing)
    pixels, readable = [], []
    for data in encoded:
        with contextlib.suppress(BadImage):
            pixels.append(reader.read(data))
            readable.append(data)
        if len(readable) == PROOF_PICTURES:
            break
    # The graph itself decodes without Pillow and at full size: only pictures that it sees alike are compared.
    alike = [reader.as_in_graph(read_header(data)) for data in readable]
    reader.close()
    if not readable:
        raise UserError('there are no pictures to check the frozen graph on: it was not kept')
    expected = _expected(model, pixels, classes)
    batched = np.stack(list(load_model(frozen).from_pictures(readable)))
    difference = np.abs(batched - expected).max()
    if any(alike):
        single = _one_by_one(frozen, model.preprocessing.image, list(compress(readable, alike)))
        difference = max(difference, np.abs(single - expected[alike]).max())
    if not difference <= TOLERANCE:
        raise UserError(
            f'the frozen graph does not give the probabilities of {trained}: they differ by '
            f'{difference:.1e}, more than {TOLERANCE:.0e}; it was not kept'
        )
    return float(difference), len(readable)


def _expected(model: TrainedGraph, pixels: list[np.ndarray], classes: int) -> np.ndarray:
    """Probabilities [N, classes] float32 of the model itself, picture by picture."""
    with tf.Graph().as_default(), tf.Session() as session:
        output = model.attach(session, classes).probabilities
        rows = [session.run(output, {model.preprocessing.pixels: one[None]}) for one in pixels]
    return np.concatenate(rows)


def _one_by_one(frozen: Path, image: str, encoded: list[bytes]) -> np.ndarray:
    """[N, classes] of the file used as in 2015: one session call for each encoded image."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(read_graph(frozen), name='')
        rows = [session.run(consts.OUTPUT_TENSOR_NAME, {image: data}) for data in encoded]
    return np.concatenate(rows)


def pictures_of(records: Records) -> Iterator[bytes]:
    """The encoded pictures of records, those of the test split first."""
    for split in reversed(consts.SPLITS):
        yield from (data for _, data in pictures(records, split))
