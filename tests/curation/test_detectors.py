"""Odd files, duplicates as groups, label suspects."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from src.curation.discriminant import FOLDS, folds_of, out_of_fold_logits
from src.curation.duplicates import groups, redundant
from src.curation.label_suspects import (
    calibrated,
    label_suspects,
    out_of_fold_probabilities,
    suspects,
)
from src.curation.matching.alignment import Change
from src.curation.matching.pairs import Match
from src.curation.measures import MEASURES, THUMBNAIL, colorfulness, measured, sharpness
from src.curation.odd_files import odd_files, outside
from src.curation.photos import Photos
from tests.curation.data import jpeg, scene

NAMES = [one.name for one in MEASURES]


def photos_of(measures: np.ndarray, labels=None, classes=('cat', 'dog')) -> Photos:
    number = len(measures)
    labels = np.zeros(number, np.int32) if labels is None else np.asarray(labels, np.int32)
    return Photos(
        [f'{i}.jpg' for i in range(number)],
        ['train'] * number,
        labels,
        list(classes),
        measures.astype(np.float32),
        np.zeros((number, THUMBNAIL, THUMBNAIL), np.uint8),
        {},
    )


def usual_measures(number: int, seed: int = 1) -> np.ndarray:
    """[number, 8] measures that vary by some percent."""
    usual = np.array([20_000, 200, 150, 0.67, 7.2, 900, 120, 40])
    return usual * np.random.default_rng(seed).uniform(0.95, 1.05, (number, len(usual)))


def test_the_measures_of_a_picture():
    data = jpeg(scene(3, 160, 120))
    measures, thumbnail = measured(data)
    of = dict(zip(NAMES, measures.tolist(), strict=True))
    assert (of['file size'], of['width'], of['height']) == (len(data), 160, 120)
    assert of['bytes per pixel'] == pytest.approx(len(data) / (160 * 120), rel=1e-6)
    gray = np.asarray(Image.open(io.BytesIO(data)).convert('L'))
    shares = np.bincount(gray.ravel(), minlength=256) / gray.size
    assert of['brightness'] == pytest.approx(gray.mean(), abs=0.5)
    assert of['entropy'] == pytest.approx(
        -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(), abs=0.05
    )
    assert thumbnail.shape == (THUMBNAIL, THUMBNAIL)


def test_blur_lowers_sharpness_and_gray_has_no_colorfulness():
    image = scene(4)
    assert (
        sharpness(image.filter(ImageFilter.GaussianBlur(3)).convert('L')) < sharpness(image.convert('L')) / 5
    )
    assert colorfulness(image.convert('L').convert('RGB')) == 0 < colorfulness(image)
    assert sharpness(Image.new('L', (1, 1))) == 0


def test_a_large_jpeg_is_measured_in_its_own_size():
    measures, _ = measured(jpeg(scene(5, 2400, 1600)))
    assert measures[1:3].tolist() == [2400, 1600]


@pytest.mark.parametrize(
    ('measure', 'value', 'says'),
    [
        ('file size', 1500, 'file size 1.5 kB, usual is at least'),
        ('width', 900, 'width 900 pixels, usual is at most'),
        ('entropy', 2.5, 'entropy 2.50 bits, usual is at least'),
        ('brightness', 250, 'brightness 250, usual is at most'),
    ],
)
def test_an_odd_measure_is_found_and_named(measure, value, says):
    measures = usual_measures(60)
    measures[7, NAMES.index(measure)] = value
    (one,) = odd_files(photos_of(measures))
    assert (one.id, one.reason) == ('7.jpg', 'odd file')
    assert one.detail.startswith(says) and 'also' not in one.detail


def test_a_value_just_outside_of_a_fence_does_not_read_as_usual():
    measures, width = usual_measures(60), NAMES.index('width')
    measures[7, width] = 1
    low = outside(measures[:, width], width, 3)[1]
    measures[7, width] = low - 0.01
    (one,) = odd_files(photos_of(measures))
    assert one.detail == f'width {low:.0f} pixels, usual is more than {low:.0f} pixels'


def test_the_factor_moves_the_fences_and_several_measures_are_named():
    measures = usual_measures(60)
    measures[3, NAMES.index('brightness')] = 150
    measures[3, NAMES.index('colorfulness')] = 52
    (one,) = odd_files(photos_of(measures))
    assert 'brightness' in one.detail and 'colorfulness' in one.detail
    assert odd_files(photos_of(measures), factor=50) == []


def test_the_fences_are_those_of_tukey():
    values = np.random.default_rng(0).normal(100, 20, 500)
    low, high = np.quantile(values, (0.25, 0.75))
    _, below, above = outside(values, NAMES.index('brightness'), 1.5)
    assert (below, above) == pytest.approx((low - 1.5 * (high - low), high + 1.5 * (high - low)))


def test_equal_pictures_are_not_odd_and_unreadable_ones_are_left_out():
    measures = np.tile(usual_measures(1), (40, 1))
    measures[0] = np.nan
    measures[1, 1] += 1
    assert odd_files(photos_of(measures)) == []


def test_a_group_of_copies_keeps_the_one_that_resembles_the_others_most():
    none = Change(False, 0, 1)
    found = [Match(0, 1, 0.9, none), Match(1, 2, 0.9, none), Match(0, 2, 0.7, none), Match(4, 5, 0.8, none)]
    measures = usual_measures(6)
    measures[5, 1] = 10_000  # pixels decide in a group of two
    assert groups(found) == [[0, 1, 2], [4, 5]]
    assert [(row, match.a, match.b) for row, match in redundant(photos_of(measures), found)] == [
        (0, 0, 1),
        (2, 1, 2),
        (4, 4, 5),
    ]
    assert groups([]) == []


def noisy(number: int, classes: int, width: int = 20, share: float = 0.05, seed: int = 1):
    """Vectors around a center for each class, labels with a share changed, and which were."""
    random = np.random.default_rng(seed)
    truth = np.arange(number) % classes
    centers = random.normal(0, 1, (classes, width))
    vectors = (centers[truth] + random.normal(0, 0.7, (number, width))).astype(np.float32)
    wrong = np.zeros(number, bool)
    wrong[random.choice(number, round(share * number), replace=False)] = True
    labels = np.where(wrong, (truth + random.integers(1, classes, number)) % classes, truth)
    return vectors, labels, wrong


@pytest.mark.parametrize('classes', [2, 12])
def test_changed_labels_are_found_with_the_class_they_look_like(classes):
    vectors, labels, wrong = noisy(600, classes)
    names = [f'class {i}' for i in range(classes)]
    found = label_suspects(photos_of(usual_measures(600), labels, names), vectors)
    rows = np.array([int(one.id.removesuffix('.jpg')) for one in found])
    assert wrong[rows].sum() >= 0.9 * wrong.sum()
    assert wrong[rows].mean() >= 0.8
    truth = [names[row % classes] for row in rows if wrong[row]]
    assert [one.looks_like for one in found if wrong[int(one.id.removesuffix('.jpg'))]] == truth
    assert all(one.score > 0 and one.looks_like != one.label for one in found)


def test_labels_that_are_right_are_not_suspect():
    vectors, labels, _ = noisy(400, 4, share=0)
    assert label_suspects(photos_of(usual_measures(400), labels, 'abcd'), vectors) == []


def test_out_of_fold_logits_are_those_of_scikit_learn_fitted_on_the_other_folds():
    vectors, labels, _ = noisy(60, 3, width=100)  # more dimensions than photos: a fit of all would be perfect
    logits, folds = out_of_fold_logits(vectors, labels, 3, [0.5])[0.5], folds_of(labels, 3, 1)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    standard = (vectors - vectors.mean(0)) / vectors.std(0)
    means = np.stack([standard[(folds != 2) & (labels == k)].mean(0) for k in range(3)])
    inner = standard[folds != 2] - means[labels[folds != 2]]
    covariance = inner.T @ inner / len(inner)
    shrunk = 0.5 * covariance + 0.5 * np.eye(100) * np.trace(covariance) / 100
    peer = LinearDiscriminantAnalysis(solver='lsqr', covariance_estimator=_Fixed(shrunk))
    peer.fit(standard[folds != 2], labels[folds != 2])
    ours = logits[folds == 2] - logits[folds == 2].mean(1, keepdims=True)
    theirs = peer.decision_function(standard[folds == 2])
    np.testing.assert_allclose(ours, theirs - theirs.mean(1, keepdims=True), rtol=2e-3, atol=2e-3)


class _Fixed:
    """A covariance estimator of scikit-learn that always gives the same matrix."""

    def __init__(self, covariance):
        self.covariance_ = covariance

    def fit(self, values):
        return self


def test_classes_with_fewer_photos_than_folds_are_in_as_many_folds_and_always_trained_on():
    labels = np.array([0] * 20 + [1] * 2 + [2] * 3)
    folds = folds_of(labels, 3, 1)
    assert [len(set(folds[labels == k])) for k in range(3)] == [FOLDS, 2, 3]
    random = np.random.default_rng(1)
    vectors = (labels[:, None] * 3 + random.normal(0, 0.2, (25, 6))).astype(np.float32)
    probabilities, _ = out_of_fold_probabilities(vectors, labels, 3)
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_classes_of_one_photo_unlabeled_photos_and_single_classes_are_left_out():
    vectors, labels, _ = noisy(40, 2, share=0)
    labels[0], labels[1] = 2, -1
    found = label_suspects(photos_of(usual_measures(40), labels, ['a', 'b', 'c']), vectors)
    assert {'0.jpg', '1.jpg'}.isdisjoint(one.id for one in found)
    assert label_suspects(photos_of(usual_measures(40), labels * 0), vectors) == []


def test_calibration_finds_the_share_of_changed_labels():
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, (5000, 10))
    chances = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > random.random((5000, 1))).argmax(1)
    wrong = random.random(5000) < 0.08
    labels = np.where(wrong, (labels + random.integers(1, 10, 5000)) % 10, labels)
    _, scale, share = calibrated(logits, labels)
    assert scale == pytest.approx(2, rel=0.15)
    assert share == pytest.approx(0.08, abs=0.015)


def test_a_label_is_suspect_below_its_mean_probability_on_other_photos():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.05, 0.95], [0.3, 0.7], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1])
    # Class 0 has a mean of 0.35 on the photos of class 1: photo 2 is below it.
    assert suspects(probabilities, labels, 0).tolist() == [False, False, True, False, False]


def test_one_wrong_label_among_classes_that_are_easily_told_apart_is_suspect():
    probabilities = np.array([[1 - 1e-9, 1e-9]] * 10 + [[1e-9, 1 - 1e-9]] * 11)
    probabilities[10] = [1e-4, 1 - 1e-4]  # labeled as class 0, and more like it than those of class 1
    labels = np.array([0] * 11 + [1] * 10)
    assert np.flatnonzero(suspects(probabilities, labels, 0.03)).tolist() == [10]
    assert not suspects(probabilities, labels, 0).any()
