from __future__ import annotations

import numpy as np
import pytest

from src.engine.batches import Batches


@pytest.mark.parametrize('size', [3, 10, 25])
def test_every_epoch_shows_each_row_once(size):
    rows = np.arange(100, 110)
    batches = Batches(rows, size, seed=1)
    seen = np.concatenate([batches.rows(step) for step in range(30)])
    for epoch in range(len(seen) // 10):
        assert sorted(seen[epoch * 10 : epoch * 10 + 10]) == list(rows)


def test_a_step_has_its_batch_whatever_was_asked_before():
    rows = np.arange(50)
    in_order = [Batches(rows, 8, seed=1).rows(step) for step in range(20)]
    one = Batches(rows, 8, seed=1)
    for step in (19, 3, 12, 0):
        np.testing.assert_array_equal(one.rows(step), in_order[step])


def test_seed_and_epoch_change_the_order():
    rows = np.arange(50)
    first, second = Batches(rows, 50, seed=1), Batches(rows, 50, seed=2)
    assert list(first.rows(0)) != list(second.rows(0))
    assert list(first.rows(0)) != list(first.rows(1))


def test_a_batch_may_span_many_epochs():
    batches = Batches(np.arange(2), 20_001, seed=1)
    assert np.bincount(batches.rows(0)).sum() == 20_001
    np.testing.assert_array_equal(np.bincount(np.concatenate([batches.rows(0), batches.rows(1)])), 20_001)
