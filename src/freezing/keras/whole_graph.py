"""Decoding, resizing and facts around the graph of Keras, and the comparison with Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts
from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing.keras import child
from src.graph.backbones import load_tried
from src.graph.graph_io import node_of, nodes_by_name, read_graph, write_graph
from src.graph.model_info import with_facts
from src.graph.preprocessing.prepend import prepend
from src.inference.predictor import load_model

# Maximum difference from Keras: of a probability, and of a bottleneck as a fraction of its largest value.
# Folded batch norms and float32 sums in another order stay below 1e-5.
TOLERANCE = 1e-4


def write_whole(folder: Path, labels: Sequence[str], info: dict[str, Any], path: Path) -> None:
    """Write the graph of Keras in `folder` with decoding and resizing before it, and with `labels` and
    `model_info`."""
    network = folder / child.NETWORK
    graph_def = read_graph(network)
    pixels = nodes_by_name(graph_def)[node_of(consts.PIXELS_TENSOR)]
    write_graph(with_facts(prepend(graph_def, pixels, network, (0, 255), None), labels, info), path)


def difference(frozen: Path, folder: Path) -> float:
    """Load a frozen file as the other commands do, and compare it with what Keras computed from the same
    pixels. Returns the maximum difference. Raises UserError when it exceeds TOLERANCE, or when the file
    cannot be loaded as a backbone or classifier."""
    with np.load(folder / child.CHECK) as stored:
        check = dict(stored)
    pixels, found = check.pop('pixels'), []
    if child.BOTTLENECK in check:
        wanted = check[child.BOTTLENECK]
        found.append(np.abs(_bottlenecks(frozen, pixels) - wanted).max() / max(np.abs(wanted).max(), 1e-30))
    if child.OUTPUT in check:
        model = load_model(frozen)
        found.append(np.abs(model.from_pixels(pixels) - check[child.OUTPUT]).max())
        model.close()
    if not max(found) <= TOLERANCE:
        raise UserError(
            f'the frozen graph does not give the output of Keras: they differ by {max(found):.1e}, '
            f'more than {TOLERANCE:.0e}; it was not kept'
        )
    return float(max(found))


def _bottlenecks(frozen: Path, pixels: np.ndarray) -> np.ndarray:
    """Bottlenecks [N, width] of pixels, after the consistency check of backbones."""
    backbone = load_tried(frozen, consts.BOTTLENECK_TENSOR)
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
