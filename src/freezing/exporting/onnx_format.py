"""The ONNX format: converted by tf2onnx, run by ONNX Runtime. Class names and facts are in the metadata of
the model (`metadata_props`): `labels` and `model_info`, both as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common import errors, files, paths
from src.common.errors import UserError, first_line
from src.common.tf1 import tf
from src.graph.frozen import FrozenGraph
from src.graph.graph_io import ancestors, node_of, with_nodes
from src.graph.weights import put_weights

SUFFIX = '.onnx'
EXTRA, PACKAGES = 'onnx', ['tf2onnx', 'onnxruntime']
PRECISIONS = ('float32',)
PIXELS, PROBABILITIES = 'pixels', 'probabilities'  # the input [N, height, width, 3] and output [N, classes]


class Network:
    """An ONNX model in a session of ONNX Runtime. Raises UserError for a file that it does not accept."""

    def __init__(self, path: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # onnxruntime raises classes of its own
            raise UserError(f'ONNX Runtime does not accept the model: {first_line(error)}') from error

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities [N, classes] float32 of pixels [N, height, width, 3] float32."""
        return self._session.run([PROBABILITIES], {PIXELS: pixels})[0]


def converted(model: FrozenGraph, path: Path, precision: str, calibration: Sequence[np.ndarray]) -> bytes:
    """The network of a frozen classifier. `path` is the classifier's, for messages.

    Raises UserError for an op that tf2onnx does not know.
    """
    part = _network(model)
    logging.getLogger('tf2onnx').setLevel(logging.CRITICAL)  # it logs tracebacks; errors are raised too
    import onnx
    import tf2onnx

    try:
        made, _ = tf2onnx.convert.from_graph_def(
            part, input_names=[f'{PIXELS}:0'], output_names=[f'{PROBABILITIES}:0']
        )
    except Exception as error:  # ValueError and others
        reason = first_line(error)[: errors.LONGEST_REASON]
        raise UserError(f'{paths.shown(path)} cannot be converted: {reason}') from error
    ops = {(node.op_type, node.domain) for node in made.graph.node}
    # tf2onnx leaves TensorFlow's op in its place.
    if unknown := sorted(op for op, domain in ops if not onnx.defs.has(op, domain)):
        raise UserError(
            f'{paths.shown(path)} cannot be converted: ONNX has no op {" and no op ".join(unknown)}'
        )
    _rename(made)
    return made.SerializeToString(deterministic=True)


def _network(model: FrozenGraph) -> tf.GraphDef:
    """The network of a classifier between the nodes PIXELS and PROBABILITIES."""
    graph_def, preprocessing = put_weights(model.graph_def, model.weights), model.preprocessing
    stop = node_of(preprocessing.pixels)
    needed = ancestors(graph_def, [model.output], [stop]) - {stop}
    part = with_nodes(graph_def, (node for node in graph_def.node if node.name in needed))
    with tf.Graph().as_default() as graph:
        shape = [None, preprocessing.height, preprocessing.width, 3]
        pixels = tf.placeholder(tf.float32, shape, name=PIXELS)
        given = {preprocessing.pixels: pixels}
        (values,) = tf.import_graph_def(part, given, [model.output], name='network')
        tf.reshape(values, [-1, values.shape[-1]], name=PROBABILITIES)
        return graph.as_graph_def()


def _rename(made: Any) -> None:
    """Names of the input and the output without TensorFlow's ':0'."""
    names = {f'{name}:0': name for name in (PIXELS, PROBABILITIES)}
    for node in made.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*made.graph.input, *made.graph.output, *made.graph.value_info):
        value.name = names.get(value.name, value.name)


def write(path: Path, network: bytes, labels: Sequence[str], info: dict[str, Any]) -> None:
    """Write a model with its labels and facts to the temporary path of `files.atomic_path`."""
    import onnx

    model = onnx.ModelProto.FromString(network)
    facts = {'labels': list(labels), 'model_info': info}
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    onnx.helper.set_model_props(model, texts)
    path.write_bytes(model.SerializeToString(deterministic=True))
    files.flush_to_disk(path)


def opened(path: Path) -> Network:
    return Network(path)
