"""The CSV file of a review."""

from __future__ import annotations

import pytest

from src.common.errors import UserError
from src.curation.findings import REASONS, Finding, in_order, read_findings, write_findings

ODD_IDS = (
    'cats/one.jpg',
    'a,b.jpg',
    'say "cheese".jpg',
    'süße Katze 猫.jpg',
    'two\nlines.jpg',
    'bad\udcff.jpg',
)


def finding(id_: str, reason: str = REASONS[1], score: float = 1.0, **others) -> Finding:
    return Finding(id_, 'train', 'cat, tabby', reason, score, 'file size 12 kB, usual 1 to 9', **others)


def test_findings_with_odd_ids_come_back_from_the_file(tmp_path):
    found = [finding(id_, other=f'{id_}2', looks_like='dog') for id_ in ODD_IDS]
    write_findings(tmp_path / 'deep' / 'review.csv', found)
    assert read_findings(tmp_path / 'deep' / 'review.csv') == found


def test_no_findings_are_a_file_with_a_header(tmp_path):
    write_findings(tmp_path / 'review.csv', [])
    assert (tmp_path / 'review.csv').read_text() == 'id,split,label,reason,score,detail,looks_like,other\n'
    assert read_findings(tmp_path / 'review.csv') == []


def test_the_order_is_that_of_the_reasons_then_the_highest_score():
    low, high, other = finding('a', score=1), finding('b', score=2), finding('c', REASONS[0], 0)
    assert in_order([low, high, other]) == [other, high, low]


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('id,decision\na,drop\n', 'the column split is missing'),
        ('id,split,label,reason,score,detail,looks_like,other\na,train,cat,ugly,1,x,,\n', 'line 2'),
        ('id,split,label,reason,score,detail,looks_like,other\na,train,cat,duplicate,high,x,,\n', 'line 2'),
        ('', 'the column id is missing'),
    ],
)
def test_another_file_is_refused_with_the_fault(tmp_path, text, says):
    (tmp_path / 'review.csv').write_text(text)
    with pytest.raises(UserError, match=says):
        read_findings(tmp_path / 'review.csv')


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match='cannot read'):
        read_findings(tmp_path / 'review.csv')
