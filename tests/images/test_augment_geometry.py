"""Rotation, shift, shear and zoom: against the same mapping in numpy, and what each does alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from src.common.tf1 import tf
from src.images.augment import augment
from src.images.augment_geometry import inverse_transforms, moved

SIDE = 31
AMOUNTS = {'rotation': 40.0, 'shift': 0.2, 'shear': 0.2, 'zoom': 0.2}
NONE = dict.fromkeys(AMOUNTS, 0.0)


def smooth(number: int = 16, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """[number, height, width, 3] float32, 0 to 255: pictures that are the same."""
    y, x = np.mgrid[:height, :width]
    channels = [127 + 100 * np.sin(x / 5), 127 + 100 * np.cos(y / 6), 4 * x + 3 * y]
    return np.repeat(np.stack(channels, -1)[None], number, 0).astype(np.float32)


def transformed(pixels: np.ndarray, seed=(1, 0), **amounts) -> tuple[np.ndarray, np.ndarray]:
    """The result of `moved`, and its matrices [N, 2, 3]."""
    amounts = NONE | amounts
    with tf.Graph().as_default(), tf.Session() as session:
        fed = tf.placeholder(tf.float32, [None, *pixels.shape[1:]])
        ops = [moved(fed, seed, **amounts), inverse_transforms(fed, seed, **amounts)]
        assert ops[0].shape.as_list() == [None, *pixels.shape[1:]]
        got, matrices = session.run(ops, {fed: pixels})
    assert got.shape == pixels.shape and not matrices[:, 6:].any()
    return got, matrices[:, :6].reshape(-1, 2, 3)


def sampled(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture resampled bilinearly in numpy, with the nearest edge around it."""
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[:height, :width]
    x, y = np.einsum('ij,jhw->ihw', matrix, np.stack([xs, ys, np.ones_like(xs)]).astype(np.float64))
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    right, below = (x - x0)[..., None], (y - y0)[..., None]
    upper = picture[y0, x0] * (1 - right) + picture[y0, x1] * right
    lower = picture[y1, x0] * (1 - right) + picture[y1, x1] * right
    return upper * (1 - below) + lower * below


@pytest.mark.parametrize('amounts', [AMOUNTS, *({name: value} for name, value in AMOUNTS.items())])
def test_pictures_are_resampled_once_with_the_nearest_edge_around_them(amounts):
    pixels = smooth(8, SIDE, SIDE + 8)
    got, matrices = transformed(pixels, **amounts)
    for picture, before, matrix in zip(got, pixels, matrices, strict=True):
        np.testing.assert_allclose(picture, sampled(before, matrix), atol=0.1)
    assert np.abs(got[0] - pixels[0]).max() > 1


def test_the_matrix_is_the_product_of_the_four_changes_about_the_center():
    """Each is drawn by itself, so the matrices of the changes alone multiply to that of all together."""
    alone = {name: transformed(smooth(), **{name: value})[1] for name, value in AMOUNTS.items()}
    both = transformed(smooth(), **AMOUNTS)[1]
    square = {name: np.concatenate([m, np.tile([[[0, 0, 1]]], (16, 1, 1))], 1) for name, m in alone.items()}
    product = square['rotation'] @ square['shift'] @ square['shear'] @ square['zoom']
    np.testing.assert_allclose(both, product[:, :2], atol=1e-4)


def test_each_change_alone_stays_within_its_amount_and_spreads_over_it():
    number, center = 400, (SIDE - 1) / 2
    pixels = smooth(number)
    kept = np.full((number, 2), center)
    matrices = {name: transformed(pixels, **{name: value})[1] for name, value in AMOUNTS.items()}
    for name in ('rotation', 'shear', 'zoom'):
        np.testing.assert_allclose(matrices[name] @ [center, center, 1], kept, atol=1e-3)
    angles = np.degrees(np.arctan2(matrices['rotation'][:, 1, 0], matrices['rotation'][:, 0, 0]))
    leans = matrices['shear'][:, 1, 0]
    zooms = matrices['zoom'][:, [0, 1], [0, 1]]
    shifts = matrices['shift'][:, :, 2] / SIDE
    for drawn, most in ((angles, 40), (leans, math.sin(0.2)), (zooms - 1, 0.2), (shifts, 0.2)):
        assert 0.95 * most < drawn.max() <= most * 1.0001 and -most * 1.0001 <= drawn.min() < -0.95 * most
        assert abs(drawn.mean()) < 0.1 * most
    assert abs(np.corrcoef(*zooms.T)[0, 1]) < 0.2 and abs(np.corrcoef(*shifts.T)[0, 1]) < 0.2


def test_a_shift_of_whole_pixels_moves_the_picture():
    pixels = smooth(1)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(moved(tf.constant(pixels), (1, 0), shift=0.2))
        x, y = session.run(inverse_transforms(tf.constant(pixels), (1, 0), 0, 0.2, 0, 0))[0, [2, 5]]
    wanted = sampled(pixels[0], np.array([[1, 0, x], [0, 1, y]]))
    np.testing.assert_allclose(got[0], wanted, atol=0.05)
    assert max(abs(x), abs(y)) > 1


@pytest.mark.parametrize('name', AMOUNTS)
def test_results_depend_on_seed_and_step_only_and_differ_between_pictures(name):
    pixels, amount = smooth(4).astype(np.uint8), {name: AMOUNTS[name]}

    def changed(*seed) -> np.ndarray:
        with tf.Graph().as_default(), tf.Session() as session:
            return session.run(augment(tf.constant(pixels), seed, **amount))

    once = changed(1, 7)
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(once, changed(1, 7))
    assert (once != changed(1, 8)).any() and (once != changed(2, 7)).any()
    assert (once[0] != once[1]).any()


def test_a_photo_of_one_color_stays_as_it_is():
    pixels = np.full((3, 20, 30, 3), [200, 30, 90], np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(augment(tf.constant(pixels), (1, 0), flip=True, contrast=0.5, **AMOUNTS))
    np.testing.assert_array_equal(got, pixels)
