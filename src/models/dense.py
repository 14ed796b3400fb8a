"""The head: fully connected layers on a bottleneck; and what logits mean: probabilities and cross-entropy.

The last layer of a head or a network has a unit for each class (softmax), or a single unit for two classes
(sigmoid), whose logit is that of the second class.
"""

from __future__ import annotations

from collections.abc import Sequence

from src.common import consts
from src.common.tf1 import tf
from src.models.layers import op_seed

SCOPE = 'head'
TEMPERATURE = 'temperature'


def dense_head(
    bottleneck: tf.Tensor,
    layers: Sequence[int],
    dropout: float = 0.0,
    dropout_seed: tuple[tf.Tensor | int, tf.Tensor | int] | None = None,
    seed: int = consts.SEED,
) -> tf.Tensor:
    """Logits [N, layers[-1]] float32 of a bottleneck [N, layers[0]] float32, with ReLU between the layers.

    layers: widths, from the bottleneck to the number of classes, or to 1 for two classes.
    dropout: fraction of the inputs of each layer that is set to zero, if `dropout_seed` is given.
    dropout_seed: two integers, such as (seed, step), which alone decide the masks, so that a resumed run
        drops the same inputs as an uninterrupted one.
    seed: of the initial weights. They follow He et al. 2015 (arXiv:1502.01852); those of the last layer,
        which has no ReLU, are a quarter of that, so that training starts near uniform probabilities.

    The variables are `head/W1` [in, out], `head/b1` [out] and so on.
    """
    a = bottleneck
    last = len(layers) - 1
    with tf.variable_scope(SCOPE):
        for i in range(1, len(layers)):
            if dropout and dropout_seed is not None:
                a = tf.nn.experimental.stateless_dropout(a, rate=dropout, seed=op_seed(dropout_seed, i))
            scale = 2.0 if i < last else 0.125
            weights = tf.get_variable(
                f'W{i}',
                [layers[i - 1], layers[i]],
                initializer=tf.variance_scaling_initializer(scale, seed=seed + i),
            )
            biases = tf.get_variable(f'b{i}', [layers[i]], initializer=tf.zeros_initializer())
            a = tf.nn.bias_add(tf.matmul(a, weights), biases, name='logits' if i == last else None)
            if i < last:
                a = tf.nn.relu(a)
    return a


def mean_over_views(rows: tf.Tensor, views: int) -> tf.Tensor:
    """[N, units] of rows [N * views, units]: the mean of the views of each example, which are adjacent."""
    if views == 1:
        return rows
    return tf.reduce_mean(tf.reshape(rows, [-1, views, rows.shape[-1]]), 1)


def classes_of(units: int) -> int:
    """The number of classes that a last layer of `units` tells apart."""
    return 2 if units == 1 else units


def probabilities(
    logits: tf.Tensor, name: str | None = consts.OUTPUT_NODE_NAME, temperature: float = 1.0
) -> tf.Tensor:
    """Probabilities [N, classes] of logits [N, classes], or [N, 2] of logits [N, 1]: 1 - p and p.

    name: by default that of the output node of frozen models.
    temperature: a number that divides the logits, the constant `temperature` of the graph
        (scoring/calibration.py).
    """
    if temperature != 1:
        logits = logits / tf.constant(temperature, tf.float32, name=TEMPERATURE)
    if logits.shape[-1] == 1:
        # 1 - sigmoid(x) is sigmoid(-x), which keeps its precision near 0.
        return tf.sigmoid(tf.concat([-logits, logits], 1), name=name)
    return tf.nn.softmax(logits, name=name)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """The mean cross-entropy, a scalar, of logits [N, classes], or [N, 1] for two classes (binary
    cross-entropy), with labels [N, classes] float32, whose rows sum to 1."""
    if label_smoothing:
        labels = labels * (1 - label_smoothing) + label_smoothing / labels.shape.as_list()[-1]
    if logits.shape[-1] == 1:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels[:, 1:], logits=logits)
    else:
        losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
    return tf.reduce_mean(losses, name='cost')


def head_variables() -> list[tf.Variable]:
    return tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, SCOPE + '/')
