"""The loss of a linear layer on examples that a graph holds, and its gradient.

    loss(W, b) = mean cross-entropy of softmax(x W + b) + l2 / 2 * |W|^2        (one unit: sigmoid)

A head without hidden layers that is trained with Adam has the same loss. scikit-learn's LogisticRegression
minimizes C * sum of the cross-entropy + |W|^2 / 2: the minimum is that of l2 = 1 / (C * N), N examples. For
two classes it has one unit, whose W two units share half and half: for them l2 has to be twice as high.

The cross-entropy is against labels, or against probabilities, such as those of a teacher (Hinton et al. 2015,
arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from src.common.tf1 import tf
from src.models.dense import cross_entropy, mean_over_views, probabilities
from src.records.dataset import Examples

ROWS = 4096  # whose logits are in memory at once


class Objective:
    """The loss on groups of examples, in a session of its own: `with Objective(groups, units) as objective`.

    groups: their values are [N, width] or, for several views of each picture, [N, views, width], float32.
        Each view is an example of the loss; a prediction is of the mean of the views' logits. Their labels
        are [N] int, or probabilities [N, classes] float32, whose rows sum to 1.
    units: of the layer; one for each class, or 1 for two classes.
    blocks: widths of the bottlenecks of several backbones, side by side. Each block is scaled so that all
        vary equally. Otherwise the penalty on W weighs least on the backbone with the largest values.

    Parameters are one vector [width * units + units] float64: W, and the biases for bottlenecks from which
    `mean` is subtracted: bottlenecks are far from 0, and L-BFGS needs more steps to balance W and b without
    that. The minimum is the same. TensorFlow computes in float32.
    """

    def __init__(
        self, groups: Sequence[Examples], units: int, classes: int, blocks: Sequence[int] | None = None
    ):
        self.width, self.units = groups[0].values.shape[-1], units
        self.views = groups[0].values.shape[1] if groups[0].values.ndim == 3 else 1
        self.labels = [group.labels for group in groups]
        self.mean, variance = _moments([group.values for group in groups])
        self.spread = max(float(variance.sum()), np.finfo(np.float32).tiny)
        self._scale = _scale_of(variance, blocks or [self.width])
        with tf.Graph().as_default() as graph:
            self._session = tf.Session(graph=graph)
            self._build(classes)
            self._blocks = [self._held(group) for group in groups]

    def __enter__(self) -> Objective:
        return self

    def __exit__(self, *_) -> None:
        self._session.close()

    @property
    def start(self) -> np.ndarray:
        """The parameters of uniform probabilities: 0."""
        return np.zeros((self.width + 1) * self.units)

    def loss(self, parameters: np.ndarray, l2: float, groups: Sequence[int]) -> tuple[float, np.ndarray]:
        """The loss on some of the groups, by number, and its gradient."""
        given = parameters.astype(np.float32)
        penalty, slope = self._penalty(given, l2)
        value, gradient, rows = 0.0, np.zeros(len(given)), 0
        for group in groups:
            rows += len(self.labels[group]) * self.views
            for of_block, _ in self._blocks[group]:
                loss, slopes = of_block(given)
                value += float(loss)
                gradient += slopes
        return value / rows + float(penalty), gradient / rows + slope

    def predict(self, parameters: np.ndarray, group: int) -> np.ndarray:
        """Probabilities [N, classes] float32 of the examples of a group."""
        given = parameters.astype(np.float32)
        return np.concatenate([predict(given) for _, predict in self._blocks[group]])

    def layer(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W [width, units] and b [units] of the layer for bottlenecks as they are, float32."""
        weights = parameters[: -self.units].reshape(self.width, self.units) * self._scale[:, None]
        return weights.astype(np.float32), (parameters[-self.units :] - self.mean @ weights).astype(
            np.float32
        )

    def _build(self, classes: int) -> None:
        self._classes = classes
        self._given = tf.placeholder(tf.float32, [(self.width + 1) * self.units])
        scaled = tf.reshape(self._given[: -self.units], [self.width, self.units])
        self._weights = scaled * tf.constant(self._scale[:, None], tf.float32)
        mean = tf.constant(self.mean[None], tf.float32)
        self._biases = self._given[-self.units :] - tf.matmul(mean, self._weights)[0]
        l2 = tf.placeholder(tf.float32, [])
        penalty = l2 * tf.nn.l2_loss(scaled)
        slopes = tf.gradients(penalty, self._given)[0]
        self._penalty = self._session.make_callable([penalty, slopes], [self._given, l2])

    def _held(self, examples: Examples) -> list[tuple[Callable, Callable]]:
        """For each block of examples, held in a variable: functions from parameters to loss (a sum) and
        gradient, and to probabilities."""
        size = max(1, ROWS // self.views)
        return [self._block(examples[begin : begin + size]) for begin in range(0, len(examples), size)]

    def _block(self, examples: Examples) -> tuple[Callable, Callable]:
        shape = [len(examples) * self.views, self.width]
        x = self._variable(examples.values.reshape(shape))
        labels = np.repeat(examples.labels, self.views, axis=0)
        y = self._variable(labels) if labels.ndim == 2 else tf.one_hot(labels, self._classes)
        logits = tf.nn.bias_add(tf.matmul(x, self._weights), self._biases)
        loss = cross_entropy(y, logits) * shape[0]
        slopes = tf.gradients(loss, self._given)[0]
        rows = probabilities(mean_over_views(logits, self.views), name=None)
        compiled = self._session.make_callable
        return compiled([loss, slopes], [self._given]), compiled(rows, [self._given])

    def _variable(self, value: np.ndarray) -> tf.Variable:
        fed = tf.placeholder(tf.float32, value.shape)
        variable = tf.Variable(fed, trainable=False)
        self._session.run(variable.initializer, {fed: value})
        return variable


def _moments(groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of all bottlenecks and their variance, both [width] float64."""
    rows = [group.reshape(-1, group.shape[-1]) for group in groups]
    number = sum(map(len, rows))
    mean = sum(part.sum(0, dtype=np.float64) for part in rows) / number
    squares = sum(np.einsum('ij,ij->j', part, part, dtype=np.float64) for part in rows) / number
    return mean, np.maximum(squares - mean**2, 0)


def _scale_of(variance: np.ndarray, blocks: Sequence[int]) -> np.ndarray:
    """Factors [width] that make the variances of all blocks add up to the same sum, their mean."""
    sums = [max(part.sum(), np.finfo(np.float32).tiny) for part in np.split(variance, np.cumsum(blocks)[:-1])]
    return np.repeat(np.sqrt(np.mean(sums) / sums), blocks)
