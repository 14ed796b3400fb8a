"""The head: fully connected layers that learn from cached bottlenecks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.engine import checkpoints
from src.engine.board import WEIGHTS
from src.engine.learner import Attached, Learner, TrainedGraph, with_temperature
from src.engine.mixup import mixed
from src.graph.backbones import Backbone
from src.graph.joined.load import backbone_of
from src.graph.mirroring import BOTH_VIEWS, attach_mirrored
from src.models.dense import (
    SCOPE,
    classes_of,
    cross_entropy,
    dense_head,
    head_variables,
    mean_over_views,
    probabilities,
)
from src.recipes.recipe import HeadRecipe
from src.records.chosen import facts_of, using
from src.records.dataset import Examples, Records
from src.records.fields import Field

EVALUATIONS = 50  # in a whole run, about
MOST_STEPS_UNEVALUATED = 1000


class Head(Learner):
    """A head and its training; `recipe.layers` are settled. Bottlenecks are fed from memory: 64 of them take
    some hundredths of a millisecond, a step takes several milliseconds."""

    kind = 'head'
    parts = ('backbone', 'head')
    samples = {'train': 500, 'validation': 5000, 'test': 500}  # noqa: RUF012
    monitor = 'validation_log_loss'

    @classmethod
    def settled(cls, recipe: HeadRecipe, records: Records) -> HeadRecipe:
        l2 = consts.L2 if recipe.l2 is None else recipe.l2
        layers = head_layers(recipe.layers, using(records, recipe.backbones))
        steps = recipe.steps or head_steps(classes_of(layers[-1]), recipe.all_splits)
        return replace(recipe, layers=layers, l2=l2, steps=steps)

    @classmethod
    def field(cls, recipe: HeadRecipe, records: Records) -> Field:
        return using(records, recipe.backbones).bottlenecks(recipe.mirror)

    @classmethod
    def facts(cls, recipe: HeadRecipe, records: Records) -> dict[str, Any]:
        backbone = facts_of(using(records, recipe.backbones))
        return {'backbone': backbone, 'precision': records.manifest['precision']}

    @classmethod
    def trained_graph(cls, facts: Mapping[str, Any], checkpoint: str, as_released: bool = False) -> HeadGraph:
        backbone = backbone_of(facts['backbone'], not as_released)
        return HeadGraph(backbone, checkpoint, facts['settings'].get('mirror', False))

    def build(self) -> None:
        r = self.recipe
        self.x = tf.placeholder(tf.float32, [None, r.layers[0]], 'x')
        self.y = tf.placeholder(tf.float32, [None, self.classes], 'y')
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            logits = dense_head(self.x, r.layers, r.dropout, (r.seed, self.step), r.seed)
            self.build_prediction()
        self.cost = loss = cross_entropy(self.y, logits)
        if r.l2:  # its gradient passes over all weights, a sixth of a step's time
            loss += r.l2 * tf.add_n([tf.nn.l2_loss(v) for v in head_variables() if '/W' in v.name])
        # Cosine decay to zero (Loshchilov and Hutter 2017, arXiv:1608.03983).
        rate = tf.train.cosine_decay(r.learning_rate, self.step, self.steps)
        optimizer = {'adam': tf.train.AdamOptimizer, 'adadelta': _adadelta}[r.solver]
        self.train_op = optimizer(rate).minimize(loss, self.step)
        self.histograms = tf.summary.merge(
            [tf.summary.histogram(WEIGHTS + v.op.name.rpartition('/')[2], v) for v in head_variables()]
        )

    def build_prediction(self) -> None:
        """`probabilities` [N, classes] of `x`: bottlenecks [N * views, width]."""
        logits = mean_over_views(dense_head(self.x, self.recipe.layers), self.views)
        self.probabilities = probabilities(logits)

    @property
    def views(self) -> int:
        """Bottlenecks of an example: of the picture, and of its mirror image."""
        return BOTH_VIEWS if self.recipe.mirror else 1

    @property
    def steps(self) -> int:
        return self.recipe.steps or consts.STEPS

    @property
    def evaluate_every(self) -> int:
        return max(1, min(MOST_STEPS_UNEVALUATED, self.steps // EVALUATIONS))

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """Bottlenecks [size, width] float32, and labels as probabilities [size, classes] float32."""
        x, labels = self.source.batch(step)
        if self.views > 1:
            drawn = np.random.default_rng((self.recipe.seed, step, self.views))  # not the numbers of mixup
            x = x[np.arange(len(x)), drawn.integers(self.views, size=len(x))]
        y = np.zeros((len(labels), self.classes), np.float32)
        y[np.arange(len(labels)), labels] = 1
        if self.recipe.mixup:
            x, y = mixed(x, y, self.recipe.mixup, (self.recipe.seed, step))
        return {self.x: x, self.y: y}

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        width = examples.values.shape[-1]
        return session.run(self.probabilities, {self.x: examples.values.reshape(-1, width)})


def _adadelta(rate: tf.Tensor) -> tf.train.Optimizer:
    # The decay and epsilon of keras.optimizers.Adadelta (https://keras.io/api/optimizers/adadelta).
    return tf.train.AdadeltaOptimizer(rate, 0.95, 1e-7)


class HeadGraph(TrainedGraph):
    """A backbone and the head in a checkpoint; with `mirror` the mean of its logits for a picture and its
    mirror image."""

    def __init__(self, backbone: Backbone, checkpoint: str, mirror: bool = False):
        self.backbone, self._checkpoint, self._mirror = backbone, checkpoint, mirror
        self.graph_def, self.preprocessing = backbone.graph_def, backbone.preprocessing

    def attach(self, session: tf.Session, classes: int) -> Attached:
        layers = checkpoint_layers(self._checkpoint)
        if layers[0] != self.backbone.width or classes_of(layers[-1]) != classes:
            raise UserError(
                f'{paths.shown(self._checkpoint)} is a head of layers {"-".join(map(str, layers))}, but '
                f'{paths.shown(self.backbone.path)} is {self.backbone.width} wide and there are '
                f'{count(classes, "class", "classes")}: train anew with --fresh'
            )
        vector = attach_mirrored(self.backbone) if self._mirror else self.backbone.attach()
        logits = mean_over_views(dense_head(vector, layers), BOTH_VIEWS if self._mirror else 1)
        rows, keep = with_temperature(logits, self._checkpoint)
        checkpoints.restore(session, _head_saver(), self._checkpoint)
        return Attached(rows, [vector.name, self.backbone.bottleneck, *keep], {'vector': vector.name})


def head_steps(classes: int, all_splits: bool) -> int:
    """The default number of steps. Without validation photos nothing stops the training early, and a head for
    few classes would memorize its photos."""
    return min(consts.STEPS, consts.STEPS_OF_A_CLASS * classes) if all_splits else consts.STEPS


def head_layers(layers: Sequence[int] | None, records: Records) -> list[int]:
    """The layer sizes of a head for some records: `layers`, where 0 at an end follows the data, or by default
    consts.HEAD_MODEL_LAYERS with both ends from the data. Raises UserError when the ends do not fit
    bottleneck and classes."""
    width, classes = records.width, len(records.classes)
    if layers is None:
        return [width, *consts.HEAD_MODEL_LAYERS[1:-1], classes]
    layers = [layers[0] or width, *layers[1:-1], layers[-1] or classes]
    if layers[0] != width or classes_of(layers[-1]) != classes:
        fitting = ','.join(map(str, [width, *layers[1:-1], classes]))
        raise UserError(
            f'layers {",".join(map(str, layers))} do not fit: the bottleneck is {width} wide and there are '
            f'{count(classes, "class", "classes")}; use --layers {fitting}'
        )
    return layers


def checkpoint_layers(checkpoint: str) -> list[int]:
    """The layer sizes of the head in a checkpoint. Raises UserError when it is damaged or holds no head."""
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


def _head_saver() -> tf.train.Saver:
    """Restores the head in the default graph under the names it was trained with. A backbone may use the same
    names: that of a frozen model, cut at its hidden layer, holds a `head/W1` of its own."""
    names = (f'{SCOPE}/{kind}{layer}' for layer in itertools.count(1) for kind in 'Wb')
    return tf.train.Saver(dict(zip(names, head_variables(), strict=False)))
