"""The networks that are trained from pixels: shapes, layers in training and inference, initialization."""

from __future__ import annotations

import math

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.models import layers
from src.models.cnn_best import LEAST_VARIANCE, whitening
from src.models.layers import Mode
from src.models.networks import NETWORKS, find_network, initial_values, logits_of, scaled_pixels
from src.models.test_time_augmentation import all_views, mean_over_views


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_logits_are_float32_for_every_class(name, dtype):
    side = 46 if name.startswith('cnn_small') else 32
    pixels = np.random.default_rng(1).integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        logits = logits_of(name, tf.constant(pixels), 7, Mode(True, (1, 0), dtype))
        session.run(tf.global_variables_initializer())
        assert all(v.dtype.base_dtype == tf.float32 for v in tf.global_variables())
        got = session.run(logits)
    assert got.shape == (3, 7) and got.dtype == np.float32 and np.isfinite(got).all()


def test_an_unknown_network_lists_similar_names():
    with pytest.raises(UserError, match="unknown network 'cnn_depe'; there is cnn_deep"):
        find_network('cnn_depe')


def test_batch_norm_uses_the_batch_in_training_and_averages_in_inference():
    rng = np.random.default_rng(2)
    batches = rng.normal(5, 3, (200, 16, 4, 4, 2)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4, 4, 2])
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            trained = layers.batch_norm(x, 'norm', Mode(training=True), momentum=0.9)
            used = layers.batch_norm(x, 'norm', Mode())
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        assert len(updates) == 2  # of the training graph only
        session.run(tf.global_variables_initializer())
        one = session.run(trained, {x: batches[0]})
        np.testing.assert_allclose(one.mean((0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(one.std((0, 1, 2)), 1, atol=1e-2)
        np.testing.assert_allclose(
            session.run(used, {x: batches[0]}), batches[0], rtol=1e-3
        )  # not updated yet
        for batch in batches:
            session.run(updates, {x: batch})
        wanted = (batches[0] - 5) / 3
        np.testing.assert_allclose(session.run(used, {x: batches[0]}), wanted, atol=0.25)


def test_dropout_depends_on_seed_and_step_only_and_is_off_in_inference():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.ones([1, 1000])
        drop = lambda seed, step, place: layers.dropout(x, 0.25, place, Mode(True, (seed, step)))  # noqa: E731
        same, again, later, other = session.run([drop(1, 5, 1), drop(1, 5, 1), drop(1, 6, 1), drop(1, 5, 2)])
        assert layers.dropout(x, 0.25, 1, Mode()) is x
    np.testing.assert_array_equal(same, again)
    assert (same != later).any() and (same != other).any()
    assert 0.2 < (same == 0).mean() < 0.3 and np.allclose(same[same > 0], 1 / 0.75)


def test_two_views_give_a_picture_and_its_mirror_image_the_same_logits():
    pixels = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.uint8, [None, 32, 32, 3])
        plain = logits_of('cnn_simple', x, 5)
        both = logits_of('cnn_simple', x, 5, views=2)
        session.run(tf.global_variables_initializer())
        turned = pixels[:, :, ::-1]
        np.testing.assert_allclose(
            session.run(both, {x: pixels}), session.run(both, {x: turned}), rtol=1e-4, atol=1e-5
        )
        assert not np.allclose(session.run(plain, {x: pixels}), session.run(plain, {x: turned}), atol=1e-3)


def test_six_views_give_shifted_pictures_half_the_weight():
    pixels = np.random.default_rng(3).integers(0, 256, (3, 8, 6, 3)).astype(np.float32)
    padded = np.pad(pixels, [(0, 0), (1, 1), (1, 1), (0, 0)], mode='reflect')
    wanted = [pixels, padded[:, 2:, 2:], padded[:, :-2, :-2]]  # shifted up and left, then down and right
    with tf.Graph().as_default(), tf.Session() as session:
        seen = session.run(all_views(tf.constant(pixels), 6)).reshape(6, *pixels.shape)
        answers = np.arange(6 * 3 * 2, dtype=np.float32).reshape(18, 2) ** 2
        mean = session.run(mean_over_views(tf.constant(answers), 6))
    for i, one in enumerate(wanted):
        np.testing.assert_array_equal(seen[2 * i], one)
        np.testing.assert_array_equal(seen[2 * i + 1], one[:, :, ::-1])
    apart = answers.reshape(6, 3, 2)
    np.testing.assert_allclose(mean, (2 * apart[0] + 2 * apart[1] + apart[2:].sum(0)) / 8)


def test_the_stem_whitens_patches():
    rng = np.random.default_rng(4)
    smooth = rng.normal(0, 0.5, (50, 5, 5, 3)).repeat(4, 1).repeat(4, 2) + rng.normal(0, 0.2, (50, 20, 20, 3))
    filters = whitening(smooth.astype(np.float32))['stem/W']
    assert filters.shape == (2, 2, 3, 24)
    squares = np.lib.stride_tricks.sliding_window_view(smooth, (2, 2), (1, 2))  # [N, y, x, channel, dy, dx]
    seen = np.einsum('nyxcij,ijck->nyxk', squares, filters).reshape(-1, 24)
    correlated = seen.T @ seen / len(seen)
    variances = np.linalg.eigvalsh(np.cov(squares.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 12).T, bias=True))
    assert variances.min() / 5 > LEAST_VARIANCE  # the noise of 0.2 is above the threshold
    wanted = np.diag(variances / (variances + LEAST_VARIANCE))
    np.testing.assert_allclose(correlated[:12, :12], wanted, atol=0.02)
    np.testing.assert_array_equal(filters[..., 12:], -filters[..., :12])


@pytest.mark.parametrize('channels, filters', [(3, 8), (4, 4), (5, 2)])
def test_dirac_filters_return_their_channel(channels, filters):
    pixels = np.random.default_rng(6).normal(0, 1, (2, 6, 7, channels)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        y = layers.conv(tf.constant(pixels), filters, 3, 'conv', bias=False, initializer=layers.dirac)
        session.run(tf.global_variables_initializer())
        got = session.run(y)
    both = min(channels, filters)
    np.testing.assert_array_equal(got[..., :both], pixels[..., :both])
    assert got.shape[-1] == filters and (got[..., both:].std((0, 1, 2)) > 0.1).all()


def test_the_scale_of_a_batch_norm_may_be_constant():
    with tf.Graph().as_default():
        x = tf.zeros([1, 2, 2, 3])
        layers.batch_norm(x, 'learned', Mode(training=True))
        layers.batch_norm(x, 'left', Mode(training=True), scale=False)
        learned = [v.op.name for v in tf.trainable_variables()]
    assert learned == ['learned/gamma', 'learned/beta', 'left/beta']


@pytest.mark.parametrize('training', [False, True])
def test_gelu_is_x_times_the_normal_distribution_function(training):
    x = np.linspace(-4, 4, 81, dtype=np.float32)
    chance = np.array([0.5 * (1 + math.erf(value / 2**0.5)) for value in x])
    density = np.exp(-x * x / 2) / (2 * math.pi) ** 0.5
    with tf.Session(graph=tf.Graph()) as session, session.graph.as_default():
        given = tf.constant(x)
        got = layers.gelu(given, Mode(training=training))
        (slope,) = tf.gradients(got, given, tf.fill(tf.shape(got), 3.0))
        got, slope = session.run([got, slope])
    np.testing.assert_allclose(got, x * chance, atol=1e-3)
    np.testing.assert_allclose(slope, 3 * (chance + x * density), atol=3e-3)


def test_gelu_is_the_same_in_training_and_inference():
    x = np.random.default_rng(3).normal(0, 2, (5, 7, 3)).astype(np.float32)
    for dtype, near in (('float32', 1e-6), ('bfloat16', 2**-6)):
        with tf.Session(graph=tf.Graph()) as session, session.graph.as_default():
            given = tf.cast(tf.constant(x), dtype)
            both = [layers.gelu(given, Mode(training=training)) for training in (False, True)]
            both += [tf.gradients(got, given)[0] for got in both]
            assert all(got.dtype == dtype for got in both)
            used, trained, *slopes = session.run([tf.cast(got, tf.float32) for got in both])
        np.testing.assert_allclose(used, trained, atol=near, rtol=near)
        np.testing.assert_allclose(*slopes, atol=2 * near)


def test_initial_values_exist_for_cnn_best_only():
    pixels = np.random.default_rng(5).integers(0, 256, (9, 32, 32, 3)).astype(np.uint8)
    assert list(initial_values('cnn_best', pixels)) == ['network/stem/W']
    assert initial_values('cnn_deep', pixels) == {}
    assert scaled_pixels(np.array([0, 127.5, 255])).tolist() == [-1, 0, 1]
