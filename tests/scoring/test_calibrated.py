"""The calibration of a model, and scores before and after it."""

from __future__ import annotations

import numpy as np
import pytest

from src.scoring.calibrated import (
    UNCALIBRATED,
    calibrate,
    calibrated_score,
    calibration_from,
    cross_calibrated,
)
from src.scoring.calibration import apply_temperature, expected_calibration_error, fit_temperature
from src.scoring.scores import score, whole_score
from tests.scoring.test_calibration import drawn


def test_facts_survive_json_and_those_of_other_versions_are_read():
    made = calibrate(*drawn(2.0, 100, 3), 'validation')
    assert calibration_from(made.facts) == made and made.fitted_on == 'validation' and made.examples == 100
    assert made.log_loss_after < made.log_loss_before
    assert calibration_from(None) == calibration_from({}) == UNCALIBRATED
    assert calibration_from(made.facts | {'bias': [1.0]}) == made


def test_scores_are_those_with_the_temperature_and_the_others_are_beside_them():
    probabilities, labels = drawn(2.0, 500, 7)
    made = calibrate(probabilities, labels, 'validation')
    parts = [(probabilities[:200], labels[:200]), (probabilities[200:], labels[200:])]
    got = calibrated_score(iter(parts), made)
    after = apply_temperature(probabilities, made.temperature)
    assert got['log_loss'] == pytest.approx(score(after, labels)['log_loss'])
    assert got['log_loss'] == pytest.approx(made.log_loss_after)
    assert got['calibration_error'] == pytest.approx(expected_calibration_error(after, labels))
    assert got['log_loss_uncalibrated'] == pytest.approx(made.log_loss_before)
    before = expected_calibration_error(probabilities, labels)
    assert got['calibration_error_uncalibrated'] == pytest.approx(before)
    assert calibrated_score(iter(parts), UNCALIBRATED) == whole_score(iter(parts))


def test_a_fold_is_scored_with_the_temperature_of_the_others():
    parts = [drawn(t, 300, 4, seed) for seed, t in enumerate([1.0, 2.0, 4.0])]
    scores, calibration = cross_calibrated(parts)
    rows = []
    for fold, (some, labels) in enumerate(parts):
        others = [part for place, part in enumerate(parts) if place != fold]
        t = fit_temperature(*(np.concatenate(values) for values in zip(*others, strict=True)))
        rows.append((apply_temperature(some, t), labels))
    wanted = whole_score(rows)
    assert {name: scores[name] for name in wanted} == pytest.approx(wanted)
    everything = [np.concatenate(values) for values in zip(*parts, strict=True)]
    assert calibration.temperature == pytest.approx(fit_temperature(*everything))
    assert calibration.fitted_on == 'cross-validation' and calibration.examples == 900
    assert scores['log_loss'] > calibration.log_loss_after  # which was fitted on the same examples
    assert scores['log_loss_uncalibrated'] == pytest.approx(calibration.log_loss_before)
