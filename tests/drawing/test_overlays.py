"""Maps over pictures, and grids of pictures."""

from __future__ import annotations

import numpy as np

from src.drawing.grids import Cell, grid
from src.drawing.overlays import heat_colors, overlay, scaled
from tests.pictures import photo


def test_heat_is_dark_for_0_and_light_for_1():
    colors = heat_colors(np.linspace(0, 1, 50))
    assert colors.shape == (50, 3) and (np.diff(colors.sum(-1)) > 0).all()


def test_a_map_colors_its_places_only():
    picture = photo(90, 60)
    values = np.zeros((4, 4))
    values[0, 3] = 5
    made = np.asarray(overlay(picture, values)).astype(int)
    assert made.shape == picture.shape
    change = np.abs(made - picture).sum(-1)
    assert change[:12, -20:].mean() > 3 * change[-20:, :40].mean()


def test_a_flat_map_leaves_the_picture():
    picture = photo(30, 20)
    for values in (np.zeros((3, 3)), np.full((3, 3), -2.0)):
        np.testing.assert_array_equal(np.asarray(overlay(picture, values)), picture)
        assert scaled(values).max() == 0


def test_small_pictures_are_enlarged_pixel_by_pixel():
    red, blue = (np.full((2, 2, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    made = np.asarray(grid([Cell(red, '0'), Cell(blue)], 2, 40, 'Title', beside=Cell(photo(), 'photo')))
    for color in (red, blue):
        assert (made == color[0, 0]).all(-1).sum() == 40 * 40
