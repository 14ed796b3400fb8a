"""A frozen classifier as a .tflite model: which part of it is quantized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import FrozenGraph
from src.graph.graph_io import ancestors, node_of
from src.graph.lite.compose import compose
from src.graph.lite.convert import convert, convert_head
from src.graph.model_info import views_in
from src.graph.weights import put_weights


def lite_model(
    model: FrozenGraph, path: Path, precision: str = 'float32', calibration: Sequence[np.ndarray] = ()
) -> bytes:
    """The network of a frozen classifier, [1, height, width, 3] float32 to probabilities [1, classes]
    float32.

    path: of the classifier, for messages.
    precision, calibration: those of `convert`. In int8 the head stays in float32, if `model_info` names the
        bottleneck before it.

    Raises what `convert` does.
    """
    graph_def = put_weights(model.graph_def, model.weights)
    bottleneck = bottleneck_of(graph_def, model) if precision == 'int8' else None
    target = bottleneck or model.output
    network = convert(graph_def, model.preprocessing, target, path, precision, calibration)
    if not bottleneck:
        return network
    head = convert_head(graph_def, bottleneck, model.output, path, views_in(model.info))
    try:
        return compose(network, head)
    except UserError as error:
        raise UserError(f'{paths.shown(path)} cannot be exported in int8: {error}') from error


def bottleneck_of(graph_def: tf.GraphDef, model: FrozenGraph) -> str | None:
    """The tensor between backbone and head, if `model_info` names one through which all goes."""
    backbone = model.info.get('backbone') or {}
    name = backbone.get('vector') or backbone.get('bottleneck')
    if not name:
        return None
    after = ancestors(graph_def, [model.output], [node_of(name)])
    return name if node_of(name) in after and node_of(model.preprocessing.pixels) not in after else None
