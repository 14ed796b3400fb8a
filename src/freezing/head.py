"""A backbone and a trained head as one graph."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.engine import checkpoints
from src.freezing.proof import prove
from src.graph.backbones import Backbone, load_as
from src.graph.model_info import with_facts
from src.graph.rewrites.optimize import optimize
from src.models.dense import SCOPE, dense_head, head_variables, probabilities
from src.records.dataset import Records


def join_head(
    backbone: Backbone, checkpoint: str, labels: Sequence[str], info: dict[str, Any]
) -> tf.GraphDef:
    """Join `backbone` and the head in `checkpoint` into one GraphDef without variables.

    It maps `backbone.preprocessing.image` (one encoded image, string scalar) or
    `backbone.preprocessing.pixels` ([N, height, width, 3] float32) to `output_node:0` ([N, classes] float32,
    rows sum to 1), and carries `labels` and `model_info`, which names the tensor [N, width] between backbone
    and head as `vector`. Raises UserError when the head does not fit the backbone.
    """
    layers = checkpoint_layers(checkpoint)
    if layers[0] != backbone.width or layers[-1] != len(labels):
        raise UserError(
            f'{paths.shown(checkpoint)} is a head of layers {"-".join(map(str, layers))}, but '
            f'{paths.shown(backbone.path)} is {backbone.width} wide and there are '
            f'{count(len(labels), "class", "classes")}: train anew with --fresh'
        )
    with tf.Graph().as_default() as graph, tf.Session() as session:
        vector = backbone.attach()
        probabilities(dense_head(vector, layers))
        checkpoints.restore(session, _head_saver(), checkpoint)
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [consts.OUTPUT_NODE_NAME]
        )
    preprocessing = backbone.preprocessing
    keep = [
        consts.OUTPUT_TENSOR_NAME,
        vector.name,
        preprocessing.image,
        preprocessing.decoded,
        preprocessing.pixels,
    ]
    if info.get('backbone'):
        info = info | {'backbone': info['backbone'] | {'vector': vector.name}}
    return with_facts(optimize(frozen, [*keep, backbone.bottleneck])[0], labels, info)


def _head_saver() -> tf.train.Saver:
    """Restores the head in the default graph by the names it was trained under. A backbone may have
    taken them: that of a frozen model, cut at its hidden layer, holds a `head/W1` of its own."""
    names = (f'{SCOPE}/{kind}{layer}' for layer in itertools.count(1) for kind in 'Wb')
    return tf.train.Saver(dict(zip(names, head_variables(), strict=False)))


def checkpoint_layers(checkpoint: str) -> list[int]:
    """Layer sizes of the head in a checkpoint. Raises UserError when it holds no head."""
    try:
        with checkpoints.readable(checkpoint) as path:
            shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f'{paths.shown(checkpoint)} is damaged: train anew with --fresh') from error
    layers = []
    while (shape := shapes.get(f'{SCOPE}/W{len(layers) + 1}')) is not None:
        layers.append(shape)
    if not layers:
        raise UserError(f'{paths.shown(checkpoint)} holds no head: train anew with --fresh')
    return [layers[0][0], *(shape[1] for shape in layers)]


def prove_head(frozen: Path, backbone: Backbone, checkpoint: str, records: Records) -> tuple[float, int]:
    """See `prove`; compared is backbone then head. A backbone loaded as it was released proves its rewriting
    too."""

    def wanted(pixels: list[np.ndarray]) -> np.ndarray:
        return _expected(pixels, backbone, checkpoint)

    return prove(frozen, backbone.graph_def, backbone.preprocessing, wanted, records, checkpoint)


def _expected(pixels: list[np.ndarray], backbone: Backbone, checkpoint: str) -> np.ndarray:
    """What the backbone and then the checkpoint's head say, in two separate graphs."""
    with tf.Graph().as_default(), tf.Session() as session:
        bottleneck = backbone.attach()
        vectors = np.concatenate(
            [session.run(bottleneck, {backbone.preprocessing.pixels: p[None]}) for p in pixels]
        )
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, backbone.width])
        answer = probabilities(dense_head(x, checkpoint_layers(checkpoint)))
        checkpoints.restore(session, _head_saver(), checkpoint)
        return session.run(answer, {x: vectors})


def backbone_of(facts: dict[str, Any], faster: bool = True) -> Backbone:
    """The backbone that a manifest names; without `faster`, as it was released. Raises UserError when
    its file has gone or has changed."""
    path = paths.located(paths.ROOT / facts['path'])
    if path.is_file() and files.sha256(path) != facts['sha256']:
        raise UserError(
            f'{paths.shown(path)} has changed since the bottlenecks were computed: put the old file back, '
            'or convert and train again'
        )
    return load_as(facts, path, faster)
