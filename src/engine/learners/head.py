"""The head as something to train: its graph, what a step is fed, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.common import consts
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.engine import loop
from src.engine.board import WEIGHTS
from src.engine.learner import Learner
from src.engine.mixup import mixed
from src.engine.sources import Source
from src.models.dense import dense_head, head_variables, probabilities
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, Records

# Examples that are evaluated now and then while training, at most; the scores at the end are of all.
# Only those of validation decide anything: they choose the best step.
SAMPLES = {'train': 500, 'validation': 5000, 'test': 500}
EVALUATIONS = 50  # about so many in a whole run
MOST_STEPS_UNEVALUATED = 1000


def evaluate_every(steps: int) -> int:
    """Steps between two evaluations of a run of `steps`."""
    return max(1, min(MOST_STEPS_UNEVALUATED, steps // EVALUATIONS))


def head_layers(layers: Sequence[int] | None, records: Records) -> list[int]:
    """The sizes asked for, checked against backbone and classes; `consts.HEAD_MODEL_LAYERS` when
    None, whose ends then follow the data. Raises UserError on a mismatch."""
    width, classes = records.width, len(records.classes)
    if layers is None:
        return [width, *consts.HEAD_MODEL_LAYERS[1:-1], classes]
    if layers[0] != width or layers[-1] != classes:
        fitting = ','.join(map(str, [width, *layers[1:-1], classes]))
        raise UserError(
            f'layers {",".join(map(str, layers))} do not fit: the bottleneck is {width} wide and there are '
            f'{count(classes, "class", "classes")}; use --layers {fitting}'
        )
    return list(layers)


class Head(Learner):
    """A head and its training in the default graph; `recipe` has its layers. Bottlenecks are fed: 64 of them
    cost some hundredths of a millisecond where a step costs several."""

    def __init__(self, recipe: HeadRecipe, source: Source):
        super().__init__(source, SAMPLES)
        self.recipe = recipe
        self._build()

    def _build(self) -> None:
        r = self.recipe
        self.step = tf.train.get_or_create_global_step()
        self.x = tf.placeholder(tf.float32, [None, r.layers[0]], 'x')
        self.y = tf.placeholder(tf.float32, [None, r.layers[-1]], 'y')
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            logits = dense_head(self.x, r.layers, r.dropout, (r.seed, self.step), r.seed)
            self.probabilities = probabilities(dense_head(self.x, r.layers))
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits_v2(labels=self.y, logits=logits)
        self.cost = loss = tf.reduce_mean(cross_entropy, name='cost')
        if r.l2:  # its gradient passes over all weights: a sixth of a step
            loss += r.l2 * tf.add_n([tf.nn.l2_loss(v) for v in head_variables() if '/W' in v.name])
        # Half a cosine down to zero (Loshchilov and Hutter 2017, arXiv:1608.03983).
        rate = tf.train.cosine_decay(r.learning_rate, self.step, r.steps)
        self.train_op = tf.train.AdamOptimizer(rate).minimize(loss, self.step)
        self.histograms = tf.summary.merge(
            [tf.summary.histogram(WEIGHTS + v.op.name.rpartition('/')[2], v) for v in head_variables()]
        )

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """What a step learns from: bottlenecks [size, width], labels as probabilities [size, classes]."""
        x, labels = self.source.batch(step)
        y = np.zeros((len(labels), self.recipe.layers[-1]), np.float32)
        y[np.arange(len(labels)), labels] = 1
        if self.recipe.mixup:
            x, y = mixed(x, y, self.recipe.mixup, (self.recipe.seed, step))
        return {self.x: x, self.y: y}

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """Probabilities [N, classes] float32."""
        return session.run(self.probabilities, {self.x: examples.values})

    def task(self) -> loop.Task:
        return loop.Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=self.feed,
            evaluate=self.evaluate,
            judge='validation_log_loss' if 'validation' in self.source.parts else None,
            histograms=self.histograms,
            shown=_shown,
        )


def _shown(scalars: dict[str, float]) -> str:
    if 'validation_error' not in scalars:
        return f'train top-1 {1 - scalars["train_error"]:.1%}'
    top_1, log_loss = 1 - scalars['validation_error'], scalars['validation_log_loss']
    return f'validation top-1 {top_1:.1%} log loss {log_loss:.3f}'
