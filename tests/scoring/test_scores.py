"""Scores and their table."""

from __future__ import annotations

import numpy as np
import pytest

from src.scoring.scores import merged, score, table


def test_scores_are_those_of_scikit_learn():
    from sklearn import metrics

    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(9), 200)
    labels = random.integers(0, 9, 200)
    got = score(probabilities, labels)
    classes = np.arange(9)
    assert got['examples'] == 200
    assert got['top_1'] == pytest.approx(metrics.accuracy_score(labels, probabilities.argmax(1)))
    assert got['top_5'] == pytest.approx(
        metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=classes)
    )
    assert got['log_loss'] == pytest.approx(metrics.log_loss(labels, probabilities, labels=classes))


def test_scores_of_parts_merge_to_those_of_the_whole():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(9), 200)
    labels = random.integers(0, 9, 200)
    parts = [slice(0, 10), slice(10, 150), slice(150, 200)]
    got = merged([score(probabilities[part], labels[part]) for part in parts])
    assert got == pytest.approx(score(probabilities, labels))


def test_the_log_loss_of_a_certain_error_is_finite():
    got = score(np.array([[1.0, 0.0]]), np.array([1]))
    assert got['log_loss'] == pytest.approx(-np.log(1e-7))


def test_uniform_probabilities_do_not_count_as_correct():
    """Otherwise a network that has collapsed to equal probabilities would seem perfect."""
    got = score(np.full((4, 10), 0.1), np.array([0, 1, 5, 9]))
    assert got['top_1'] <= 0.25
    assert got['top_5'] <= 0.5


def test_the_table_is_aligned():
    scores = {'train': score(np.eye(3), np.arange(3)), 'test': score(np.eye(3), np.array([1, 1, 1]))}
    assert len({len(line) for line in table(scores)}) == 1


@pytest.mark.parametrize('classes', [2, 5, 6])
def test_there_is_top_5_for_more_than_five_classes(classes):
    got = score(np.eye(classes), np.arange(classes))
    assert ('top_5' in got) == (classes > 5)
    assert ('top_5' in merged([got, got])) == (classes > 5)
    lines = table({'train': got, 'test': got})
    assert ('top-5' in lines[0]) == (classes > 5)
    assert len({len(line) for line in lines}) == 1
