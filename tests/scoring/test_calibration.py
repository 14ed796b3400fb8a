"""Temperature scaling and calibration error, against values computed by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from src.scoring.calibration import (
    LIMITS,
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
    total,
)
from src.scoring.scores import score


def drawn(temperature: float, number: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions [number, classes] float32 that need `temperature`, and labels drawn from the true
    probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (number, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(logits, 1)])
    return softmax(logits * temperature, 1).astype(np.float32), labels


@pytest.mark.parametrize('classes', [2, 7])
@pytest.mark.parametrize('temperature', [0.4, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(temperature, classes):
    probabilities, labels = drawn(temperature, 20_000, classes)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.03)


def test_the_fit_is_the_lowest_point_of_log_loss_doubt_and_prior():
    probabilities, labels = drawn(2.5, 60, 3)
    at = np.exp(np.linspace(*np.log(LIMITS), 20_001))
    logs = np.log(probabilities.astype(np.float64))
    truth = np.arange(60), labels
    second = np.arange(60), np.argsort(probabilities, 1)[:, -2]

    def cost(t: float) -> float:
        losses = -log_softmax(logs / t, 1)
        return losses[truth].sum() + losses[second].mean() / 4 + np.log(t) ** 2 / 2

    costs = [cost(t) for t in at]
    assert fit_temperature(probabilities, labels) == pytest.approx(at[np.argmin(costs)], rel=1e-3)


def test_examples_that_are_all_right_do_not_drive_the_temperature_to_its_limit():
    logits = np.random.default_rng(0).uniform(2, 6, 20)
    probabilities = np.stack([expit(-logits), expit(logits)], 1).astype(np.float32)
    found = fit_temperature(probabilities, np.ones(20, int))
    assert 0.2 < found < 0.9
    assert found > 10 * LIMITS[0]
    assert fit_temperature(probabilities[:0], np.zeros(0, int)) == pytest.approx(1, abs=1e-3)


def test_a_certain_mistake_raises_the_temperature_and_stays_finite():
    probabilities = np.float32([[1, 0]] * 20)
    found = fit_temperature(probabilities, np.array([1] + [0] * 19))
    assert found > 5 and np.isfinite(apply_temperature(probabilities, found)).all()


@pytest.mark.parametrize('temperature', [0.1, 0.5, 1.0, 3.0])
def test_probabilities_become_those_of_the_logits_divided(temperature):
    logits = np.random.default_rng(1).normal(0, 4, (300, 9))
    got = apply_temperature(softmax(logits, 1).astype(np.float32), temperature)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, softmax(logits / temperature, 1), atol=1e-6)
    np.testing.assert_allclose(got.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize('temperature', [0.3, 2.0])
def test_pairs_of_a_sigmoid_unit_become_those_of_its_logit_divided(temperature):
    logits = np.linspace(-40, 40, 321)
    pairs = np.stack([expit(-logits), expit(logits)], 1).astype(np.float32)
    got = apply_temperature(pairs, temperature)
    wanted = np.stack([expit(-logits / temperature), expit(logits / temperature)], 1)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    some = wanted > 1e-30
    np.testing.assert_allclose(got[some], wanted[some], rtol=1e-4)


def test_the_classes_keep_their_order():
    probabilities, labels = drawn(1.0, 500, 12)
    after = apply_temperature(probabilities, 0.4)
    before = score(probabilities, labels)
    assert {'top_1': before['top_1'], 'top_5': before['top_5']}.items() <= score(after, labels).items()


def test_the_calibration_error_by_hand():
    # Bins of width 0.25: [0.6 right, 0.7 wrong] and [0.9 right, 1.0 right].
    right = np.array([0.6, 0.7, 0.9, 1.0])
    probabilities = np.stack([right, 1 - right], 1)
    labels = np.array([0, 1, 0, 0])
    wanted = (2 * abs(0.5 - 0.65) + 2 * abs(1 - 0.95)) / 4
    assert expected_calibration_error(probabilities, labels, 4) == pytest.approx(wanted)
    bins = reliability(probabilities, labels, 4)
    np.testing.assert_array_equal(bins.counts, [0, 0, 2, 2])
    np.testing.assert_allclose(bins.accuracy, [np.nan, np.nan, 0.5, 1.0])
    np.testing.assert_allclose(bins.confidence, [np.nan, np.nan, 0.65, 0.95])


@pytest.mark.parametrize('classes', [2, 5])
def test_the_bins_are_those_of_scikit_learn(classes):
    from sklearn.calibration import calibration_curve

    probabilities, labels = drawn(1.5, 3000, classes)
    bins = reliability(probabilities, labels)
    hits = probabilities.argmax(1) == labels
    accuracy, confidence = calibration_curve(hits, probabilities.max(1), n_bins=15)
    seen = bins.counts > 0
    np.testing.assert_allclose(bins.accuracy[seen], accuracy)
    np.testing.assert_allclose(bins.confidence[seen], confidence)


def test_intervals_are_those_of_wilson():
    right = np.array([0.9] * 10)
    bins = reliability(np.stack([right, 1 - right], 1), np.array([1] + [0] * 9), 4)
    np.testing.assert_allclose(bins.interval[:, 3], [0.59585, 0.98212], atol=1e-5)  # 9 of 10
    assert np.isnan(bins.interval[:, 0]).all()


@pytest.mark.parametrize(('classes', 'number'), [(2, 400), (10, 600)])
def test_the_error_of_a_calibrated_classifier_is_that_of_labels_drawn_from_its_probabilities(classes, number):
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(0, 2, (number, classes)), 1)
    errors = []
    for _ in range(300):
        labels = (probabilities.cumsum(1) > random.random((number, 1))).argmax(1)
        bins = reliability(probabilities, labels)
        errors.append(bins.error)
    assert bins.error_of_calibrated == pytest.approx(np.mean(errors), rel=0.1)


def test_bins_of_parts_add_up_to_those_of_the_whole():
    probabilities, labels = drawn(1.5, 100, 3)
    parts = [slice(0, 3), slice(3, 70), slice(70, 100)]
    whole = total(reliability(probabilities[part], labels[part]) for part in parts)
    assert whole.error == pytest.approx(expected_calibration_error(probabilities, labels))
    assert whole.counts.sum() == 100


def test_a_temperature_makes_overconfident_predictions_reliable():
    probabilities, labels = drawn(3.0, 20_000, 10)
    after = apply_temperature(probabilities, fit_temperature(probabilities, labels))
    assert expected_calibration_error(probabilities, labels) > 0.1
    assert expected_calibration_error(after, labels) < 0.015
