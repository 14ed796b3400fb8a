"""A network that learns from pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from src.common.tf1 import tf
from src.engine import board, checkpoints
from src.engine.learner import Attached, Learner, TrainedGraph, with_temperature
from src.engine.optimizers import assign, averaged, learning_rate, minimize
from src.graph import precision
from src.graph.batching import feed_batches
from src.graph.preprocessing.find import preprocessing_graph
from src.images.augment import augment
from src.models.dense import cross_entropy, probabilities
from src.models.layers import Mode
from src.models.networks import SCOPE, initial_values, logits_of
from src.recipes.recipe import PixelRecipe
from src.records.dataset import Examples, Records
from src.records.fields import Field, pixels, reader_for

EVALUATED_AT_ONCE = 500
INITIAL_PICTURES = 5000  # training pictures for data-dependent initialization


class Network(Learner):
    """A network and its training.

    Where the recipe says so, it is used with exponential moving averages of its weights.
    """

    kind = 'network'
    parts = ('network',)
    samples = {'train': 500, 'validation': 2000}  # noqa: RUF012
    monitor = 'validation_error'
    scored_of_train = 5000
    unit = 'img'

    @classmethod
    def settled(cls, recipe: PixelRecipe, records: Records) -> PixelRecipe:
        return replace(recipe, precision=precision.resolve(recipe.precision))

    @classmethod
    def field(cls, recipe: PixelRecipe, records: Records) -> Field:
        return pixels(reader_for(recipe.side))

    @classmethod
    def facts(cls, recipe: PixelRecipe, records: Records) -> dict[str, Any]:
        return {'backbone': None, 'precision': recipe.precision}

    @classmethod
    def trained_graph(
        cls, facts: Mapping[str, Any], checkpoint: str, as_released: bool = False
    ) -> NetworkGraph:
        return NetworkGraph(facts['settings'], checkpoint)

    def build(self) -> None:
        r = self.recipe
        self.pixels = tf.placeholder(tf.uint8, [None, r.side, r.side, 3], 'pixels')
        self.labels = tf.placeholder(tf.int32, [None], 'labels')
        seed = (r.seed, self.step)
        order = tf.range(r.batch_size, dtype=tf.int64) + self.step * r.batch_size
        epoch = order // self.source.number('train')
        self.augmented = augment(self.pixels, seed, epoch=epoch, **r.augmentation)
        logits = logits_of(r.network, self.augmented, self.classes, Mode(True, seed, r.precision))
        # Before the optimizer adds variables of its own.
        variables = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, f'{SCOPE}/')
        truth = tf.one_hot(self.labels, self.classes)
        self.cost = cross_entropy(truth, logits, r.label_smoothing)
        rate = learning_rate(r.schedule, r.learning_rate, r.warmup, self.step, self.steps)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        self.train_op = minimize(
            self.cost, rate, self.step, r.optimiser, r.momentum, r.weight_decay, updates, r.precision
        )
        self.train_op, average = averaged(self.train_op, variables, r.averaging, self.step)
        self.weights = {v.op.name: average(v) for v in variables}
        with tf.variable_scope('', custom_getter=lambda getter, *a, **k: average(getter(*a, **k))):
            one_view, all_views = (
                logits_of(r.network, self.pixels, self.classes, views=views) for views in (1, r.views)
            )
        self.one_view_probabilities = probabilities(one_view, name=None)
        self.probabilities = probabilities(all_views)
        histograms = [
            tf.summary.histogram(board.WEIGHTS + name.removeprefix(f'{SCOPE}/'), v)
            for name, v in self.weights.items()
        ]
        self.histograms = tf.summary.merge(histograms)

    @property
    def steps(self) -> int:
        return max(1, round(self.recipe.epochs * self.source.number('train') / self.recipe.batch_size))

    @property
    def evaluate_every(self) -> int:
        """An epoch."""
        return min(max(1, self.source.number('train') // self.recipe.batch_size), self.steps)

    def initialize(self, session: tf.Session) -> None:
        super().initialize(session)
        seen = self.source.first('train', INITIAL_PICTURES).values
        variables = {v.op.name: v for v in tf.global_variables()}
        values = initial_values(self.recipe.network, seen)
        assign(
            session,
            [
                (variable, value)
                for name, value in values.items()
                for variable in (variables[name], self.weights[name])
            ],
        )

    def show_inputs(self, session: tf.Session, folder: Path) -> None:
        board.show_inputs(session, self.augmented, self.feed, folder)

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """Pixels [size, side, side, 3] uint8 and labels [size] int32."""
        values, labels = self.source.batch(step)
        return {self.pixels: values, self.labels: labels}

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        return self._run(session, self.probabilities, examples)

    def predict_quickly(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """The same from one view: six views once an epoch would take an eighth of the training time."""
        return self._run(session, self.one_view_probabilities, examples)

    def _run(self, session: tf.Session, tensor: tf.Tensor, examples: Examples) -> np.ndarray:
        begins = range(0, len(examples), EVALUATED_AT_ONCE)
        parts = (examples.values[begin : begin + EVALUATED_AT_ONCE] for begin in begins)
        return np.concatenate([session.run(tensor, {self.pixels: part}) for part in parts])


class NetworkGraph(TrainedGraph):
    """Decoding, resizing and the network in a checkpoint; `settings` are those of its PixelRecipe."""

    def __init__(self, settings: Mapping[str, Any], checkpoint: str):
        self._settings, self._checkpoint = settings, checkpoint
        graph_def, self.preprocessing = preprocessing_graph(settings['side'], settings['side'])
        self.graph_def = feed_batches(graph_def, self.preprocessing)

    def attach(self, session: tf.Session, classes: int) -> Attached:
        name, views = self._settings['network'], self._settings['views']
        (inputs,) = tf.import_graph_def(self.graph_def, name='', return_elements=[self.preprocessing.pixels])
        rows, keep = with_temperature(logits_of(name, inputs, classes, views=views), self._checkpoint)
        checkpoints.restore(session, tf.train.Saver(tf.global_variables(f'{SCOPE}/')), self._checkpoint)
        return Attached(rows, keep)
