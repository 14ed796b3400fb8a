"""Augmentation in the graph: crop, flip, Cutout, and their seeds."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.images.augment import GRAY, augment

PIXELS = np.random.default_rng(1).integers(0, 256, (64, 9, 11, 3)).astype(np.uint8)


def changed(seed=(1, 0), pixels=PIXELS, **options) -> np.ndarray:
    with tf.Graph().as_default(), tf.Session() as session:
        fed = tf.placeholder(tf.uint8, [None, *pixels.shape[1:]])
        return session.run(augment(fed, seed, **options), {fed: pixels})


def test_nothing_changes_by_default():
    np.testing.assert_array_equal(changed(), PIXELS)


def test_half_are_flipped_and_the_others_in_the_next_epoch():
    same = []
    for epoch in (0, 1, 2):
        got = changed(flip=True, epoch=epoch)
        same.append((got == PIXELS).all((1, 2, 3)))
        np.testing.assert_array_equal(got[~same[-1]], PIXELS[~same[-1]][:, :, ::-1])
    assert 16 < same[0].sum() < 48
    np.testing.assert_array_equal(same[0], ~same[1])
    np.testing.assert_array_equal(same[0], same[2])


def test_a_batch_may_span_two_epochs():
    got = changed(flip=True, epoch=np.arange(64) // 32)
    now, then = (changed(flip=True, epoch=epoch) for epoch in (0, 1))
    np.testing.assert_array_equal(got, np.concatenate([now[:32], then[32:]]))


def test_each_is_shifted_by_its_own_offset_with_reflected_edges():
    got = changed(crop=2)
    padded = np.pad(PIXELS, [(0, 0), (2, 2), (2, 2), (0, 0)], 'reflect')
    offsets = set()
    for picture, whole in zip(got, padded, strict=True):
        fits = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(picture, whole[y : y + 9, x : x + 11])
        ]
        assert len(fits) == 1
        offsets.update(fits)
    assert len(offsets) > 15


def test_a_square_of_each_is_gray():
    got = changed(cutout=4)
    for picture, before in zip(got, PIXELS, strict=True):
        rows, columns = np.nonzero((picture != before).any(2))
        assert rows.size and np.ptp(rows) < 4 and np.ptp(columns) < 4
        inside = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (inside == GRAY).all()


@pytest.mark.parametrize('options', [{'crop': 3}, {'crop': 3, 'flip': True}, {'cutout': 5}])
def test_results_depend_on_seed_and_step_only(options):
    np.testing.assert_array_equal(changed((1, 7), **options), changed((1, 7), **options))
    assert (changed((1, 7), **options) != changed((1, 8), **options)).any()
    assert (changed((1, 7), **options) != changed((2, 7), **options)).any()
