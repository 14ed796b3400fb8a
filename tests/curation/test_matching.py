"""Nearest neighbors, perceptual hashes and alignment."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from src.curation.matching import nearest as nearest_module
from src.curation.matching.alignment import Aligner
from src.curation.matching.nearest import nearest, perceptual_hashes, unit
from src.curation.matching.pairs import candidates, gumbel_limit, matches
from tests.curation.data import scene

SIDE = 64


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert('L').resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def cropped(image: Image.Image, left: float = 0.2, top: float = 0.0) -> Image.Image:
    """80 % of each side, from a place at the upper right corner by default."""
    width, height = image.size
    return image.crop((left * width, top * height, (left + 0.8) * width, (top + 0.8) * height))


COPIES = {
    'mirrored': ImageOps.mirror,
    'cropped': cropped,
    'resized': lambda image: image.resize((70, 50)),
    'turned': lambda image: image.rotate(5, Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize('block', [7, 1024])
def test_nearest_neighbors_are_those_of_all_similarities(monkeypatch, block):
    monkeypatch.setattr(nearest_module, 'BLOCK', block)
    vectors = unit(np.random.default_rng(1).normal(size=(40, 9)).astype(np.float32))
    scores, rows = nearest(vectors, 5)
    whole = vectors @ vectors.T
    np.fill_diagonal(whole, -np.inf)
    np.testing.assert_array_equal(rows, np.argsort(-whole, 1)[:, :5])
    np.testing.assert_allclose(scores, -np.sort(-whole, 1)[:, :5], rtol=1e-5)


def test_fewer_vectors_than_neighbors_give_all_of_them():
    vectors = unit(np.eye(3, dtype=np.float32))
    scores, rows = nearest(vectors, 6)
    assert scores.shape == rows.shape == (3, 2)
    assert all(set(row) == {0, 1, 2} - {i} for i, row in enumerate(rows.tolist()))


def test_the_hash_of_the_mirrored_picture_needs_no_mirrored_picture():
    images = [scene(seed) for seed in range(5)]
    _, mirrored = perceptual_hashes(np.stack([thumbnail(one) for one in images]))
    direct, _ = perceptual_hashes(np.stack([thumbnail(one)[:, ::-1] for one in images]))
    assert (mirrored * direct).sum(1).min() > 0.93  # at most two of 63 bits differ, by rounding
    assert abs((mirrored[0] * direct[1]).sum()) < 0.6


@pytest.mark.parametrize('kind', COPIES)
def test_a_copy_scores_far_above_other_pictures_and_its_change_is_named(kind):
    aligner = Aligner(SIDE, 4, (-6, -3, 0, 3, 6), np.geomspace(0.75, 1.33, 9).tolist())
    image = scene(1)
    templates = aligner.templates(aligner.prepared(thumbnail(image)))
    score, change = aligner.score(templates, aligner.prepared(thumbnail(COPIES[kind](image))))
    others = [aligner.score(templates, aligner.prepared(thumbnail(scene(seed))))[0] for seed in range(2, 12)]
    assert score > 0.55 > max(others) + 0.1
    assert change.mirrored == (kind == 'mirrored')
    assert (change.turned != 0) == (kind == 'turned')
    if kind == 'cropped':
        assert change.enlarged == pytest.approx(1.25, abs=0.1)


def test_plain_pictures_do_not_match_each_other():
    aligner = Aligner(SIDE, 4, (0,), (1,))
    gray = [aligner.prepared(np.full((SIDE, SIDE), value, np.uint8)) for value in (90, 91)]
    assert aligner.score(aligner.templates(gray[0]), gray[1])[0] < 0.1


def test_planted_copies_are_found_by_hash_and_alignment_alone():
    images = [scene(seed) for seed in range(30)]
    copies = [COPIES[kind](images[i]) for i, kind in enumerate(('mirrored', 'resized', 'mirrored'))]
    thumbnails = np.stack([thumbnail(one) for one in images + copies])
    found, limit = matches(thumbnails, *candidates(thumbnails, None))
    assert {(one.a, one.b) for one in found} == {(0, 30), (1, 31), (2, 32)}
    assert all(one.score > limit for one in found)
    assert [one.change.mirrored for one in found] == [True, False, True]


def test_the_limit_is_what_a_gumbel_distribution_exceeds_with_the_probability():
    scores = 0.25 + 0.03 * np.random.default_rng(2).gumbel(size=20000)
    assert gumbel_limit(scores, 0.001) == pytest.approx(0.25 + 0.03 * 6.907, abs=0.01)


def test_a_hash_is_not_overruled_by_bottlenecks_if_the_alignment_is_strong():
    images = [scene(seed) for seed in range(30)]
    thumbnails = np.stack([thumbnail(one) for one in [*images, images[4].resize((80, 60))]])
    vectors = np.random.default_rng(1).normal(size=(31, 8)).astype(np.float32)
    vectors[30] = -vectors[4]
    pairs, similar = candidates(thumbnails, vectors)
    assert not similar[(pairs == [4, 30]).all(1)].any()
    found, limit = matches(thumbnails, pairs, similar)
    assert [(one.a, one.b) for one in found] == [(4, 30)]
    assert found[0].score > 0.7 > limit
