"""Layers of the networks: functions from tensor to tensor, with variables of the current variable scope.

Variables are float32. A layer computes in the dtype of its input, so a network whose pixels are bfloat16
computes in bfloat16 (TensorFlow accumulates in float32 where it always does).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.common.tf1 import tf

EPSILON = 1e-3  # added to variances by batch norm
GELU_SLOPE, GELU_CUBE = (2 / np.pi) ** 0.5, 0.044715  # constants of the tanh approximation


def glorot() -> tf.Initializer:
    """Uniform weights that keep the variance of activations and gradients (Glorot and Bengio 2010)."""
    return tf.glorot_uniform_initializer()


def dirac():
    """Identity convolution: filter i returns channel i unchanged (Zagoruyko and Komodakis 2017,
    arXiv:1706.00388). Filters beyond the number of channels are uniformly random."""

    def initialize(shape, dtype=None, partition_info=None) -> tf.Tensor:
        height, width, channels, filters = shape
        identity = np.zeros([height, width, channels, min(channels, filters)], np.float32)
        identity[height // 2, width // 2] = np.eye(*identity.shape[2:])
        limit = (height * width * channels) ** -0.5
        random = tf.random.uniform([height, width, channels, max(0, filters - channels)], -limit, limit)
        return tf.concat([identity, random], 3)

    return initialize


@dataclass(frozen=True)
class Mode:
    """How a network is built.

    training: whether dropout is active and batch norm uses the statistics of the batch.
    seed: two integers, such as (seed, step), which alone decide the dropout masks.
    dtype: what the network computes in.
    """

    training: bool = False
    seed: tuple[tf.Tensor | int, tf.Tensor | int] = (1, 0)
    dtype: str = 'float32'


INFERENCE = Mode()


def dense(x: tf.Tensor, units: int, name: str, initializer=glorot) -> tf.Tensor:
    """Fully connected layer, [N, width] to [N, units]; variables `name/W` [width, units] and `name/b`."""
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
    stride: int = 1,
) -> tf.Tensor:
    """Convolution, [N, h, w, channels] to [N, h / stride, w / stride, filters].

    Variables `name/W` [size, size, channels, filters], constant unless `trainable`, and, with `bias`,
    `name/b`.
    """
    with tf.variable_scope(name):
        shape = [size, size, x.shape.as_list()[-1], filters]
        weights = _variable('W', shape, initializer(), x.dtype, trainable)
        y = tf.nn.conv2d(x, weights, stride, padding)
        return tf.nn.bias_add(y, _variable('b', [filters], tf.zeros_initializer(), x.dtype)) if bias else y


def depthwise(x: tf.Tensor, size: int, name: str, stride: int = 1) -> tf.Tensor:
    """Depthwise convolution without bias, [N, h, w, channels] to [N, h / stride, w / stride, channels].
    Variable `name/D` [size, size, channels, 1]."""
    with tf.variable_scope(name):
        weights = _variable('D', [size, size, x.shape.as_list()[-1], 1], glorot(), x.dtype)
        return tf.nn.depthwise_conv2d(x, weights, [1, stride, stride, 1], 'SAME')


def gelu(x: tf.Tensor, mode: Mode) -> tf.Tensor:
    """GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415) in its tanh approximation.

    In training XLA compiles it and its gradient into one kernel each. As separate ops, about twenty, they
    would take a fifth of the training time of `cnn_best`. For inference, and so in frozen graphs, it is
    made of ops.
    """
    if not mode.training:
        return tf.compat.v2.nn.gelu(x, approximate=True)
    forward, backward = (
        tf.compat.v2.function(f, jit_compile=True, autograph=False) for f in (_gelu, _gelu_gradient)
    )
    return tf.custom_gradient(lambda x: (forward(x), lambda gradient: backward(x, gradient)))(x)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    return tf.cast(0.5 * wide * (1 + _gelu_tanh(wide)), x.dtype)


def _gelu_gradient(x: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    wide, tanh = tf.cast(x, tf.float32), _gelu_tanh(tf.cast(x, tf.float32))
    slope = GELU_SLOPE * (1 + 3 * GELU_CUBE * wide * wide) * (1 - tanh * tanh)
    return tf.cast(tf.cast(gradient, tf.float32) * 0.5 * (1 + tanh + wide * slope), x.dtype)


def _gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    return tf.tanh(GELU_SLOPE * (x + GELU_CUBE * x * x * x))


def max_pool(x: tf.Tensor, size: int = 2) -> tf.Tensor:
    """Maximum of each window of `size` x `size`, with stride `size`; incomplete windows are dropped."""
    return tf.nn.max_pool2d(x, size, size, 'VALID')


def batch_norm(
    x: tf.Tensor, name: str, mode: Mode, momentum: float = 0.99, epsilon: float = EPSILON, scale: bool = True
) -> tf.Tensor:
    """Batch normalization (Ioffe and Szegedy 2015, arXiv:1502.03167); `scale` says whether gamma is trained.

    Training uses mean and variance of the batch, inference their moving averages. Variables `name/gamma`,
    `beta`, and, not trained, `mean` and `variance`, each [channels]. In training the ops that update the
    averages are added to tf.GraphKeys.UPDATE_OPS.
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
    """Dropout of the fraction `rate`, in training only; `place` gives each layer of a network its own
    mask."""
    if not mode.training:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate=rate, seed=op_seed(mode.seed, place))


def op_seed(seed: tuple[tf.Tensor | int, tf.Tensor | int], place: int) -> tf.Tensor:
    """The seed [2] int64 of one stateless random op: `seed` of the step, such as (seed, step), and `place`
    below 100, which differs between the ops of a step."""
    return tf.stack([tf.cast(part, tf.int64) for part in (seed[0] * 100 + place, seed[1])])


def flatten(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[1:].num_elements()])


def _variable(name: str, shape: list[int], initializer, dtype: tf.DType, trainable: bool = True) -> tf.Tensor:
    variable = tf.get_variable(name, shape, tf.float32, initializer, trainable=trainable)
    return variable if dtype == tf.float32 else tf.cast(variable, dtype)
