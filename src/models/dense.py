"""The head: fully connected layers on a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

from src.common import consts
from src.common.tf1 import tf

SCOPE = 'head'


def dense_head(
    bottleneck: tf.Tensor,
    layers: Sequence[int],
    dropout: float = 0.0,
    dropout_seed: tuple[tf.Tensor | int, tf.Tensor | int] | None = None,
    seed: int = consts.SEED,
) -> tf.Tensor:
    """Logits [N, layers[-1]] float32 of a bottleneck [N, layers[0]] float32.

    ReLU between the layers; variables `head/W1` [in, out], `head/b1` [out] and so on, made or reused
    as the variable scope says. Weights begin as He et al. 2015 (arXiv:1502.01852) advise for ReLU,
    those of the last layer, which has none, a quarter of that, so that training starts near even odds.
    `dropout` is the share of a layer's inputs set to zero. Its mask depends on `dropout_seed` alone,
    two integers such as (seed, step): a resumed run then drops what an undisturbed one would have.
    """
    a = bottleneck
    last = len(layers) - 1
    with tf.variable_scope(SCOPE):
        for i in range(1, len(layers)):
            if dropout and dropout_seed is not None:
                mask_seed = tf.stack(
                    [tf.cast(dropout_seed[0] * 100 + i, tf.int64), tf.cast(dropout_seed[1], tf.int64)]
                )
                a = tf.nn.experimental.stateless_dropout(a, rate=dropout, seed=mask_seed)
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


def probabilities(logits: tf.Tensor) -> tf.Tensor:
    """Softmax of [N, classes], under the name that frozen models answer by."""
    return tf.nn.softmax(logits, name=consts.OUTPUT_NODE_NAME)


def head_variables() -> list[tf.Variable]:
    return tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, SCOPE + '/')
