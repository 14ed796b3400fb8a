"""The proof that a frozen file answers as what it was made from does, on real records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import compress, islice
from pathlib import Path

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import read_graph
from src.graph.preprocessing.find import Preprocessing
from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.reader import ImageReader
from src.inference.predictor import load_model
from src.records.dataset import Records, pictures

PROOF_PICTURES = 32
TOLERANCE = 1e-4  # largest difference of a probability; float32 sums in another order stay below 1e-5


def prove(
    frozen: Path,
    graph_def: tf.GraphDef,
    preprocessing: Preprocessing,
    wanted: Callable[[list[np.ndarray]], np.ndarray],
    records: Records,
    checkpoint: str,
) -> tuple[float, int]:
    """The largest difference between the frozen file's answers and those that are `wanted` of pixels, from
    real encoded pictures one by one and in a batch; and the number of pictures. `graph_def` holds the
    preprocessing.

    Raises UserError when there are no pictures to prove it on, or when the answers differ.
    """
    reader = ImageReader(graph_def, preprocessing)
    pixels, readable = [], []
    for _, data in islice(_any_pictures(records), PROOF_PICTURES):
        with contextlib.suppress(BadImage):
            pixels.append(reader.read(data))
            readable.append(data)
    # There is no Pillow in the graph itself, and no choice of scale: compared there is what it sees alike.
    alike = [reader.as_in_graph(read_header(data)) for data in readable]
    reader.close()
    if not readable:
        raise UserError(f'{paths.shown(records.folder)} holds no pictures to prove the model on')
    right = wanted(pixels)
    batched = np.stack(list(load_model(frozen).from_pictures(readable)))
    gap = np.abs(batched - right).max()
    if any(alike):
        single = _one_by_one(frozen, preprocessing.image, list(compress(readable, alike)))
        gap = max(gap, np.abs(single - right[alike]).max())
    if not gap <= TOLERANCE:
        raise UserError(
            f'the frozen graph does not answer as {paths.shown(checkpoint)} does: probabilities differ by '
            f'{gap:.1e}, more than {TOLERANCE:.0e}; it was not kept'
        )
    return float(gap), len(readable)


def _one_by_one(frozen: Path, image: str, encoded: list[bytes]) -> np.ndarray:
    """[N, classes] of the file used as in 2015: one session call for each encoded image."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(read_graph(frozen), name='')
        rows = [session.run(consts.OUTPUT_TENSOR_NAME, {image: data}) for data in encoded]
    return np.concatenate(rows)


def _any_pictures(records: Records):
    for split in reversed(consts.SPLITS):
        yield from pictures(records, split)
