"""The student of a distillation as a training task.

Loss: the mean squared error of the teacher's standardized bottlenecks, which the student's bottleneck
predicts through one linear layer that is dropped afterwards; plus, where the teacher has classes, the
Kullback-Leibler divergence of their probabilities: the teacher's classifier, frozen, is applied to the
predicted bottlenecks (Chen et al. 2022, arXiv:2203.14001). Student and teacher see the same views, for many
epochs (Beyer et al. 2022, arXiv:2106.05237).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np

from src.common.ahead import ahead
from src.common.tf1 import tf
from src.engine import board
from src.engine.batches import Batches
from src.engine.distilling.answers import Answers
from src.engine.distilling.start import Start, regression
from src.engine.loop import Task
from src.engine.optimizers import assign, averaged, initialize, learning_rate, minimize
from src.images.views import render
from src.models.layers import Mode, dense
from src.models.students import SCOPE, bottleneck_of
from src.recipes.distill_recipe import DistillRecipe

PROJECTION = f'{SCOPE}/projection'  # the layer behind the bottleneck
TARGET = 'target'  # scope of the mean and standard deviation of the teacher's bottlenecks
LEAST_DEVIATION = 1e-3  # of a value, as a share of the mean deviation: constant values are not amplified
AHEAD = 4  # batches
AT_ONCE = 256  # photos of an evaluation
MONITOR = 'validation_loss'


class Distillation:
    """A student in the default graph, with the batches that it learns from.

    train, held: rows of the photos to learn from, and of those that only evaluate.
    """

    def __init__(self, recipe: DistillRecipe, answers: Answers, train: np.ndarray, held: np.ndarray):
        self.recipe, self.answers, self.train, self.held = recipe, answers, train, held
        self.step = tf.train.get_or_create_global_step()
        self._batches = Batches(train, recipe.batch_size, recipe.seed)
        self._stream: Iterator[tuple[np.ndarray, np.ndarray]] = iter(())
        self._next = -1
        self._build()

    def _build(self) -> None:
        r, width = self.recipe, self.answers.teacher.width
        self.pixels = tf.placeholder(tf.uint8, [None, None, None, 3], 'pixels')
        self.targets = tf.placeholder(tf.float16, [None, width], 'targets')
        with tf.variable_scope(TARGET):
            self.mean = tf.get_variable('mean', [width], trainable=False)
            self.deviation = tf.get_variable('deviation', [width], trainable=False)
        mode = Mode(True, (r.seed, self.step), r.precision)
        self.cost, _ = self._loss(bottleneck_of(r.student, self.pixels, mode))
        # Before the optimizer adds variables of its own.
        student = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, f'{SCOPE}/')
        rate = learning_rate(r.schedule, r.learning_rate, r.warmup, self.step, self.steps)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        train_op = minimize(
            self.cost, rate, self.step, r.optimiser, r.momentum, r.weight_decay, updates, r.precision
        )
        self.train_op, average = averaged(train_op, student, r.averaging, self.step)
        self.weights = {v.op.name: average(v) for v in student}
        with tf.variable_scope('', custom_getter=lambda getter, *a, **k: average(getter(*a, **k))):
            self.bottleneck = bottleneck_of(r.student, self.pixels)
            self.losses, self.agreement = self._loss(self.bottleneck, mean=False)
        histograms = [
            tf.summary.histogram(board.WEIGHTS + name.removeprefix(f'{SCOPE}/'), v)
            for name, v in self.weights.items()
        ]
        self.histograms = tf.summary.merge(histograms)

    def _loss(self, bottleneck: tf.Tensor, mean: bool = True) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The loss, a scalar or [N]; and the share of the teachers with classes whose most probable class is
        found, [N] float32, None without any."""
        r, agreements = self.recipe, []
        with tf.variable_scope(SCOPE, reuse=tf.AUTO_REUSE):
            predicted = dense(bottleneck, self.answers.teacher.width, PROJECTION.rpartition('/')[2])
        targets = tf.cast(self.targets, tf.float32)
        standardized = (targets - self.mean) / self.deviation
        losses = tf.reduce_mean(tf.square(predicted - standardized), 1)
        predicted = predicted * self.deviation + self.mean
        for place, tail in self.answers.teacher.tails:
            wanted, found = (tail.attach(rows[:, place]) / r.temperature for rows in (targets, predicted))
            truth = tf.nn.softmax(wanted)
            entropy = tf.nn.softmax_cross_entropy_with_logits_v2(truth, wanted)
            divergence = tf.nn.softmax_cross_entropy_with_logits_v2(truth, found) - entropy
            losses += r.class_weight * r.temperature**2 * divergence / len(self.answers.teacher.tails)
            agreements.append(tf.cast(tf.equal(tf.argmax(wanted, 1), tf.argmax(found, 1)), tf.float32))
        agreement = tf.add_n(agreements) / len(agreements) if agreements else None
        return (tf.reduce_mean(losses) if mean else losses), agreement

    @property
    def epoch(self) -> int:
        """Steps of an epoch."""
        return max(1, len(self.train) // self.recipe.batch_size)

    @property
    def steps(self) -> int:
        return max(1, round(self.recipe.epochs * len(self.train) / self.recipe.batch_size))

    def initialize(self, session: tf.Session, start: Start | None = None) -> None:
        """Initial weights, random ones or those of `start`, and the statistics of the teacher's bottlenecks
        from the photos themselves."""
        initialize(session)
        rows = self.train[:: -(-len(self.train) // 4096)]
        targets = self._of_photos(rows).astype(np.float32)
        mean, deviation = targets.mean(0), targets.std(0)
        deviation = np.maximum(deviation, LEAST_DEVIATION * deviation.mean() + 1e-12)
        assign(session, [(self.mean, mean), (self.deviation, deviation)])
        if start:
            self._load(session, start.values(self._pixels(rows[:AT_ONCE])))
            chunks = (rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE))
            found = [session.run(self.bottleneck, {self.pixels: self._pixels(some)}) for some in chunks]
            layer = regression(np.concatenate(found), (targets - mean) / deviation)
            self._load(session, dict(zip((f'{PROJECTION}/W', f'{PROJECTION}/b'), layer, strict=True)))

    def _load(self, session: tf.Session, values: Mapping[str, np.ndarray]) -> None:
        """Set variables of the student, by name, and their averages."""
        variables = {v.op.name: v for v in tf.global_variables(f'{SCOPE}/') if v.op.name in values}
        assign(
            session,
            [
                (one, values[name])
                for name, variable in variables.items()
                for one in (variable, self.weights[name])
            ],
        )

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        """The photos themselves, at the side with which the training begins."""
        return render(self.answers.photos, self.answers.views(rows, 0), self.recipe.side_at(0))

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """The views and answers of a step, prepared in a thread while earlier steps run."""
        if step != self._next:
            self._stream = ahead(self._batch, count(step), AHEAD, 1)
        self._next = step + 1
        return dict(zip((self.pixels, self.targets), next(self._stream), strict=True))

    def _batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [size, side, side, 3] uint8, of the side in this step, and the teacher's bottlenecks
        [size, width] float16. Each epoch shows another view of each photo."""
        rows, epoch = self._batches.rows(step), step // self.epoch
        side = self.recipe.side_at(step / self.steps)
        if self.recipe.fresh_views:
            views = self.answers.views(rows, epoch)
            answers = self.answers.teacher.answers(self.answers.photos, views)
        else:
            view = epoch % self.answers.number
            views, answers = self.answers.views(rows, view), self.answers.of(rows, view)
        return render(self.answers.photos, views, side), answers

    def _of_photos(self, rows: np.ndarray) -> np.ndarray:
        """The teacher's bottlenecks of the photos themselves."""
        return self.answers.of(rows, 0)

    def evaluate(self, session: tf.Session) -> dict[str, float]:
        """Scalars for TensorBoard: on photos that the student does not learn from, and as many of the others,
        the loss, and how often the most probable class is the teacher's."""
        parts = {'train': self.train[: len(self.held) or AT_ONCE], 'validation': self.held}
        found = {}
        for part, rows in parts.items():
            chunks = [rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE)]
            scores = [self._scores(session, some) for some in chunks]
            for place, what in enumerate(('loss', 'agreement')[: len(scores[0])] if scores else ()):
                found[f'{part}_{what}'] = float(np.concatenate([row[place] for row in scores]).mean())
        return found

    def _scores(self, session: tf.Session, rows: np.ndarray) -> list[np.ndarray]:
        """Loss [N] and agreement [N], if the teacher has classes, for the photos themselves."""
        wanted = [self.losses] if self.agreement is None else [self.losses, self.agreement]
        pixels = render(self.answers.photos, self.answers.views(rows, 0), self.recipe.side)
        return session.run(wanted, {self.pixels: pixels, self.targets: self._of_photos(rows)})

    def show_inputs(self, session: tf.Session, folder: Path) -> None:
        board.show_inputs(session, self.pixels, self.feed, folder)

    def task(self) -> Task:
        return Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=self.feed,
            evaluate=self.evaluate,
            steps=self.steps,
            evaluate_every=min(self.epoch, self.steps),
            monitor=MONITOR if len(self.held) else None,
            histograms=self.histograms,
            weights=self.weights,
            examples=self.recipe.batch_size,
            unit='views',
            shown=_shown,
        )


def _shown(scores: Mapping[str, float]) -> str:
    part = 'validation' if 'validation_loss' in scores else 'train'
    found = {key.removeprefix(f'{part}_'): value for key, value in scores.items() if key.startswith(part)}
    return f'{part} ' + ', '.join(f'{what} {value:.3f}' for what, value in found.items())
