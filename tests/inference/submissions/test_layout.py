"""The columns of a submission: one for each class, or the probability of one of two."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import UserError
from src.inference.submissions.layout import layout_for


@pytest.mark.parametrize(('labels', 'place'), [(['cat', 'dog'], 1), (['Dog', 'Cat'], 0), (['DOG', 'cat'], 0)])
def test_cats_and_dogs_are_written_as_the_probability_of_a_dog(labels, place):
    layout = layout_for(labels)
    assert (layout.columns, layout.places) == (['label'], [place])
    assert layout.pair(labels) == [labels[1 - place], labels[place]]
    probabilities = np.array([0.25, 0.75], np.float32)
    assert layout.row(probabilities) == [f'{probabilities[place]}']


@pytest.mark.parametrize('labels', [['boxer', 'chow'], ['cat', 'dog', 'fox'], ['cat', 'cats'], ['dog']])
def test_other_classes_get_a_column_each(labels):
    layout = layout_for(labels)
    assert (layout.columns, layout.places, layout.pair(labels)) == (labels, list(range(len(labels))), [])


def test_both_formats_can_be_chosen():
    assert layout_for(['cat', 'dog'], 'columns').columns == ['cat', 'dog']
    for form in ('label', None):
        layout = layout_for(['wolf', 'husky'], form, 'husky')
        assert (layout.columns, layout.places) == (['label'], [1])
        assert layout.what == 'id and the probability of husky'
    assert layout_for(['cat', 'dog'], 'label', 'cat').places == [0]


@pytest.mark.parametrize(
    ('labels', 'form', 'positive', 'message'),
    [
        (['wolf', 'husky'], 'label', None, 'add --positive husky or --positive wolf'),
        (['wolf', 'husky'], 'label', 'dog', 'dog is no class of the model: it has wolf, husky'),
        (['a', 'b', 'c'], 'label', None, 'for two classes, and the model has 3: use --format columns'),
        (['a', 'b', 'c'], None, 'a', 'for two classes, and the model has 3'),
        (['cat', 'dog'], 'columns', 'dog', '--positive is for --format label'),
    ],
)
def test_what_does_not_fit_is_refused(labels, form, positive, message):
    with pytest.raises(UserError, match=message):
        layout_for(labels, form, positive)


def test_a_label_near_one_keeps_the_digits_of_its_complement():
    (cell,) = layout_for(['cat', 'dog']).row(np.array([3.2e-10, 1], np.float32))
    assert 1 - float(cell) == pytest.approx(3.2e-10, rel=0.01)


def test_rows_are_bounded_and_rescaled():
    cells = layout_for(['a', 'b', 'c']).row(np.array([1, 0, 0], np.float32), 0.01)
    assert [float(cell) for cell in cells] == pytest.approx([0.99 / 1.01, 0.01 / 1.01, 0.01 / 1.01])
    assert layout_for(['cat', 'dog']).row(np.array([0, 1], np.float32), 0.02) == ['0.98']


def test_columns_follow_the_sample_if_they_are_the_same():
    layout = layout_for(['a', 'b', 'c']).ordered_as(['c', 'a', 'b'])
    assert layout.row(np.array([0.1, 0.2, 0.7])) == ['0.7', '0.1', '0.2']
    assert layout_for(['a', 'b', 'c']).ordered_as(['c', 'a']).columns == ['a', 'b', 'c']
