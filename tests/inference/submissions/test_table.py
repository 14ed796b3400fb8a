"""Submissions as CSV files: order, reading, and comparing with Kaggle's sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common.errors import UserError
from src.inference.submissions.layout import layout_for
from src.inference.submissions.table import (
    Table,
    differences,
    in_order,
    read_rows,
    read_table,
    write_submission,
)


def test_whole_numbers_are_sorted_by_value_and_other_ids_as_text():
    assert in_order(['10', '9', '1', '100', '2']) == ['1', '2', '9', '10', '100']
    assert in_order(['b', '10', 'a', '9', 'a10', 'a9', '-1', '1.5', '٣']) == [
        *('9', '10', '-1', '1.5', 'a', 'a10', 'a9', 'b', '٣')
    ]
    assert in_order(['2', '02', '1']) == ['1', '02', '2']


def test_the_order_of_a_sample_comes_first():
    assert in_order(['1', '2', '3', '10'], ['10', '7', '2']) == ['10', '2', '1', '3']


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'deep' / 's.csv'
    rows = [('1', np.array([0.25, 0.75], np.float32)), ('2', OSError('gone')), ('a,"b', np.array([1.0, 0.0]))]
    ids, unreadable = write_submission(path, layout_for(['a', 'b']), rows, 2)
    assert ids == ['1', '2', 'a,"b'] and list(unreadable) == ['2']
    table = read_table(path)
    assert (table.ids, table.columns) == (ids, ['a', 'b'])
    np.testing.assert_allclose(table.values, [[0.25, 0.75], [0.5, 0.5], [1, 0]])


def test_a_file_of_a_spreadsheet_is_read(tmp_path):
    """With a byte order mark, Windows' line ends, spaces and empty rows at the end."""
    path = tmp_path / 's.csv'
    path.write_bytes('\ufeffId, label\r\n1, 0.5\r\n2,1e-3\r\n,\r\n\r\n'.encode())
    assert read_table(path)[1:3] == (['1', '2'], ['label'])


def test_labels_of_a_spreadsheet_may_be_separated_by_semicolons(tmp_path):
    path = tmp_path / 'labels.csv'
    path.write_bytes('\ufeffid;label\r\n1;dog\r\n2;"cat, or not"\r\n;\r\n'.encode())
    rows = read_rows(path, ',;')
    assert (rows.columns, rows.ids, rows.cells) == (['label'], ['1', '2'], [['dog'], ['cat, or not']])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'has no first line with the names of its columns'),
        (b'id;label\r\n1;0.5\r\n', 'separates its columns by semicolons: save it with commas'),
        (b'id\n1\n', "it begins with 'id'"),
        (b'name,label\n1,0.5\n', "it begins with 'name,label'"),
        (b'id,label\n', 'has no rows below its first line'),
        (b'id,label\n1,0.5\n2\n', r's\.csv line 3 has 1 cell, and the first line 2'),
        (b'id,label\n1,0.5\n2,dog\n', r"s\.csv: label of id 2 \('dog'\) is not a number"),
        (b'id,a,a\n1,0.5,0.5\n', 'has two columns a'),
        (b'\xff\xd8\xff\xe0\x10JFIF', 'is no CSV file with the column id and at least one more$'),
        (b'\xff\xd8\xff\xe0\0\x10JFIF', r's\.csv is no UTF-8 text'),
        (b'id,label\n1,"0.5\n', r'cannot read .*s\.csv'),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / 's.csv'
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as refused:
        read_table(path)
    assert '\n' not in str(refused.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match=r'cannot read .*gone\.csv: No such file'):
        read_table(tmp_path / 'gone.csv')
    with pytest.raises(UserError, match='cannot read'):
        read_table(tmp_path)


def sample(ids: list[str], columns: list[str]) -> Table:
    return Table(Path('sample_submission.csv'), ids, columns, np.zeros((len(ids), len(columns))))


def test_differences_from_a_sample_are_a_line_each():
    wanted = sample([str(n) for n in range(1, 11)], ['label'])
    assert differences(['label'], wanted.ids, wanted) == []
    found = ['1', '2', '2', '3', '11', '3']
    assert differences(['label'], found, wanted) == [
        '7 ids are missing: 4, 5, 6, 7 and 3 more',
        '1 id is extra: 11',
        '2 ids are doubled: 2, 3',
    ]


def test_columns_and_order_are_compared():
    wanted = sample(['1', '2'], ['a', 'b', 'c'])
    assert differences(['a', 'x', 'c'], ['1', '2'], wanted) == [
        '1 column is missing: b',
        '1 column is extra: x',
    ]
    assert differences(['a', 'c', 'b'], ['1', '2'], wanted) == ['the columns are in another order']
    assert differences(['a', 'b', 'c'], ['2', '1'], wanted) == ['the rows are in another order']
