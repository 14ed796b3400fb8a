from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.models.dense import cross_entropy, dense_head, head_variables, probabilities


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


def test_a_single_unit_gives_two_probabilities():
    logits = np.array([[0], [2], [-3], [40], [-40]], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        rows = probabilities(tf.constant(logits))
        assert rows.op.name == 'output_node'
        got = session.run(rows)
    second = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose(got, np.concatenate([1 - second, second], 1), rtol=1e-6, atol=1e-17)
    assert got[3, 0] > 0  # it would be 0 as 1 - p


@pytest.mark.parametrize('smoothing', [0.0, 0.2])
def test_the_loss_of_one_unit_is_that_of_two_with_the_same_probabilities(smoothing):
    rng = np.random.default_rng(1)
    one = rng.normal(0, 3, (50, 1)).astype(np.float32)
    share = rng.random((50, 1), np.float32)  # mixup gives labels between 0 and 1
    labels = np.concatenate([1 - share, share], 1)
    with tf.Graph().as_default(), tf.Session() as session:
        of_one = cross_entropy(tf.constant(labels), tf.constant(one), smoothing)
        of_two = cross_entropy(tf.constant(labels), tf.constant(np.concatenate([0 * one, one], 1)), smoothing)
        expected = tf.losses.softmax_cross_entropy(labels, np.concatenate([0 * one, one], 1), 1, smoothing)
        got, other, expected = session.run([of_one, of_two, expected])
    assert got == pytest.approx(other, rel=1e-5) and other == pytest.approx(expected, rel=1e-5)
