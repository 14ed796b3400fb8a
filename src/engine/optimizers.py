"""Optimizers and learning rate schedules, by the names that recipes use; averages of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from src.common.tf1 import tf
from src.engine.muon import step_of_muon

# With 'muon', all variables that are no convolution filters use Adam with this share of the learning rate.
SHARE_OF_THE_REST = 0.1
# The defaults of keras.optimizers.RMSprop (https://keras.io/api/optimizers/rmsprop). TensorFlow 1 starts the
# mean square at 1, Keras at 0: where gradients are small, the first hundred steps or two are smaller here.
RMSPROP_DECAY, RMSPROP_EPSILON = 0.9, 1e-7


def learning_rate(schedule: str, highest: float, warmup: float, step: tf.Tensor, steps: int) -> tf.Tensor:
    """The learning rate at a step, a scalar float32.

    Linear warmup from zero to `highest` over the share `warmup` of all steps; then constant, or linear or
    cosine decay to zero (Loshchilov and Hutter 2017, arXiv:1608.03983).
    """
    done = tf.cast(step, tf.float32) / steps
    begun = tf.minimum(1.0, done / warmup) if warmup else 1.0
    rest = tf.math.divide_no_nan(tf.maximum(0.0, done - warmup), 1 - warmup)
    shares = {'constant': 1.0, 'linear': 1 - rest, 'cosine': 0.5 * (1 + tf.cos(math.pi * rest))}
    return highest * begun * shares[schedule]


def minimize(
    loss: tf.Tensor,
    rate: tf.Tensor,
    step: tf.Variable,
    optimiser: str,
    momentum: float,
    weight_decay: float,
    updates: list[tf.Operation],
    dtype: str = 'float32',
) -> tf.Operation:
    """The op of one training step, which also runs the `updates` of batch norm.

    `optimiser`: 'adam', 'rmsprop', 'sgd' (with Nesterov momentum), or 'muon' (convolution filters by Muon,
    the rest by Adam). `weight_decay` applies to variables named W, except Muon's, whose norm is fixed: as L2
    regularization with sgd, decoupled from the gradient otherwise (Loshchilov and Hutter 2019,
    arXiv:1711.05101). Muon computes in `dtype`.
    """
    variables = tf.trainable_variables()
    filters = [v for v in variables if _is_matrix(v)] if optimiser == 'muon' else []
    rest = [v for v in variables if not _is_matrix(v)] if optimiser == 'muon' else variables
    decaying = [v for v in rest if v.op.name.endswith('/W')] if weight_decay else []
    if optimiser == 'sgd':
        made = tf.train.MomentumOptimizer(rate, momentum, use_nesterov=True)
        if decaying:
            loss += weight_decay * tf.add_n([tf.nn.l2_loss(v) for v in decaying])
    elif optimiser == 'rmsprop':
        made = tf.train.RMSPropOptimizer(rate, RMSPROP_DECAY, epsilon=RMSPROP_EPSILON)
    else:
        rate_of_rest = SHARE_OF_THE_REST * rate if optimiser == 'muon' else rate
        made = tf.train.AdamOptimizer(rate_of_rest)
    # The default, GATE_OP, makes the gradients of a convolution's input and filters wait for each other.
    gradients = made.compute_gradients(loss, rest + filters, made.GATE_GRAPH)
    with tf.control_dependencies(updates):
        applied = [made.apply_gradients(gradients[: len(rest)], step)]
        if filters:
            applied.append(step_of_muon(gradients[len(rest) :], rate, momentum, dtype))
    with tf.control_dependencies(applied):
        shrunk = [] if optimiser == 'sgd' else [tf.assign_sub(v, rate * weight_decay * v) for v in decaying]
        return tf.group(*shrunk)


def _is_matrix(variable: tf.Variable) -> bool:
    """Whether a variable is a convolution filter that mixes channels; depthwise ones do not."""
    return variable.shape.ndims == 4 and variable.shape[-1] > 1


def averaged(
    train_op: tf.Operation, variables: Sequence[tf.Variable], decay: float, step: tf.Variable
) -> tuple[tf.Operation, Callable[[tf.Variable], tf.Variable]]:
    """Add exponential moving averages of `variables` (Polyak and Juditsky 1992,
    https://doi.org/10.1137/0330046) to a training step.

    Returns the new op, and the function from a variable to the one that the model is used with. The averages
    start as plain means, which forget the first weights soon. With a `decay` of 0 nothing is averaged.
    """
    if not decay:
        return train_op, lambda variable: variable
    averages = tf.train.ExponentialMovingAverage(decay, step)
    with tf.control_dependencies([train_op]):
        return averages.apply(variables), averages.average


def initialize(session: tf.Session) -> None:
    """Initialize all variables of the default graph. Averages start as copies of other variables, which have
    to be there first: TensorFlow may read them before in a single run."""
    averaged_ones = tf.moving_average_variables()
    names = {variable.name for variable in averaged_ones}
    rest = [variable for variable in tf.global_variables() if variable.name not in names]
    session.run(tf.variables_initializer(averaged_ones))
    session.run(tf.variables_initializer(rest))


def assign(session: tf.Session, values: Iterable[tuple[tf.Variable, np.ndarray]]) -> None:
    """Give variables these values, in one run: a run for each, as `Variable.load` makes it, is prepared anew
    for each."""
    operations, feed = [], {}
    for variable, value in values:
        operations.append(variable.initializer)
        feed[variable.initializer.inputs[1]] = value
    session.run(operations, feed)
