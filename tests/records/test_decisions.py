"""The list of decisions: written and read again, and lists that cannot be used."""

from __future__ import annotations

import os

import pytest

from src.common.errors import UserError
from src.records.decisions import Decision, read_decisions, write_decisions

MADE = [
    Decision('cats/a, "b" </script>.jpg', 'keep'),
    Decision('cats/käse\n2.jpg', 'drop'),
    Decision('cats/\udcff.jpg', 'relabel', 'a "dog", big'),
]


def listed(tmp_path, *lines: str, encoding: str = 'utf-8'):
    path = tmp_path / 'decisions.csv'
    path.write_text('\n'.join(lines) + '\n', encoding=encoding)
    return path


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / 'new' / 'decisions.csv'
    write_decisions(path, 'pets', MADE)
    os.utime(path, (1000, 2000))
    read = read_decisions(path, 'pets')
    assert list(read.items()) == [(one.id, one) for one in MADE]
    assert {one.at for one in read.values()} == {2000}


@pytest.mark.parametrize('separator', [',', ';'])
def test_what_a_spreadsheet_writes_is_read(tmp_path, separator):
    rows = [
        ['id', 'data_set', 'label', 'decision', 'note'],
        ['a.jpg', 'pets', '', 'Drop ', 'blurred'],
        [''] * 5,
    ]
    path = listed(tmp_path, *map(separator.join, rows), encoding='utf-8-sig')
    assert read_decisions(path) == {'a.jpg': Decision('a.jpg', 'drop')}


def test_a_photo_may_be_listed_twice_with_one_decision(tmp_path):
    path = listed(tmp_path, 'data_set,id,decision,label', 'pets,a.jpg,keep,', 'pets,a.jpg,keep,cat')
    assert read_decisions(path, 'pets') == {'a.jpg': Decision('a.jpg', 'keep')}


@pytest.mark.parametrize(
    ('rows', 'words'),
    [
        (['pets,a.jpg,remove,'], r"decisions.csv, line 2: 'remove' is no decision: use keep, drop, relabel"),
        (['pets,a.jpg,,'], r"line 2: '' is no decision"),
        (['pets,a.jpg,keep,', 'pets,,drop,'], r'line 3: the id is empty'),
        (
            ['pets,a.jpg,relabel,'],
            r'line 2: a.jpg is to be relabeled, but the label is empty: name its class',
        ),
        (
            ['pets,a.jpg,drop,', 'pets,a.jpg,relabel,dog'],
            r'line 3: a.jpg has two decisions, drop and relabel as dog: delete one of the lines',
        ),
        (['pets,a.jpg,relabel,cat', 'pets,a.jpg,relabel,dog'], r'two decisions, relabel as cat and relabel'),
        (['birds,a.jpg,drop,'], r'decisions.csv is about the data set birds, not pets'),
        (['pets,a.jpg,drop,', 'birds,b.jpg,drop,'], r'is about the data set birds, not pets'),
        (['pets,"a' + 'b' * 200_000 + '",drop,'], r'is not a list of decisions: field larger'),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, rows, words):
    path = listed(tmp_path, 'data_set,id,decision,label', *rows)
    with pytest.raises(UserError, match=words):
        read_decisions(path, 'pets')


def test_a_list_about_two_data_sets_is_refused(tmp_path):
    path = listed(tmp_path, 'data_set,id,decision,label', 'pets,a.jpg,drop,', 'birds,b.jpg,drop,')
    with pytest.raises(UserError, match='is about the data set birds, not pets'):
        read_decisions(path)


def test_files_that_are_no_lists(tmp_path):
    with pytest.raises(UserError, match=r'cannot read the decisions .*none.csv: No such file'):
        read_decisions(tmp_path / 'none.csv')
    with pytest.raises(
        UserError, match=r'it has no column data_set \(its first line must be data_set,id,dec'
    ):
        read_decisions(listed(tmp_path, 'id,split,label,reason', 'a.jpg,train,cat,duplicate'))
    picture = tmp_path / 'cat.jpg'
    picture.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UserError, match=r'cat\.jpg is no UTF-8 text'):
        read_decisions(picture)
    (tmp_path / 'empty.csv').touch()
    with pytest.raises(UserError, match='has no column data_set'):
        read_decisions(tmp_path / 'empty.csv')
