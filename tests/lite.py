""".tflite files for tests, made of frozen graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.common import files
from src.common.tf1 import tf
from src.graph.frozen import load_graph
from src.graph.lite.convert import convert
from src.graph.lite.package import read_package, write_package
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


def endless(like: Path, path: Path) -> Path:
    """Write a .tflite file with the facts of another one of 4 classes, whose network never ends."""
    package = read_package(like)
    v2 = tf.compat.v2

    @v2.function(input_signature=[v2.TensorSpec([1, 8, 8, 3], v2.float32)])
    def network(pixels):
        first = v2.reshape(pixels, [1, -1])[:, :4]
        (values,) = v2.while_loop(lambda x: v2.reduce_min(x) < 1e30, lambda x: [x * 0.5], [first])
        return values

    converter = v2.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    return write_package(path, converter.convert(), package.labels, package.info)
