"""A network from pixels as something to train: its graph, what a step is fed, and how it is judged."""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.engine import loop
from src.engine.board import WEIGHTS
from src.engine.learner import Learner
from src.engine.optimizers import learning_rate, minimize
from src.engine.sources import Source
from src.images.augment import augment
from src.models.dense import probabilities
from src.models.layers import Mode
from src.models.networks import SCOPE, initial_values, logits_of
from src.recipes.recipe import PixelRecipe
from src.records.dataset import Examples

# Examples that are evaluated once an epoch, at most; the scores at the end are of all.
SAMPLES = {'train': 500, 'validation': 2000}
SCORED_OF_TRAIN = 5000
EVALUATED_AT_ONCE = 500
SEEN_AT_FIRST = 5000  # training pictures that a network may look at before it begins


class Network(Learner):
    """A network and its training in the default graph.

    It is used with moving averages of its weights where the recipe says so (Polyak and Juditsky 1992); they
    begin as plain means, so that the first weights are soon forgotten.
    """

    def __init__(self, recipe: PixelRecipe, classes: int, source: Source, steps: int, precision: str):
        super().__init__(source, SAMPLES)
        self.recipe, self.steps = recipe, steps
        self._classes, self._precision = classes, precision
        self._build()

    def _build(self) -> None:
        r = self.recipe
        self.step = tf.train.get_or_create_global_step()
        self.pixels = tf.placeholder(tf.uint8, [None, r.side, r.side, 3], 'pixels')
        self.labels = tf.placeholder(tf.int32, [None], 'labels')
        seed = (r.seed, self.step)
        order = tf.range(r.batch_size, dtype=tf.int64) + self.step * r.batch_size
        epoch = order // self.source.number('train')
        self.augmented = augment(self.pixels, seed, r.crop, r.flip, r.cutout, epoch)
        logits = logits_of(r.network, self.augmented, self._classes, Mode(True, seed, self._precision))
        weights = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, f'{SCOPE}/')  # and no optimiser's yet
        truth = tf.one_hot(self.labels, self._classes)
        self.cost = tf.losses.softmax_cross_entropy(truth, logits, label_smoothing=r.label_smoothing)
        rate = learning_rate(r.schedule, r.learning_rate, r.warmup, self.step, self.steps)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        self.train_op = minimize(
            self.cost, rate, self.step, r.optimiser, r.momentum, r.weight_decay, updates, self._precision
        )
        average = self._average(weights)
        self.weights = {v.op.name: average(v) for v in weights}
        with tf.variable_scope('', custom_getter=lambda getter, *a, **k: average(getter(*a, **k))):
            answers = [
                logits_of(r.network, self.pixels, self._classes, views=views) for views in (1, r.views)
            ]
        self.one_view_probabilities, self.probabilities = tf.nn.softmax(answers[0]), probabilities(answers[1])
        histograms = [
            tf.summary.histogram(WEIGHTS + name.removeprefix(f'{SCOPE}/'), v)
            for name, v in self.weights.items()
        ]
        self.histograms = tf.summary.merge(histograms)

    def _average(self, variables: list[tf.Variable]):
        """Adds averaging to the step; gives the function from a variable to what the model is used with."""
        if not self.recipe.averaging:
            return lambda variable: variable
        averages = tf.train.ExponentialMovingAverage(self.recipe.averaging, self.step)
        with tf.control_dependencies([self.train_op]):
            self.train_op = averages.apply(variables)
        return averages.average

    def initialize(self, session: tf.Session) -> None:
        super().initialize(session)
        seen = self.source.first('train', SEEN_AT_FIRST).values
        variables = {v.op.name: v for v in tf.global_variables()}
        for name, value in initial_values(self.recipe.network, seen).items():
            for variable in (variables[name], self.weights[name]):
                variable.load(value, session)

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        pixels, labels = self.source.batch(step)
        return {self.pixels: pixels, self.labels: labels}

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """Probabilities [N, classes] float32."""
        return self._answers(session, self.probabilities, examples)

    def predict_one_view(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """The same by one view alone: six views once an epoch would take an eighth of the training's time."""
        return self._answers(session, self.one_view_probabilities, examples)

    def _answers(self, session: tf.Session, probabilities: tf.Tensor, examples: Examples) -> np.ndarray:
        parts = range(0, len(examples), EVALUATED_AT_ONCE)
        fed = (examples.values[begin : begin + EVALUATED_AT_ONCE] for begin in parts)
        return np.concatenate([session.run(probabilities, {self.pixels: pixels}) for pixels in fed])

    def scores(self, session: tf.Session) -> dict[str, dict[str, float]]:
        """Scores of each part on all its examples; of what was learned from, some are enough."""
        return {
            part: self.score(session, [self.source.first(part, SCORED_OF_TRAIN)])
            if part == 'train'
            else self.score(session, self.source.chunks(part))
            for part in self.source.parts
        }

    def task(self) -> loop.Task:
        return loop.Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=self.feed,
            evaluate=self.evaluate,
            judge='validation_error' if 'validation' in self.source.parts else None,
            histograms=self.histograms,
            shown=_shown,
            weights=self.weights,
            each=self.recipe.batch_size,
            unit='img',
        )


def _shown(scalars: dict[str, float]) -> str:
    part = 'validation' if 'validation_error' in scalars else 'train'
    return f'{part} top-1 {1 - scalars[f"{part}_error"]:.1%} log loss {scalars[f"{part}_log_loss"]:.3f}'
