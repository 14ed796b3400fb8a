"""A fine-tuned model: the backbone with the trained weights of a checkpoint in place of its constants, and
the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.engine import checkpoints
from src.engine.learner import Attached, TrainedGraph, with_temperature
from src.engine.learners.head import checkpoint_layers
from src.graph.backbones import Backbone, flat
from src.graph.graph_io import free_name
from src.graph.unfreezing.cut import import_with_weights, weight_of
from src.models.dense import SCOPE as HEAD
from src.models.dense import classes_of, dense_head, head_variables

SCOPE = 'thawed'


class TailGraph(TrainedGraph):
    """A backbone whose constants `thawed`, by node name, have the values in a checkpoint, and the head in
    it."""

    def __init__(self, backbone: Backbone, thawed: list[str], checkpoint: str):
        self.backbone, self._thawed, self._checkpoint = backbone, thawed, checkpoint
        self.graph_def, self.preprocessing = backbone.graph_def, backbone.preprocessing

    def attach(self, session: tf.Session, classes: int) -> Attached:
        layers, backbone = checkpoint_layers(self._checkpoint), self.backbone
        if layers[0] != backbone.width or classes_of(layers[-1]) != classes:
            raise UserError(
                f'{paths.shown(self._checkpoint)} has a head of layers {"-".join(map(str, layers))}, but '
                f'{paths.shown(backbone.path)} is {backbone.width} wide and there are '
                f'{count(classes, "class", "classes")}: train anew with --fresh'
            )
        saved = {}
        scope = free_name(SCOPE, {node.name for node in backbone.graph_def.node})
        values = _values(backbone, self._thawed)
        with tf.variable_scope(scope):
            weights = {name: tf.get_variable(name, value.shape, tf.float32) for name, value in values.items()}
        for name, variable in weights.items():
            saved[f'{SCOPE}/{checkpoint_name(name, values[name])}'] = variable
        bottleneck = import_with_weights(backbone.graph_def, weights, backbone.bottleneck, '')
        vector = flat(bottleneck, backbone.channel_axis)
        rows, keep = with_temperature(dense_head(vector, layers), self._checkpoint)
        names = (f'{HEAD}/{kind}{layer}' for layer in range(1, len(layers)) for kind in 'Wb')
        saved |= dict(zip(names, head_variables(), strict=True))
        checkpoints.restore(session, tf.train.Saver(saved), self._checkpoint)
        facts = {'vector': vector.name, 'thawed': self._thawed}
        return Attached(rows, [vector.name, backbone.bottleneck, *keep], facts)


def checkpoint_name(constant: str, value: np.ndarray) -> str:
    """The name below `thawed/` of a constant: kernels are called W, which weight decay looks for."""
    return f'{constant}/{"W" if value.squeeze().ndim > 1 else "b"}'


def _values(backbone: Backbone, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The constants `names` of a backbone. Raises UserError when one is missing."""
    nodes = {node.name: node for node in backbone.graph_def.node}
    if missing := [name for name in names if name not in nodes]:
        raise UserError(
            f'{paths.shown(backbone.path)} has no constant {missing[0]} any more: train anew with --fresh'
        )
    return {name: weight_of(nodes[name]) for name in names}
