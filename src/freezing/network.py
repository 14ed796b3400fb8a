"""A network that learned from pixels as one graph, which decodes and resizes too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.engine import checkpoints
from src.freezing.proof import prove
from src.graph.batching import feed_batches
from src.graph.model_info import with_facts
from src.graph.preprocessing.find import Preprocessing, preprocessing_graph
from src.graph.rewrites.optimize import optimize
from src.models.dense import probabilities
from src.models.networks import SCOPE, logits_of
from src.records.dataset import Records


def join_network(
    settings: dict[str, Any], checkpoint: str, labels: Sequence[str], info: dict[str, Any]
) -> tf.GraphDef:
    """Decoder, resizing and the network in `checkpoint` as one GraphDef without variables.

    `settings` are those of its PixelRecipe. It maps `DecodeJpeg/contents:0` (one encoded image, string
    scalar) or `ResizeBilinear:0` ([N, side, side, 3] float32, 0 to 255) to `output_node:0` ([N, classes]
    float32, rows sum to 1), and carries `labels` and `model_info`. Raises UserError when the checkpoint is
    of another network.
    """
    graph_def, preprocessing = _front(settings)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        (pixels,) = tf.import_graph_def(graph_def, name='', return_elements=[preprocessing.pixels])
        _restored(session, pixels, settings, checkpoint, len(labels))
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [consts.OUTPUT_NODE_NAME]
        )
    keep = [consts.OUTPUT_TENSOR_NAME, preprocessing.image, preprocessing.decoded, preprocessing.pixels]
    return with_facts(optimize(frozen, keep)[0], labels, info)


def prove_network(
    frozen: Path, settings: dict[str, Any], checkpoint: str, records: Records
) -> tuple[float, int]:
    """See `prove`; compared is the network in the checkpoint as it was trained."""
    graph_def, preprocessing = _front(settings)

    def wanted(pixels: list[np.ndarray]) -> np.ndarray:
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.placeholder(tf.float32, [None, preprocessing.height, preprocessing.width, 3])
            answer = _restored(session, x, settings, checkpoint, len(records.classes))
            return session.run(answer, {x: np.stack(pixels)})

    return prove(frozen, graph_def, preprocessing, wanted, records, checkpoint)


def _front(settings: dict[str, Any]) -> tuple[tf.GraphDef, Preprocessing]:
    graph_def, preprocessing = preprocessing_graph(settings['side'], settings['side'])
    return feed_batches(graph_def, preprocessing), preprocessing


def _restored(
    session: tf.Session, pixels: tf.Tensor, settings: dict[str, Any], checkpoint: str, classes: int
) -> tf.Tensor:
    """Probabilities [N, classes] by the checkpoint's network. Raises UserError when it is another's."""
    answer = probabilities(logits_of(settings['network'], pixels, classes, views=settings['views']))
    checkpoints.restore(session, tf.train.Saver(tf.global_variables(f'{SCOPE}/')), checkpoint)
    return answer
