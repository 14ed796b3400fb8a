"""The head as something to train: its graph, what a step is fed, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.common import consts
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.data_preparation.dataset import Examples, Records
from src.models.dense import dense_head, head_variables, probabilities
from src.training import loop
from src.training.batches import Batches
from src.training.scores import score

TRAIN_SAMPLE = 2000  # training examples that train_error is measured on
EVALUATION_BATCH = 4096


@dataclass(frozen=True)
class Settings:
    """What a head depends on besides its data."""

    layers: list[int]
    steps: int = consts.STEPS
    batch_size: int = consts.BATCH_SIZE
    learning_rate: float = consts.LEARNING_RATE
    dropout: float = consts.DROPOUT
    l2: float = consts.L2
    seed: int = consts.SEED
    all_splits: bool = False


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


class Head:
    """A head and its training in the default graph. Bottlenecks lie in the graph, once, and batches
    are fed as row numbers: a step moves 64 integers instead of 64 bottlenecks."""

    def __init__(self, settings: Settings, examples: dict[str, Examples]):
        self.settings, self.examples = settings, examples
        starts = np.cumsum([0, *(len(e) for e in examples.values())])
        self.rows = {
            split: np.arange(a, b) for split, a, b in zip(examples, starts, starts[1:], strict=False)
        }
        self.labels = np.concatenate([e.labels for e in examples.values()])
        self._bottlenecks = np.concatenate([e.bottlenecks for e in examples.values()])
        self._build()

    def _build(self) -> None:
        s = self.settings
        self._source = tf.placeholder(tf.float32, self._bottlenecks.shape)
        local = [tf.GraphKeys.LOCAL_VARIABLES]  # not part of a checkpoint
        data = tf.Variable(self._source, trainable=False, collections=local, name='bottlenecks')
        labels = tf.Variable(self.labels, trainable=False, collections=local, name='labels')
        self.step = tf.train.get_or_create_global_step()
        self.index = tf.placeholder(tf.int64, [None], name='rows')
        x = tf.gather(data, self.index, name='x')
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            logits = dense_head(x, s.layers, s.dropout, (s.seed, self.step), s.seed)
            self.probabilities = probabilities(dense_head(x, s.layers))
        truth = tf.gather(labels, self.index, name='y')
        self.cost = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits), name='cost'
        )
        decay = s.l2 * tf.add_n([tf.nn.l2_loss(v) for v in head_variables() if '/W' in v.name])
        # Half a cosine down to zero (Loshchilov and Hutter 2017, arXiv:1608.03983).
        rate = tf.train.cosine_decay(s.learning_rate, self.step, s.steps)
        self.train_op = tf.train.AdamOptimizer(rate).minimize(self.cost + decay, self.step)
        self.histograms = tf.summary.merge(
            [tf.summary.histogram(v.op.name.rpartition('/')[2], v) for v in head_variables()]
        )

    def initialise(self, session: tf.Session) -> None:
        session.run(tf.global_variables_initializer())
        session.run(tf.local_variables_initializer(), {self._source: self._bottlenecks})

    def predict(self, session: tf.Session, rows: np.ndarray) -> np.ndarray:
        """Probabilities [len(rows), classes] float32."""
        chunks = [rows[i : i + EVALUATION_BATCH] for i in range(0, len(rows), EVALUATION_BATCH)]
        return np.concatenate([session.run(self.probabilities, {self.index: chunk}) for chunk in chunks])

    def score(self, session: tf.Session, rows: np.ndarray) -> dict[str, float]:
        return score(self.predict(session, rows), self.labels[rows])

    def scores(self, session: tf.Session) -> dict[str, dict[str, float]]:
        """Scores of each split that has examples."""
        return {split: self.score(session, rows) for split, rows in self.rows.items() if len(rows)}

    def evaluate(self, session: tf.Session) -> dict[str, float]:
        """The scalars of TensorBoard; errors are 1 - top-1."""
        told = {'train_error': 1 - self.score(session, self.rows['train'][:TRAIN_SAMPLE])['top_1']}
        for split in ('validation', 'test'):
            if len(self.rows.get(split, ())):
                scores = self.score(session, self.rows[split])
                told |= {f'{split}_error': 1 - scores['top_1'], f'{split}_log_loss': scores['log_loss']}
        return told

    def task(self) -> loop.Task:
        batches = Batches(self.rows['train'], self.settings.batch_size, self.settings.seed)
        judged = len(self.rows.get('validation', ())) > 0
        return loop.Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=lambda step: {self.index: batches.rows(step)},
            evaluate=self.evaluate,
            judge='validation_log_loss' if judged else None,
            histograms=self.histograms,
            shown=_shown,
        )


def _shown(scalars: dict[str, float]) -> str:
    if 'validation_error' not in scalars:
        return f'train top-1 {1 - scalars["train_error"]:.1%}'
    top_1, log_loss = 1 - scalars['validation_error'], scalars['validation_log_loss']
    return f'validation top-1 {top_1:.1%} log loss {log_loss:.3f}'
