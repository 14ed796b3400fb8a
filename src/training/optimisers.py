"""Optimisers with their learning rates over time, by the names that recipes use."""

from __future__ import annotations

import math

from src.common.tf1 import tf

PEAK = 0.2  # the share of a triangle's steps that go up


def learning_rate(schedule: str, highest: float, warmup: float, step: tf.Tensor, steps: int) -> tf.Tensor:
    """The rate of a step, float32; `highest` after the warm-up and, with `schedule` 'constant', from then on.
    'cosine' falls to zero along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983), 'triangle'
    rises over the first fifth and falls to zero along straight lines (Smith 2018, arXiv:1803.09820)."""
    done = tf.cast(step, tf.float32) / steps
    if schedule == 'triangle':
        share = tf.minimum(0.2 + 0.8 * done / PEAK, (1 - done) / (1 - PEAK))
    else:
        begun = tf.minimum(1.0, done / warmup) if warmup else 1.0
        rest = tf.maximum(0.0, done - warmup) / (1 - warmup)
        share = begun * (0.5 * (1 + tf.cos(math.pi * rest)) if schedule == 'cosine' else 1.0)
    return highest * share


def minimise(
    loss: tf.Tensor,
    rate: tf.Tensor,
    step: tf.Variable,
    optimiser: str,
    momentum: float,
    weight_decay: float,
    updates: list[tf.Operation],
) -> tf.Operation:
    """One step of 'adam' or of 'sgd' with Nesterov's momentum, and the `updates` of batch norm.

    Weights (variables named W) decay as if half their squares, times `weight_decay`, were part of the loss;
    for 'adam' apart from the gradient (Loshchilov and Hutter 2019, arXiv:1711.05101).
    """
    variables = tf.trainable_variables()
    weights = [v for v in variables if v.op.name.endswith('/W')]
    if optimiser == 'sgd':
        made = tf.train.MomentumOptimizer(rate, momentum, use_nesterov=True)
        if weight_decay:
            loss += weight_decay * tf.add_n([tf.nn.l2_loss(v) for v in weights])
    else:
        made = tf.train.AdamOptimizer(rate)
    gradients = made.compute_gradients(loss, variables)
    with tf.control_dependencies(updates):
        applied = made.apply_gradients(gradients, step)
    if optimiser == 'sgd' or not weight_decay:
        return applied
    with tf.control_dependencies([applied]):
        return tf.group(*(tf.assign_sub(v, rate * weight_decay * v) for v in weights))
