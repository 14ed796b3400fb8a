"""A trained model as one graph without variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src.common import consts
from src.common.tf1 import tf
from src.engine.learner import TrainedGraph
from src.graph.model_info import with_facts
from src.graph.rewrites.optimize import optimize


def join(model: TrainedGraph, labels: Sequence[str], info: dict[str, Any]) -> tf.GraphDef:
    """Decoding, backbone if any, and the trained layers as one GraphDef.

    It maps `model.preprocessing.image` (one encoded image, string scalar) or `model.preprocessing.pixels`
    ([N, height, width, 3] float32) to `output_node:0` ([N, classes] float32, rows sum to 1), and carries
    `labels` and `model_info`, where `backbone.vector` names the tensor [N, width] between backbone and head,
    of mirrored heads [2 N, width].
    Raises UserError when the checkpoint does not fit.
    """
    with tf.Graph().as_default() as graph, tf.Session() as session:
        attached = model.attach(session, len(labels))
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [consts.OUTPUT_NODE_NAME]
        )
    preprocessing = model.preprocessing
    keep = [consts.OUTPUT_TENSOR_NAME, preprocessing.image, preprocessing.decoded, preprocessing.pixels]
    if info.get('backbone'):
        info = info | {'backbone': info['backbone'] | attached.backbone}
    return with_facts(optimize(frozen, [*keep, *attached.keep])[0], labels, info)
