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


def test_dropout_depends_on_its_seed_only_and_keeps_the_mean():
    width = 2000
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        logits = dense_head(tf.ones([1, width]), [width, 3], 0.5, (7, step))
        session.run(tf.global_variables_initializer())
        first, other, again = (session.run(logits, {step: s}) for s in (1, 2, 1))
        weights = head_variables()[0]
        session.run(weights.assign(tf.fill(weights.shape, 1 / width)))
        mean = session.run(logits, {step: 1})
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    np.testing.assert_allclose(mean, 1, atol=0.1)
