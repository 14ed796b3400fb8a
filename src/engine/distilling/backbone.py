"""A trained student as a backbone in one file: decoding, resizing, the network, and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.common import consts
from src.common.tf1 import tf
from src.engine import checkpoints
from src.graph.batching import feed_batches
from src.graph.graph_io import node_of
from src.graph.model_info import with_facts
from src.graph.preprocessing.find import preprocessing_graph
from src.graph.rewrites.half_precision import in_half_precision
from src.graph.rewrites.optimize import optimize
from src.models.students import SCOPE, bottleneck_of


def student_graph(
    student: str, side: int, info: Mapping[str, Any], checkpoint: str | None = None
) -> tf.GraphDef:
    """A student as a backbone, with the weights of a checkpoint (default: random ones) in float16, and
    `info` as its `model_info`.

    It maps `DecodeJpeg/contents:0` (one encoded image, string scalar) or `ResizeBilinear:0`
    ([N, side, side, 3] float32, 0 to 255) to `pool_3:0` ([N, width] float32). Raises UserError for a damaged
    checkpoint.
    """
    graph_def, preprocessing = preprocessing_graph(side, side)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        (pixels,) = tf.import_graph_def(
            feed_batches(graph_def, preprocessing), name='', return_elements=[preprocessing.pixels]
        )
        tf.identity(bottleneck_of(student, pixels), name=node_of(consts.BOTTLENECK_TENSOR))
        variables = tf.global_variables(f'{SCOPE}/')
        if checkpoint:
            checkpoints.restore(session, tf.train.Saver(variables), checkpoint)
        else:
            session.run(tf.variables_initializer(variables))
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [node_of(consts.BOTTLENECK_TENSOR)]
        )
    keep = [consts.BOTTLENECK_TENSOR, preprocessing.image, preprocessing.decoded, preprocessing.pixels]
    return with_facts(in_half_precision(optimize(frozen, keep)[0]), [], dict(info))
