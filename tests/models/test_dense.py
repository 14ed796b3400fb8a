from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.models.dense import dense_head, head_variables, probabilities


def test_the_head_is_matrix_products_with_relu_between():
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        logits = dense_head(tf.constant(x), [6, 4, 3])
        odds = probabilities(logits)
        session.run(tf.global_variables_initializer())
        names = [v.op.name for v in head_variables()]
        values = dict(zip(names, session.run(head_variables()), strict=True))
        got, odds = session.run([logits, odds])
    assert names == ['head/W1', 'head/b1', 'head/W2', 'head/b2']
    hidden = np.maximum(x @ values['head/W1'] + values['head/b1'], 0)
    wanted = hidden @ values['head/W2'] + values['head/b2']
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(odds, np.exp(wanted) / np.exp(wanted).sum(1, keepdims=True), rtol=1e-5)


def test_dropout_depends_on_its_seed_alone_and_keeps_the_mean():
    x = np.ones((1, 2000), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        logits = dense_head(tf.constant(x), [2000, 3], 0.5, (7, step))
        kept = dense_head_of_ones(x, step)
        session.run(tf.global_variables_initializer())
        first, other, again = (session.run(logits, {step: s}) for s in (1, 2, 1))
        mean = session.run(kept, {step: 1}).mean()
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    assert abs(mean - 1) < 0.1


def dense_head_of_ones(x: np.ndarray, step):
    """The mean of what dropout leaves of `x`, by weights that are all 1 / width."""
    with tf.variable_scope('mean'):
        logits = dense_head(tf.constant(x), [x.shape[1], 1], 0.5, (7, step))
    weights = next(v for v in tf.global_variables() if v.op.name == 'mean/head/W1')
    with tf.control_dependencies([weights.assign(tf.fill(weights.shape, 1 / x.shape[1]))]):
        return tf.identity(logits)
