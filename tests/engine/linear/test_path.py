"""Linear heads by L-BFGS: the minimum, its gradient, and the choice of the penalty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src.engine.linear import objective as objectives
from src.engine.linear import plan as plans
from src.engine.linear.objective import Objective
from src.engine.linear.path import LONGEST, PATIENCE, Round, minimize, penalties, solutions
from src.engine.linear.plan import FOLDS, Plan
from src.engine.sources import InMemory
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples

WIDTH, CLASSES = 6, 4


def examples(number: int, classes: int = CLASSES, seed: int = 1, views: int = 0) -> Examples:
    """Bottlenecks far from 0, as those of real backbones are, around a center for each class."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(0, 1, (classes, WIDTH)) + 5
    labels = random.integers(0, classes, number).astype(np.int32)
    shape = (number, views, WIDTH) if views else (number, WIDTH)
    values = random.normal(0, 1.2, shape) + (centers[labels][:, None] if views else centers[labels])
    return Examples([f'{seed}/{i}' for i in range(number)], labels, values.astype(np.float32))


def nothing(_: float) -> None:
    pass


@pytest.mark.parametrize(('units', 'classes'), [(4, 4), (2, 2), (1, 2)])
def test_the_gradient_is_that_of_the_loss(units, classes, monkeypatch):
    monkeypatch.setattr(objectives, 'ROWS', 7)  # several blocks
    with Objective([examples(20, classes), examples(15, classes, 2)], units, classes) as objective:
        place = np.random.default_rng(3).normal(0, 0.3, objective.start.shape)
        _, gradient = objective.loss(place, 0.1, [0, 1])
        for i in range(0, len(place), 3):
            step = np.zeros_like(place)
            step[i] = 1e-2
            higher, lower = (objective.loss(place + sign * step, 0.1, [0, 1])[0] for sign in (1, -1))
            assert gradient[i] == pytest.approx((higher - lower) / 2e-2, abs=2e-4)


def test_the_scale_of_a_backbone_does_not_matter_among_several():
    held = examples(200)
    factors = np.repeat([1, 20], [2, 4]).astype(np.float32)
    larger = replace(held, values=held.values * factors)
    predicted, layers = [], []
    for one in (held, larger):
        with Objective([one], CLASSES, CLASSES, [2, 4]) as objective:
            assert objective.spread == pytest.approx(one.values.var(0).sum(), rel=1e-4)
            # Values of 20 times the size: the sum of squares of each block, and so the penalty, grow.
            l2 = 0.01 * objective.spread
            found = minimize(objective, objective.start, l2, [0], 1e-9, nothing)
            predicted.append(objective.predict(found, 0))
            layers.append(objective.layer(found))
    np.testing.assert_allclose(*predicted, atol=5e-3)
    np.testing.assert_allclose(layers[1][0] * factors[:, None], layers[0][0], atol=1e-2)
    np.testing.assert_allclose(layers[1][1], layers[0][1], atol=5e-2)


@pytest.mark.parametrize(('units', 'classes', 'factor'), [(4, 4, 1), (1, 2, 1), (2, 2, 2)])
def test_the_minimum_is_that_of_scikit_learn(units, classes, factor):
    linear_model = pytest.importorskip('sklearn.linear_model')
    held = examples(300, classes)
    c = 0.05
    peer = linear_model.LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(held.values, held.labels)
    with Objective([held], units, classes) as objective:
        found = minimize(objective, objective.start, factor / (c * len(held)), [0], 1e-9, nothing)
        np.testing.assert_allclose(objective.predict(found, 0), peer.predict_proba(held.values), atol=1e-2)
        weights, biases = objective.layer(found)
    logits = held.values @ weights + biases
    if units == 1:
        np.testing.assert_allclose(weights[:, 0], peer.coef_[0], atol=2e-2)
    elif units == classes > 2:
        np.testing.assert_allclose(weights.T - weights.mean(1), peer.coef_, atol=2e-2)
    assert (logits.argmax(1) if units > 1 else logits[:, 0] > 0).astype(int).tolist() == peer.predict(
        held.values
    ).tolist()


def test_each_view_is_learned_from_and_their_mean_predicts():
    held = examples(60, views=2)
    flat = Examples([''] * 120, np.repeat(held.labels, 2), held.values.reshape(-1, WIDTH))
    with Objective([held], CLASSES, CLASSES) as both, Objective([flat], CLASSES, CLASSES) as rows:
        place = np.random.default_rng(3).normal(0, 0.3, both.start.shape)
        np.testing.assert_allclose(both.loss(place, 0.1, [0])[0], rows.loss(place, 0.1, [0])[0], rtol=1e-5)
        logits = np.log(rows.predict(place, 0)).reshape(60, 2, CLASSES).mean(1)
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(both.predict(place, 0), expected, atol=1e-5)


def test_penalties_fall_and_follow_the_scale_of_the_bottlenecks():
    path = penalties(500.0)
    assert path[:4] == [1.0, 0.3, 0.1, 0.03] and len(path) == LONGEST
    assert penalties(5e4)[4:] == path[:-4]


def test_the_path_ends_when_the_held_out_log_loss_rises():
    # A strong penalty leaves small values aside, which tell as much of the class as the others.
    scales = np.array([3, 1, 0.4, 0.2, 0.2, 0.2], np.float32)
    parts = [replace(part, values=part.values * scales) for part in (examples(80), examples(400, seed=2))]
    with Objective(parts, CLASSES, CLASSES) as objective:
        path = penalties(objective.spread)
        found = list(solutions(objective, [Round([0], 1)], path, nothing))
    losses = [one.log_loss for one in found]
    best = int(np.argmin(losses))
    assert best > 0 and len(found) == best + 1 + PATIENCE < len(path)
    assert [one.l2 for one in found] == path[: len(found)]


def test_among_penalties_that_are_too_weak_to_matter_the_strongest_is_chosen():
    # Probabilities of a linear layer: the loss falls to their entropy, and then less and less.
    weights = np.random.default_rng(5).normal(0, 0.3, (WIDTH, CLASSES))
    groups = []
    for part in (examples(2000), examples(300, seed=2)):
        powers = np.exp(part.values @ weights)
        groups.append(replace(part, labels=(powers / powers.sum(1, keepdims=True)).astype(np.float32)))
    seen = []
    with Objective(groups, CLASSES, CLASSES) as objective:
        path = penalties(objective.spread)
        best, layer = Plan(groups, [Round([0], 1)], [0, 1], None).solve(objective, nothing, seen.append)
        exact = minimize(objective, objective.start, path[-1], [0, 1], 1e-9, nothing)
        chosen, lowest = (objective.loss(parameters, 0, [1])[0] for parameters in (layer, exact))
    assert best is seen[-1 - PATIENCE] and len(seen) < 5 and best.l2 > 1e4 * path[-1]
    assert chosen == pytest.approx(lowest, rel=0.002)


def plan(parts: dict[str, Examples], l2: float | None = None) -> Plan:
    return Plan.of(InMemory(parts, 8, 1), HeadRecipe(layers=[WIDTH, CLASSES], l2=l2))


def test_with_validation_only_training_examples_are_learned_from():
    train, validation = examples(50), examples(20, seed=2)
    made = plan({'train': train, 'validation': validation, 'test': examples(10, seed=3)})
    learned = [id_ for group in made.learned for id_ in made.groups[group].ids]
    assert learned == train.ids
    (one,) = made.rounds
    assert [made.groups[group].ids for group in one.learned] == [train.ids]
    assert made.groups[one.held_out].ids == validation.ids


@pytest.mark.parametrize(('number', 'rounds'), [(50, FOLDS), (3000, 1), (1500, 2)])
def test_without_validation_folds_are_scored_until_enough_examples_are(number, rounds, monkeypatch):
    train = examples(number)
    monkeypatch.setattr(plans, 'SCORED', 600 * CLASSES)
    made = plan({'train': train})
    assert len(made.rounds) == rounds
    for one in made.rounds:
        learned = {id_ for group in one.learned for id_ in made.groups[group].ids}
        held_out = set(made.groups[one.held_out].ids)
        assert not learned & held_out and learned | held_out == set(train.ids)
    assert sorted(id_ for group in made.learned for id_ in made.groups[group].ids) == sorted(train.ids)


def test_few_examples_get_the_penalty_of_scikit_learn_or_the_one_given():
    made = plan({'train': examples(FOLDS - 1)})
    with Objective(made.groups, CLASSES, CLASSES) as objective:
        assert made.path([1.0, 0.1]) == [] and made.otherwise(objective).l2 == 1 / (FOLDS - 1)
    given = plan({'train': examples(50)}, l2=0.25)
    assert given.path([1.0, 0.1]) == [0.25]
