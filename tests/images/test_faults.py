"""Lists in which BadImage objects stand beside results."""

from __future__ import annotations

import numpy as np
import pytest

from src.images.faults import BadImage, map_good, or_fault

FIRST, SECOND = BadImage('truncated'), BadImage('damaged')


def test_results_and_faults_keep_their_places():
    items = [np.array([1]), FIRST, np.array([2]), np.array([3]), SECOND]
    calls = []

    def double(good):
        calls.append(len(good))
        return 2 * np.stack(good)

    results = map_good(double, items)
    assert calls == [3]
    assert (results[1], results[4]) == (FIRST, SECOND)
    assert [int(results[place][0]) for place in (0, 2, 3)] == [2, 4, 6]


def test_other_items_stay_as_they_are():
    pixels = np.zeros(3)
    results = map_good(lambda texts: map(len, texts), [b'abc', pixels, FIRST, b''], bytes)
    assert results[0] == 3 and results[1] is pixels and results[2] is FIRST and results[3] == 0


@pytest.mark.parametrize('items', [[], [FIRST, SECOND]])
def test_the_function_is_not_called_for_no_good_item(items):
    def never(good):
        raise AssertionError

    assert map_good(never, items) == items


def test_a_fault_is_returned_and_other_exceptions_are_raised():
    def read(fault):
        raise fault

    assert or_fault(int, '7') == 7
    assert or_fault(read, FIRST) is FIRST
    with pytest.raises(OSError, match='disk'):
        or_fault(read, OSError('disk'))
