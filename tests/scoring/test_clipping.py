"""Kaggle's log loss, and the bound of probabilities that lowers it."""

from __future__ import annotations

import numpy as np
import pytest

from src.scoring.clipping import CANDIDATES, best_clip, clipped, log_loss


def random_rows(number: int, classes: int, sharpness: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities float32 and labels that agree with them about as often as they say."""
    rng = np.random.default_rng(classes)
    powers = np.exp(rng.normal(size=(number, classes)) * sharpness)
    rows = powers / powers.sum(1, keepdims=True)
    return rows.astype(np.float32), np.array([rng.choice(classes, p=row) for row in rows])


@pytest.mark.parametrize('classes', [2, 5])
def test_log_loss_is_that_of_scikit_learn(classes):
    from sklearn import metrics

    rows, labels = random_rows(300, classes)
    wanted = metrics.log_loss(labels, clipped(rows, 0), labels=range(classes))
    assert log_loss(rows, labels) == pytest.approx(wanted, rel=1e-9)
    assert log_loss(3 * rows, labels) == pytest.approx(wanted, rel=1e-6)  # rows are rescaled


def test_a_certain_mistake_costs_what_kaggle_charges():
    rows = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert log_loss(rows, np.array([0, 1])) == pytest.approx(-np.log(1e-15) / 2)


def test_bounds_hold_with_two_classes_and_rows_sum_to_one():
    rows, _ = random_rows(200, 2, sharpness=9)
    bounded = clipped(rows, 0.01)
    assert bounded.min() == pytest.approx(0.01) and bounded.max() == pytest.approx(0.99)
    many = clipped(random_rows(200, 7, sharpness=9)[0], 0.01)
    np.testing.assert_allclose(many.sum(1), 1)
    assert many.min() > 0.009


def test_a_confident_mistake_asks_for_a_bound():
    """199 right with 1 - 1e-9 and one wrong: the best bound of a constant answer is the share of mistakes."""
    share = np.full(200, 1 - 1e-9)
    labels = np.r_[np.ones(199, int), 0]
    clip = best_clip(np.stack([1 - share, share], 1), labels)
    nearest = min(CANDIDATES, key=lambda c: abs(np.log((c or 1e-20) / (1 / 200))))
    assert clip.least == pytest.approx(nearest)
    assert clip.after < clip.before == pytest.approx(log_loss(np.stack([1 - share, share], 1), labels))


@pytest.mark.parametrize('classes', [2, 4, 30])
@pytest.mark.parametrize('sharpness', [0.3, 3, 12])
def test_the_bound_is_never_worse_than_none(classes, sharpness):
    rows, labels = random_rows(120, classes, sharpness)
    labels[:3] = rows[:3].argmin(1)
    clip = best_clip(rows, labels)
    assert clip.before == log_loss(rows, labels)
    assert (
        clip.after == pytest.approx(log_loss(clipped(rows, clip.least), labels)) and clip.after <= clip.before
    )
    assert clip.least * classes < 1


def test_ties_go_to_no_bound():
    rows = np.tile([[0.4, 0.6]], (10, 1))
    clip = best_clip(rows, np.ones(10, int))
    assert clip.least == 0 and clip.before == clip.after
