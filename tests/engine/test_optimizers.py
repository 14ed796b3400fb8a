"""What a step of each optimiser does to the variables, against the formula or against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.engine.muon import orthogonal
from src.engine.optimizers import learning_rate, minimize


@pytest.mark.parametrize('shape', [(9 * 24, 64), (9 * 3, 64), (64, 64)])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_what_muon_moves_by_has_the_singular_vectors_and_near_one_value(shape, dtype):
    matrix = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(tf.cast(orthogonal(tf.constant(matrix, dtype)), tf.float32))
    assert got.shape == shape
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    within = np.diag(left.T @ got @ right.T)
    large = values > values.max() / 4
    assert within[large].min() > 0.5 and within.max() < 1.4
    assert np.abs(got - left @ np.diag(within) @ right).max() < 0.05


def trained(optimiser: str, steps: int, **options) -> tuple[dict[str, np.ndarray], int]:
    """Variables after so many steps on a small convolution and what comes after it."""
    rng = np.random.default_rng(2)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        filters = tf.get_variable('conv/W', initializer=rng.normal(0, 1, (3, 3, 2, 8)).astype(np.float32))
        weights = tf.get_variable('dense/W', initializer=rng.normal(0, 1, (8, 3)).astype(np.float32))
        shift = tf.get_variable('dense/b', initializer=np.zeros(3, np.float32))
        x = tf.nn.conv2d(tf.constant(rng.normal(0, 1, (4, 5, 5, 2)).astype(np.float32)), filters, 1, 'SAME')
        logits = tf.matmul(tf.reduce_mean(x, [1, 2]), weights) + shift
        cost = tf.losses.sparse_softmax_cross_entropy([0, 1, 2, 0], logits)
        settings = {'momentum': 0.6, 'weight_decay': 0.0} | options
        train = minimize(cost, tf.constant(0.1), step, optimiser, updates=[], **settings)
        session.run(tf.global_variables_initializer())
        costs = [session.run(cost)]
        gradient = session.run(tf.gradients(cost, shift)[0])  # at the start
        for _ in range(steps):
            session.run(train)
            costs.append(session.run(cost))
        found = dict(
            zip(('filters', 'weights', 'shift'), session.run([filters, weights, shift]), strict=True)
        )
        return found | {'costs': np.array(costs), 'gradient': gradient}, session.run(step)


@pytest.mark.parametrize('optimiser', ['adam', 'rmsprop', 'sgd', 'muon'])
def test_every_optimiser_counts_its_steps_and_lowers_the_cost(optimiser):
    after, steps = trained(optimiser, 20)
    assert steps == 20 and after['costs'][-1] < after['costs'][0] / 2


def test_muon_moves_every_direction_of_filters_as_far():
    before, after = trained('muon', 0)[0]['filters'], trained('muon', 1)[0]['filters']
    unit = before * np.sqrt(8) / np.linalg.norm(before)  # as long as 8 filters of length 1
    moved = np.linalg.svd((after - unit).reshape(18, 8), compute_uv=False)
    assert moved.max() < 0.1 * 1.4 and moved[0] / moved[1] < 3
    late = trained('muon', 30)[0]['filters']
    assert 0.8 < np.linalg.norm(late) / np.sqrt(8) < 1.2


@pytest.mark.parametrize('optimiser', ['adam', 'rmsprop', 'muon'])
def test_weights_decay_apart_from_the_gradient_and_filters_of_muon_do_not(optimiser):
    plain, decayed = (trained(optimiser, 1, weight_decay=decay)[0] for decay in (0.0, 0.5))
    np.testing.assert_allclose(decayed['weights'], plain['weights'] * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(decayed['shift'], plain['shift'])
    same = np.array_equal(decayed['filters'], plain['filters'])
    assert same == (optimiser == 'muon')


def test_a_step_of_rmsprop_divides_the_gradient_by_its_root_mean_square():
    before, after = (trained('rmsprop', steps)[0]['shift'] for steps in (0, 1))
    gradient = trained('sgd', 0)[0]['gradient']
    mean_square = 0.9 * 1 + 0.1 * gradient**2
    np.testing.assert_allclose(before - after, 0.1 * gradient / np.sqrt(mean_square + 1e-7), rtol=1e-4)


@pytest.mark.parametrize(
    'schedule, warmup, wanted',
    [
        ('constant', 0.0, [2, 2, 2, 2]),
        ('linear', 0.0, [2, 1.5, 1, 0]),
        ('linear', 0.5, [0, 1, 2, 0]),
        ('linear', 1.0, [0, 0.5, 1, 2]),
        ('cosine', 0.0, [2, 1 + 0.5**0.5, 1, 0]),
    ],
)
def test_the_learning_rate_over_a_training(schedule, warmup, wanted):
    with tf.Graph().as_default(), tf.Session() as session:
        rates = [learning_rate(schedule, 2.0, warmup, tf.constant(step), 100) for step in (0, 25, 50, 100)]
        np.testing.assert_allclose(
            session.run([tf.convert_to_tensor(rate) for rate in rates]), wanted, atol=1e-6
        )
