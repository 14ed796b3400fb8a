"""Values from JSON that are of another shape, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import pytest

from src.common import files
from src.common.errors import UserError
from src.common.shapes import Count, fault_of, known


class Base(TypedDict):
    name: str


class Note(Base, total=False):
    counts: dict[str, Count]
    sizes: Sequence[int] | None
    inner: Base | Wide | None


class Wide(TypedDict):
    name: str
    members: list[Base]


@dataclass
class State:
    step: int
    best: float = 1.5
    words: list[str] = field(default_factory=list)
    facts: Mapping[str, Any] | None = None


GOOD = [
    ('a', str), (1, int), (1, float), (1.5, float), (True, bool), (None, None), ([], list), ({}, dict),
    ([1, 'a', None], Any), ([1, 2], list[int]), ([[1], []], list[list[int]]), ({'a': 1}, dict[str, int]),
    ({'a': None}, Mapping[str, int | None]), (3, Annotated[int, 3]), (0, Count), (None, Count | None),
    (2, Literal[1, 2]), (None, Literal[1, 2] | None), ({'name': 'a'}, Note),
    ({'name': 'a', 'more': 1}, Note), ({'name': 'a', 'sizes': None}, Note),
    ({'name': 'a', 'sizes': [1], 'counts': {}, 'inner': {'name': 'b', 'members': []}}, Note),
    ({'step': 3}, State), ({'step': 3, 'best': 1, 'later': 2, 'facts': {'a': []}}, State),
]  # fmt: skip

FAULTS = [
    ([], dict, 'it is a list, not an object'),
    ({}, list[str], 'it is an object, not a list'),
    (None, Note, 'it is null, not an object'),
    ('a', int, "it is 'a', not a whole number"),
    (1.5, int, 'it is 1.5, not a whole number'),
    (True, int, 'it is true, not a whole number'),
    (False, float, 'it is false, not a number'),
    (1, bool, 'it is 1, not true or false'),
    (1, str, 'it is 1, not text'),
    ('x' * 99, bool, f"it is '{'x' * 36}..., not true or false"),
    (-1, Count, 'it is -1, less than 0'),
    (3, Literal[1, 2], 'it is 3, not one of 1, 2'),
    (True, Literal[1, 2], 'it is true, not one of 1, 2'),
    ([1], Literal[1, 2] | None, 'it is a list, not a whole number or null'),
    ([1, 'a'], list[int], "entry 2 is 'a', not a whole number"),
    ({}, Note, "it has no 'name'"),
    ({'name': 1}, Note, 'name is 1, not text'),
    ({'name': 'a', 'counts': [1]}, Note, 'counts is a list, not an object'),
    ({'name': 'a', 'counts': {'train': 'many'}}, Note, "counts.train is 'many', not a whole number"),
    ({'name': 'a', 'counts': {'train': -2}}, Note, 'counts.train is -2, less than 0'),
    ({'name': 'a', 'sizes': 'abc'}, Note, "sizes is 'abc', not a list or null"),
    ({'name': 'a', 'sizes': [1, None]}, Note, 'sizes 2 is null, not a whole number'),
    ({'name': 'a', 'inner': 3}, Note, 'inner is 3, not an object or null'),
    ({'name': 'a', 'inner': {}}, Note, "inner has no 'name'"),
    ({'name': 'a', 'inner': {'name': 3}}, Note, 'inner.name is 3, not text'),
    ({'name': 'a', 'inner': {'name': 3, 'members': []}}, Note, 'inner.name is 3, not text'),
    ({}, State, "it has no 'step'"),
    ({'step': '3'}, State, "step is '3', not a whole number"),
    ({'step': 3, 'words': [1]}, State, 'words 1 is 1, not text'),
]


@pytest.mark.parametrize(('value', 'kind'), GOOD)
def test_what_fits(value, kind):
    assert fault_of(value, kind) == ''


@pytest.mark.parametrize(('value', 'kind', 'fault'), FAULTS)
def test_what_does_not_fit(value, kind, fault):
    assert fault_of(value, kind) == fault


def test_known_entries():
    assert known(State, {'step': 3, 'later': 4}) == {'step': 3}


def test_a_file_of_another_kind_is_one_line(tmp_path):
    path = tmp_path / 'a.json'
    files.write_json(path, {'name': 'a', 'counts': []})
    with pytest.raises(
        UserError, match=r'a\.json is damaged \(counts is a list, not an object\): write it anew'
    ):
        files.read_json(path, Note, 'write it anew')
    assert files.read_notes(path, Note) == {} and files.read_notes(path)['name'] == 'a'
    path.write_text('[1')
    with pytest.raises(UserError, match=r'a\.json is not valid JSON \(.*\): write it anew'):
        files.read_json(path, Note, 'write it anew')
    assert files.read_notes(path) == {}


@pytest.mark.parametrize('text', ['[' * 100_000, '{"a":' * 100_000, '9' * 5000, '', '\0', '"', 'NaN'])
def test_text_that_stops_the_parser(tmp_path, text):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(UserError, match=r'a\.json is (not valid JSON|damaged)'):
        files.read_json(path, Note)
