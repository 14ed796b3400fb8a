"""Layers from tensors to tensors, of tf.nn ops and variables that the variable scope makes or reuses.

Variables are float32. A layer computes in the type of its input, so a network that begins in bfloat16
stays there, and sums in float32 where TensorFlow does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.common.tf1 import tf

GELU_SLOPE, GELU_CUBE = (2 / np.pi) ** 0.5, 0.044715  # of Hendrycks and Gimpel's formula


def glorot() -> tf.Initializer:
    """Weights of layers whose outputs are as large as their inputs (Glorot and Bengio 2010)."""
    return tf.glorot_uniform_initializer()


def dirac():
    """Filters of which the first hand on a channel each, unchanged (Zagoruyko and Komodakis 2017,
    arXiv:1706.00388), and those that are more than the channels are random."""

    def begin(shape, dtype=None, partition_info=None) -> tf.Tensor:
        height, width, channels, filters = shape
        handed_on = np.zeros([height, width, channels, min(channels, filters)], np.float32)
        handed_on[height // 2, width // 2] = np.eye(*handed_on.shape[2:])
        reach = (height * width * channels) ** -0.5
        more = tf.random.uniform([height, width, channels, max(0, filters - channels)], -reach, reach)
        return tf.concat([handed_on, more], 3)

    return begin


@dataclass(frozen=True)
class Mode:
    """How a network is built: to train it, or to use it. Dropout depends on the two integers `seed` alone,
    such as (seed, step)."""

    training: bool = False
    seed: tuple[tf.Tensor | int, tf.Tensor | int] = (1, 0)
    dtype: str = 'float32'


USE = Mode()


def dense(x: tf.Tensor, units: int, name: str, initializer=glorot) -> tf.Tensor:
    """[N, units] of [N, width]; variables `name/W` [width, units] and `name/b`."""
    with tf.variable_scope(name):
        weights = _variable('W', [x.shape.as_list()[-1], units], initializer(), x.dtype)
        return tf.nn.bias_add(tf.matmul(x, weights), _variable('b', [units], tf.zeros_initializer(), x.dtype))


def conv(
    x: tf.Tensor,
    filters: int,
    size: int,
    name: str,
    padding: str = 'SAME',
    bias: bool = True,
    initializer=glorot,
    trainable: bool = True,
) -> tf.Tensor:
    """[N, h, w, filters] of [N, h, w, channels]; variables `name/W` [size, size, channels, filters], which
    may be left as it begins, and, with `bias`, `name/b`."""
    with tf.variable_scope(name):
        shape = [size, size, x.shape.as_list()[-1], filters]
        weights = _variable('W', shape, initializer(), x.dtype, trainable)
        y = tf.nn.conv2d(x, weights, 1, padding)
        return tf.nn.bias_add(y, _variable('b', [filters], tf.zeros_initializer(), x.dtype)) if bias else y


def gelu(x: tf.Tensor, mode: Mode) -> tf.Tensor:
    """ReLU with a soft bend (Hendrycks and Gimpel 2016, arXiv:1606.08415), by their formula with tanh.

    In training it is compiled by XLA, and so is its gradient: each reads and writes its values once, where
    some twenty ops of TensorFlow would for a fifth of the time that `cnn_best` takes. In use, and so in
    frozen graphs, it is those ops.
    """
    if not mode.training:
        return tf.compat.v2.nn.gelu(x, approximate=True)
    forward, back = (tf.compat.v2.function(f, jit_compile=True, autograph=False) for f in (_gelu, _gelu_back))
    return tf.custom_gradient(lambda x: (forward(x), lambda gradient: back(x, gradient)))(x)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    return tf.cast(0.5 * wide * (1 + _gelu_bend(wide)), x.dtype)


def _gelu_back(x: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    wide, bend = tf.cast(x, tf.float32), _gelu_bend(tf.cast(x, tf.float32))
    of_bend = GELU_SLOPE * (1 + 3 * GELU_CUBE * wide * wide) * (1 - bend * bend)
    return tf.cast(tf.cast(gradient, tf.float32) * 0.5 * (1 + bend + wide * of_bend), x.dtype)


def _gelu_bend(x: tf.Tensor) -> tf.Tensor:
    return tf.tanh(GELU_SLOPE * (x + GELU_CUBE * x * x * x))


def max_pool(x: tf.Tensor, size: int = 2) -> tf.Tensor:
    """The greatest of each square of `size` x `size`; what is left over at the edges is dropped."""
    return tf.nn.max_pool2d(x, size, size, 'VALID')


def batch_norm(
    x: tf.Tensor, name: str, mode: Mode, momentum: float = 0.99, epsilon: float = 1e-3, scale: bool = True
) -> tf.Tensor:
    """Each channel to mean 0 and variance 1, then scaled, if `scale` is learned, and shifted (Ioffe and
    Szegedy 2015, arXiv:1502.03167): by the batch's own numbers in training, by their moving averages in use.

    Variables `name/gamma`, `beta`, and, not trained, `mean` and `variance`, each [channels]. In training
    the ops that move the averages are added to tf.GraphKeys.UPDATE_OPS.
    """
    shape = [x.shape.as_list()[-1]]
    with tf.variable_scope(name):
        gamma = tf.get_variable('gamma', shape, initializer=tf.ones_initializer(), trainable=scale)
        beta = tf.get_variable('beta', shape, initializer=tf.zeros_initializer())
        mean = tf.get_variable('mean', shape, initializer=tf.zeros_initializer(), trainable=False)
        variance = tf.get_variable('variance', shape, initializer=tf.ones_initializer(), trainable=False)
        if not mode.training:
            return tf.nn.fused_batch_norm(x, gamma, beta, mean, variance, epsilon, is_training=False)[0]
        y, batch_mean, batch_variance = tf.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
        for average, now in ((mean, batch_mean), (variance, batch_variance)):
            update = tf.assign_sub(average, (1 - momentum) * (average - now))
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
        return y


def dropout(x: tf.Tensor, rate: float, place: int, mode: Mode) -> tf.Tensor:
    """In training a share `rate` of the values is zero and the rest is scaled up; `place` tells the layers of
    a network apart."""
    if not mode.training:
        return x
    seed = tf.stack([tf.cast(part, tf.int64) for part in (mode.seed[0] * 100 + place, mode.seed[1])])
    return tf.nn.experimental.stateless_dropout(x, rate=rate, seed=seed)


def flatten(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[1:].num_elements()])


def _variable(name: str, shape: list[int], initializer, dtype: tf.DType, trainable: bool = True) -> tf.Tensor:
    variable = tf.get_variable(name, shape, tf.float32, initializer, trainable=trainable)
    return variable if dtype == tf.float32 else tf.cast(variable, dtype)
