""".tflite files for tests, made of frozen graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.common import files
from src.graph.frozen import load_graph
from src.graph.lite.convert import convert
from src.graph.lite.package import write_package
from src.graph.lite.steps import KEY, steps_of
from src.graph.weights import put_weights


def tflite_of(
    graph: Path, path: Path, precision: str = 'float32', calibration: Sequence[np.ndarray] = ()
) -> Path:
    """Write a frozen graph as a .tflite file with its facts."""
    frozen = load_graph(graph)
    whole = put_weights(frozen.graph_def, frozen.weights)
    model = convert(whole, frozen.preprocessing, frozen.output, graph, precision, calibration)
    facts = {
        KEY: steps_of(whole, frozen.preprocessing, graph),
        'lite': {'precision': precision, 'graph_sha256': files.sha256(graph)},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_package(path, model, frozen.labels, frozen.info | facts)
