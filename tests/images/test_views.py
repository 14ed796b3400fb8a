"""Random views of photos."""

from __future__ import annotations

import numpy as np

from src.images.views import draw, render, uniform
from src.records.fields import reader_for
from tests.pictures import encoded, photo

SETTINGS = {'least_area': 0.25, 'light': 0.2, 'mixing': 0.5}


def photos(number=6, side=40):
    return [photo(side, side, seed=seed).astype(np.uint8) for seed in range(number)]


def test_random_numbers_are_uniform_and_independent():
    drawn = uniform(1, np.arange(20_000), 3, 4)
    assert drawn.min() >= 0 and drawn.max() < 1
    np.testing.assert_allclose(drawn.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(drawn.var(0), 1 / 12, atol=0.003)
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.eye(4), atol=0.03)
    others = uniform(1, np.arange(20_000), 4, 4), uniform(2, np.arange(20_000), 3, 4)
    for other in others:
        np.testing.assert_allclose(np.corrcoef(drawn[:, 0], other[:, 0])[0, 1], 0, atol=0.03)


def test_a_view_depends_on_seed_photo_and_number_alone():
    pictures = photos()
    whole = render(pictures, draw(np.arange(6), 2, 1, 6, **SETTINGS), 16)
    alone = render(pictures, draw(np.array([4, 1]), 2, 1, 6, **SETTINGS), 16)
    np.testing.assert_array_equal(whole[[4, 1]], alone)
    others = draw(np.arange(6), 3, 1, 6, **SETTINGS), draw(np.arange(6), 2, 2, 6, **SETTINGS)
    assert all((render(pictures, other, 16) != whole).any() for other in others)


def test_each_photo_may_have_a_view_of_its_own():
    pictures = photos()
    mixed = render(pictures, draw(np.array([3, 3]), np.array([1, 2]), 1, 6, **SETTINGS), 16)
    for place, view in enumerate((1, 2)):
        one = render(pictures, draw(np.array([3]), view, 1, 6, **SETTINGS), 16)
        np.testing.assert_array_equal(mixed[place], one[0])


def test_view_0_is_the_photo_as_a_network_takes_it():
    pictures = [photo(50, 30, seed=1).astype(np.uint8)]
    seen = render(pictures, draw(np.array([0]), 0, 1, 1, **SETTINGS), 16)
    reader = reader_for(16)
    wanted = reader.read(encoded(pictures[0], 'PNG'))
    reader.close()
    assert np.abs(seen[0] - wanted).max() <= 1.01  # Pillow rounds after each axis


def test_crops_have_the_area_and_place_that_settings_allow():
    views = draw(np.arange(2000), 1, 1, 2000, least_area=0.25)
    boxes = views.boxes.reshape(-1, 4)
    assert boxes.min() >= 0 and boxes.max() <= 1
    sides = boxes[:, 2:] - boxes[:, :2]
    area = sides.prod(1)
    assert 0.2 < area.min() < 0.27 and area.max() > 0.9
    assert 0.45 < views.mirrored.mean() < 0.55
    assert not views.share.any()
    assert (views.tables == np.arange(256)).all()


def test_mixing_blends_two_photos():
    pictures = [np.full((20, 20, 3), value, np.uint8) for value in (0, 200)]
    views = draw(np.arange(2), np.array([1, 1]), 5, 2, mixing=1.0)
    seen = render(pictures, views, 8)
    for place in range(2):
        values = [pictures[row][0, 0, 0] for row in views.rows[place]]
        wanted = values[0] * (1 - views.share[place]) + values[1] * views.share[place]
        assert np.abs(seen[place] - wanted).max() <= 1


def test_the_same_view_at_two_sizes_shows_the_same():
    pictures = [photo(64, 64, seed=seed).astype(np.uint8) for seed in range(4)]
    views = draw(np.arange(4), 1, 1, 4, **SETTINGS)
    small, large = render(pictures, views, 16), render(pictures, views, (32, 32))
    halved = large.reshape(4, 16, 2, 16, 2, 3).mean((2, 4))
    assert np.abs(halved - small).mean() < 4
