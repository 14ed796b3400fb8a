"""Confusion matrices and what is computed from them: against numbers computed manually and scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from src.scoring import confusion

CLASSES = ['ant', 'bee', 'cat', 'dog']
# Rows are actual classes. There is no dog, one cat is predicted as dog, and only bees are predicted as bee.
MATRIX = np.array([[3, 0, 1, 0], [2, 2, 0, 0], [2, 0, 2, 1], [0, 0, 0, 0]])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


def random_answers(seed: int, examples: int = 400, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, examples)
    weights = np.exp(random.normal(size=(examples, classes)) + 2 * np.eye(classes)[labels])
    return labels, (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def test_predictions_have_a_row_for_each_example():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)
    table = confusion.predictions(
        ['a.jpg', 'caf\udce9.jpg'], ['test', 'train'], np.array([0, 1]), probabilities, CLASSES[:3]
    )
    assert list(table) == ['id', 'split', 'actual', 'pred', 'probability']
    assert table.iloc[0].tolist() == ['a.jpg', 'test', 'ant', 'ant', pytest.approx(0.7)]
    # An id that is not UTF-8 must not prevent writing the file.
    assert table.iloc[1].tolist() == ['caf�.jpg', 'train', 'bee', 'cat', pytest.approx(0.6)]


def test_confusion_matrix_equals_that_of_scikit_learn():
    from sklearn import metrics

    labels, probabilities = random_answers(1)
    predicted = probabilities.argmax(1)
    ours = confusion.confusion_matrix(labels, predicted, 9)  # two classes that do not occur
    assert (ours == metrics.confusion_matrix(labels, predicted, labels=range(9))).all()


def test_probability_matrix_sums_the_rows_by_class():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]], np.float32)
    summed = confusion.probability_matrix(np.array([1, 1, 0]), probabilities)
    assert summed.tolist() == [[1.0, 0.0], [0.75, 1.25]]


def test_row_shares_of_an_empty_row_are_nan():
    shares = confusion.row_shares(MATRIX)
    assert shares[0].tolist() == [0.75, 0, 0.25, 0]
    assert np.isnan(shares[3]).all()


def test_class_scores_of_a_small_matrix():
    scores = confusion.class_scores(MATRIX, CLASSES).set_index('class')
    assert scores['examples'].tolist() == [4, 4, 5, 0]
    assert scores.loc['ant', ['precision', 'recall', 'f1']].tolist() == pytest.approx([3 / 7, 3 / 4, 6 / 11])
    assert scores.loc['bee', ['precision', 'recall', 'f1']].tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert scores.loc['dog', ['precision', 'recall', 'f1']].isna().all()  # there is none


def test_a_class_that_is_never_predicted_has_no_precision_and_an_f1_of_0():
    scores = confusion.class_scores(np.array([[0, 2], [0, 3]]), ['a', 'b'])
    assert np.isnan(scores['precision'][0])
    assert scores[['recall', 'f1']].iloc[0].tolist() == [0, 0]
    assert confusion.macro_average(scores)['precision'] == pytest.approx((0 + 3 / 5) / 2)


def test_class_scores_and_macro_average_equal_those_of_scikit_learn():
    from sklearn import metrics

    labels, probabilities = random_answers(2)
    predicted = probabilities.argmax(1)
    predicted[predicted == 6] = 5  # 6 is never predicted
    scores = confusion.class_scores(confusion.confusion_matrix(labels, predicted, 9), list('abcdefghi'))
    *theirs, support = metrics.precision_recall_fscore_support(labels, predicted, zero_division=0)
    ours = scores[scores['examples'] > 0].fillna(0)
    assert ours['examples'].tolist() == support.tolist()
    for name, values in zip(('precision', 'recall', 'f1'), theirs, strict=True):
        np.testing.assert_allclose(ours[name], values)
        assert confusion.macro_average(scores)[name] == pytest.approx(values.mean())


def test_no_examples_at_all():
    scores = confusion.class_scores(np.zeros((3, 3), np.int64), CLASSES[:3])
    assert scores[['precision', 'recall', 'f1']].isna().all(axis=None)
    assert all(np.isnan(value) for value in confusion.macro_average(scores).values())
    assert len(confusion.weakest(scores, 5)) == 0


def test_weakest_classes_come_first_and_absent_ones_are_left_out():
    scores = confusion.class_scores(MATRIX, CLASSES)
    assert confusion.weakest(scores, 2)['class'].tolist() == ['cat', 'ant']
    assert 'dog' not in confusion.weakest(scores, 9)['class'].tolist()
    assert confusion.weakest(scores, 9)['f1'].is_monotonic_increasing


def test_confused_pairs_merge_both_directions():
    pairs = confusion.confused_pairs(MATRIX, CLASSES, 30)
    assert pairs.to_dict('split')['data'] == [
        ['cat', 'ant', 2, 1, 3],
        ['bee', 'ant', 2, 0, 2],
        ['cat', 'dog', 1, 0, 1],
    ]
    assert list(pairs) == ['class_a', 'class_b', 'a_as_b', 'b_as_a', 'total']
    assert confusion.confused_pairs(MATRIX, CLASSES, 1)['class_a'].tolist() == ['cat']


def test_confused_pairs_count_every_mistake_once():
    labels, probabilities = random_answers(3)
    matrix = confusion.confusion_matrix(labels, probabilities.argmax(1), 7)
    pairs = confusion.confused_pairs(matrix, list('abcdefg'), 1000)
    assert pairs['total'].sum() == (labels != probabilities.argmax(1)).sum()
    assert (pairs['a_as_b'] >= pairs['b_as_a']).all()
    assert pairs['total'].is_monotonic_decreasing


def test_without_mistakes_there_are_no_pairs():
    pairs = confusion.confused_pairs(np.diag([3, 4]), ['a', 'b'], 30)
    assert len(pairs) == 0 and next(iter(pairs)) == 'class_a'


def test_worst_mistakes_have_the_highest_probability():
    table = pd.DataFrame(
        {'actual': list('aabb'), 'pred': list('abaa'), 'probability': [0.99, 0.6, 0.8, 0.7]},
        index=[0, 1, 2, 3],
    )
    assert confusion.worst_mistakes(table, 2).index.tolist() == [2, 3]


def test_similarity_order_puts_confused_classes_next_to_each_other():
    matrix = np.eye(6) * 10
    for a, b in ((0, 3), (1, 5), (2, 4)):
        matrix[a, b] = matrix[b, a] = 4
    matrix[3, 5] = 1  # joins the first two pairs at these ends
    order = confusion.similarity_order(matrix).tolist()
    assert sorted(order) == list(range(6))
    places = {name: place for place, name in enumerate(order)}
    for a, b in ((0, 3), (1, 5), (2, 4), (3, 5)):
        assert abs(places[a] - places[b]) == 1


@pytest.mark.parametrize('classes', [1, 2, 3])
def test_similarity_order_of_few_or_dissimilar_classes(classes):
    assert sorted(confusion.similarity_order(np.zeros((classes, classes)))) == list(range(classes))
