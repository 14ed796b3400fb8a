from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.engine.learners.head import Head
from src.engine.mixup import mixed
from src.recipes.recipe import HeadRecipe

ROWS = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
LABELS = np.eye(3, dtype=np.float32)[np.arange(500) % 3]


def test_a_row_and_its_label_are_blended_alike_with_the_row_before():
    x, y = mixed(ROWS, LABELS, 1.0, (1, 2))
    assert x.dtype == y.dtype == np.float32
    kept = y[np.arange(500), np.arange(500) % 3][:, None]  # neighbours are of different classes
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(y, kept * LABELS + (1 - kept) * np.roll(LABELS, 1, 0), atol=1e-6)
    np.testing.assert_allclose(x, kept * ROWS + (1 - kept) * np.roll(ROWS, 1, 0), atol=1e-6)


@pytest.mark.parametrize('alpha, middling', [(0.1, 0.1), (1.0, 0.5), (10.0, 0.97)])
def test_alpha_says_how_evenly(alpha, middling):
    """Shares between 1/4 and 3/4: half of all when alpha is 1, hardly any below, nearly all above."""
    _, y = mixed(ROWS, LABELS, alpha, (1, 2))
    kept = y[np.arange(500), np.arange(500) % 3]
    assert np.mean(np.abs(kept - 0.5) < 0.25) == pytest.approx(middling, abs=0.07)


def test_it_depends_on_its_seed_alone():
    first, again, other = (mixed(ROWS, LABELS, 1.0, seed)[0] for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


class OneBatch:
    """A source whose every batch is the same."""

    parts = ()

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return ROWS[:8], np.arange(8, dtype=np.int32) % 3


def test_a_head_is_fed_blends_only_if_it_is_to_be():
    def fed(mixup: float, step: int) -> list[np.ndarray]:
        with tf.Graph().as_default():
            return list(Head(HeadRecipe(layers=[6, 3], mixup=mixup), OneBatch(), 3).feed(step).values())

    x, y = fed(0.0, 4)
    np.testing.assert_array_equal(x, ROWS[:8])
    np.testing.assert_array_equal(y, LABELS[:8])
    x, y = fed(0.5, 4)
    wanted = mixed(ROWS[:8], LABELS[:8], 0.5, (HeadRecipe().seed, 4))
    np.testing.assert_array_equal(x, wanted[0])
    np.testing.assert_array_equal(y, wanted[1])
