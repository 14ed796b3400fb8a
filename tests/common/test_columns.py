"""Aligned columns for text in any script."""

from __future__ import annotations

import pytest

from src.common import columns


@pytest.mark.parametrize(
    'text, wanted',
    [('dog', 3), ('柴犬', 4), ('고양이', 6), ('🐶', 2), ('e\u0301', 1), ('خَيل', 3), ('a\nb', 3), ('', 0)],
)
def test_width(text, wanted):
    assert columns.width(text) == wanted


def test_columns_are_straight():
    lines = columns.table([['class', 'photos'], ['柴犬', '12'], ['e\u0301te', '3']], [False, True])
    assert lines == ['class  photos', '柴犬       12', 'e\u0301te         3']
    assert [columns.width(line) for line in lines] == [13, 13, 13]
    assert columns.ljust('柴犬', 6) == '柴犬  ' and columns.rjust('柴犬', 6) == '  柴犬'
