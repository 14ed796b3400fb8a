"""Brightness and contrast."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.images.augment import augment
from src.images.augment_color import recolored

PIXELS = np.random.default_rng(1).uniform(60, 200, (300, 6, 5, 3)).astype(np.float32)


def changed(pixels=PIXELS, seed=(1, 0), **amounts) -> np.ndarray:
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(recolored(tf.constant(pixels), seed, **amounts))


def test_brightness_adds_an_amount_to_each_picture():
    added = changed(brightness=0.1) - PIXELS
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-3
    amounts = added[:, 0, 0, 0]
    assert amounts.min() < -24 and amounts.max() > 24 and np.abs(amounts).max() <= 25.5


def test_contrast_keeps_the_mean_of_each_channel():
    got = changed(contrast=0.2)
    np.testing.assert_allclose(got.mean((1, 2)), PIXELS.mean((1, 2)), rtol=1e-4)
    factors = got.std((1, 2)) / PIXELS.std((1, 2))
    np.testing.assert_allclose(factors, np.repeat(factors[:, :1], 3, 1), rtol=1e-3)
    assert 0.8 <= factors.min() < 0.82 and 1.18 < factors.max() <= 1.2001


def test_values_stay_pixels():
    pixels = np.random.default_rng(2).integers(0, 256, (50, 6, 5, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(augment(tf.constant(pixels), (1, 0), brightness=0.9))
        exact = session.run(recolored(tf.constant(pixels, tf.float32), (1, 0), brightness=0.9))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, np.rint(exact).clip(0, 255))
    assert (exact < -1).any() and (exact > 256).any()


@pytest.mark.parametrize('amounts', [{'brightness': 0.1}, {'contrast': 0.2}])
def test_results_depend_on_seed_and_step_only(amounts):
    np.testing.assert_array_equal(changed(seed=(1, 7), **amounts), changed(seed=(1, 7), **amounts))
    assert (changed(seed=(1, 7), **amounts) != changed(seed=(1, 8), **amounts)).any()
    assert (changed(seed=(1, 7), **amounts) != changed(seed=(2, 7), **amounts)).any()
