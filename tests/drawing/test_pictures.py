"""Pictures: written, readable, of a sensible size, and with the right content."""

from __future__ import annotations

import sys
import warnings
from subprocess import run

import numpy as np
import pytest
from PIL import Image

from src import drawing
from src.drawing import Tile, heat_maps, sheets, style
from src.drawing.sheets import GAP, MARGIN, SIDE
from src.scoring.calibration import Reliability
from tests.pictures import encoded, photo, with_orientation

NAMES = ['cat', 'a' * 70, 'пудель_карликовый', '$x_1$ & {a}%', 'Ærø\nby', '犬', 'x', 'golden_retriever']
DAMAGED = b'\xff\xd8\xff\xe0 nothing'


@pytest.fixture(autouse=True)
def silence(capfd):
    """Drawing prints no warnings, whatever characters names have."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield
    assert capfd.readouterr().err == ''


def heat_map(path, shares, names, cells=None) -> np.ndarray:
    drawing.heat_map(shares, names, names, path, 'a $title$', 'rows', 'columns', 'share', cells)
    return pixels(path)


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert('RGB'))


def has(picture: np.ndarray, color: str | tuple, tolerance: int = 3) -> int:
    """The number of pixels of that color."""
    if isinstance(color, str):
        color = tuple(bytes.fromhex(color[1:]))
    return int((np.abs(picture.astype(int) - color).max(-1) <= tolerance).sum())


def border(picture: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [picture[:9].reshape(-1, 3), picture[-9:].reshape(-1, 3), picture[:, :9].reshape(-1, 3)]
    )


def test_heat_map_with_numbers(tmp_path):
    cells = np.diag(range(1000, 1008))
    picture = heat_map(tmp_path / 'map.png', cells / cells.sum(1, keepdims=True), NAMES, cells)
    assert 700 < picture.shape[0] < 1600 and 700 < picture.shape[1] < 1600
    assert (border(picture) == 255).all()  # nothing reaches the edge
    assert [path.name for path in tmp_path.iterdir()] == ['map.png']


def test_column_names_are_horizontal_if_all_fit():
    names = ['german_shepherd', 'pug']
    assert heat_maps._column_names(names, 9) == (['german\nshepherd', 'pug'], 0)
    assert heat_maps._column_names(names, 7) == (['german shepherd', 'pug'], 90)
    cut = 'a name of more than forty letters, which is too long for a map'
    level, angle = heat_maps._column_names([cut], 15)
    assert angle == 0 and level[0].endswith('…') and level[0].count('\n') == 2


def test_heat_map_grows_with_classes(tmp_path):
    widths = []
    for number in (30, 120):
        names = [f'class_{i}' for i in range(number)]
        widths.append(heat_map(tmp_path / 'map.png', np.eye(number), names).shape[1])
    assert 1.5 * widths[0] < widths[1]
    assert widths[1] > 120 * 18  # pixels a class, so that names can be read


def test_heat_map_of_very_many_classes_has_a_limited_size(tmp_path):
    picture = heat_map(tmp_path / 'map.png', np.eye(600), [f'class_{i}' for i in range(600)])
    assert 4000 < picture.shape[1] < 6000


def test_small_shares_are_visible_and_empty_rows_are_gray(tmp_path):
    shares = np.array([[0.98, 0.02, 0], [0, 1, 0], [np.nan] * 3])
    picture = heat_map(tmp_path / 'map.png', shares, ['a', 'b', 'c'])
    side = int(0.17 * style.DPI)
    assert has(picture, drawing.FAINT) > 2.5 * side * side
    colors, norm = heat_maps._heat_colors()
    small = tuple(round(255 * part) for part in colors(norm(0.02))[:3])
    assert has(picture, small) > 0.6 * side * side
    assert max(255 - part for part in small) > 60  # far from white


def test_bars_have_two_colors(tmp_path):
    pairs = [('cat', 'a' * 70, 9, 3), ('пудель_карликовый', '犬', 2, 0)]
    drawing.bar_chart_pairs(pairs, tmp_path / 'bars.png', 'title', ('one way', 'other way'), 'photos')
    picture = pixels(tmp_path / 'bars.png')
    blue, orange = has(picture, drawing.BLUE), has(picture, drawing.ORANGE)
    assert 3 < blue / orange < 4  # 11 to 3, and the patches of the legend
    assert (border(picture) == 255).all()


def test_bars_grow_with_pairs(tmp_path):
    heights = []
    for number in (1, 30):
        drawing.bar_chart_pairs([('a', 'b', 1, 1)] * number, tmp_path / 'bars.png', 't', ('x', 'y'), 'z')
        heights.append(pixels(tmp_path / 'bars.png').shape[0])
    assert heights[0] < 400 and 1100 < heights[1] < 1800


@pytest.mark.parametrize('classes', [2, 120])
def test_the_reliability_diagram_shows_accuracy_confidence_and_counts(tmp_path, classes):
    def drawn(accuracy: float) -> np.ndarray:
        counts = np.array([0] * 8 + [100] * 7)
        hits = np.round(accuracy * counts).astype(int)
        bins = Reliability(counts, counts * np.linspace(0.03, 0.97, 15), hits)
        drawing.reliability_diagram(bins, classes, tmp_path / 'some.png', 'a $title$', 'a note')
        return pixels(tmp_path / 'some.png')

    low, high = drawn(0.0), drawn(1.0)
    assert low.shape == high.shape and (border(high) == 255).all()
    assert has(high, drawing.BLUE) > 2 * has(low, drawing.BLUE) > 0  # the counts are always blue
    assert has(low, drawing.ORANGE) > 100


def test_drawing_other_charts(tmp_path):
    with drawing.drawing(tmp_path / 'new' / 'line.png', 4, 3) as figure:
        figure.add_subplot().plot([1, 2, 3])
    assert has(pixels(tmp_path / 'new' / 'line.png'), drawing.BLUE) > 100


def test_a_drawing_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), drawing.drawing(tmp_path / 'line.png', 4, 3):
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def sheet(path, tiles, columns=3, **texts) -> np.ndarray:
    drawing.contact_sheet(tiles, path, columns, **texts)
    return pixels(path)


def tile_of(picture: np.ndarray, column: int, top: int = MARGIN) -> np.ndarray:
    left = MARGIN + column * (SIDE + GAP)
    return picture[top : top + SIDE, left : left + SIDE].astype(int)


def test_tiles_hold_their_pictures(tmp_path):
    wide, tall = photo(120, 60, seed=1), photo(60, 120, seed=2)
    picture = sheet(tmp_path / 's.jpg', [Tile(encoded(wide, 'PNG'), 'wide'), Tile(tall, 'tall')])
    for column, source, size in ((0, wide, (SIDE, SIDE // 2)), (1, tall, (SIDE // 2, SIDE))):
        shown = np.array(Image.fromarray(source).resize(size, Image.Resampling.LANCZOS)).astype(int)
        top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
        tile = tile_of(picture, column)
        assert np.abs(tile[top : top + size[1], left : left + size[0]] - shown).mean() < 4
    assert (tile_of(picture, 2) == 255).all()  # there is no third
    assert (picture[:, :MARGIN] > 250).all() and (picture[:, -MARGIN:] > 250).all()


def test_pictures_are_upright(tmp_path):
    stored = np.zeros((60, 120, 3), np.uint8)
    stored[:, :60] = (255, 0, 0)  # orientation 6 rotates clockwise, which puts red on top
    data = with_orientation(encoded(stored, quality=95), 6)
    tile = tile_of(sheet(tmp_path / 's.jpg', [Tile(data, 'x')]), 0)
    assert tile[30, SIDE // 2, 0] > 240 and tile[SIDE - 30, SIDE // 2].max() < 15


@pytest.mark.parametrize('missing', [None, DAMAGED, b''])
def test_missing_pictures_are_gray(tmp_path, missing):
    tile = tile_of(sheet(tmp_path / 's.jpg', [Tile(missing, 'x')]), 0)
    assert tile.std((0, 1)).max() < 2
    assert 150 < tile.mean() < 220


def test_long_texts_stay_below_their_tile(tmp_path):
    tiles = [
        Tile(photo(), 'word ' * 60, 'W' * 200),
        Tile(photo(), '', ''),
        Tile(photo(), 'x' * 90, 'ж ' * 90),
    ]
    picture = sheet(tmp_path / 's.jpg', tiles, title='title ' * 40, note='note')
    for column in range(2):
        gap = MARGIN + column * (SIDE + GAP) + SIDE
        below = picture[-150:]
        assert (below[:, gap + 2 : gap + GAP - 2] > 245).all()


def test_rows_do_not_overlap(tmp_path):
    tiles = [Tile(np.full((9, 9, 3), 200, np.uint8), 'name ' * 20, 'other ' * 20) for _ in range(5)]
    picture = sheet(tmp_path / 's.jpg', tiles, columns=2)
    column = picture[:, MARGIN + SIDE // 2]
    gray = np.abs(column.astype(int) - 200).max(-1) <= 3
    assert 3 * SIDE <= gray.sum() <= 3 * SIDE + 12  # three whole tiles, and stray pixels of letters


def ink(picture: np.ndarray) -> np.ndarray:
    """For each row of pixels below the first tile, whether it has dark pixels."""
    return (picture[MARGIN + SIDE + 2 :, MARGIN : MARGIN + SIDE] < 200).any((1, 2))


def test_the_source_has_its_own_line(tmp_path):
    without, short, long = (
        sheet(tmp_path / 's.jpg', [Tile(photo(), 'name', 'other', source)])
        for source in ('', 'dog.jpg', 'a_very_long/path with\nlines/' * 9 + 'dog.jpg')
    )
    assert short.shape == long.shape and short.shape[0] > without.shape[0]
    assert ink(short).sum() > ink(without).sum() + 5
    assert (long[:, MARGIN + SIDE + 2 : MARGIN + SIDE + GAP - 2] > 245).all()  # it was cut


def test_long_sources_keep_their_end():
    font = sheets.Face(12)
    assert sheets._cut('dog_1.jpg', font, 200, keep_end=True) == 'dog_1.jpg'
    cut = sheets._cut('holidays_' * 9 + 'dog_1.jpg', font, 200, keep_end=True)
    assert cut.startswith('…') and cut.endswith('_dog_1.jpg')
    assert 180 < font.getlength(cut) <= 200


def test_wrapping():
    font = sheets.Face(15)
    assert sheets._wrap('', font, 200, 2) == []
    assert sheets._wrap('one two', font, 200, 2) == ['one two']
    lines = sheets._wrap('american staffordshire terrier and many more words than fit', font, 200, 2)
    assert len(lines) == 2 and lines[1].endswith('…')
    assert all(font.getlength(line) <= 200 for line in lines)
    assert sheets._wrap('W' * 99, font, 200, 2)[0].endswith('W…')


def test_importing_drawing_does_not_import_matplotlib():
    code = 'import sys; import src.drawing; sys.exit("matplotlib" in sys.modules)'
    assert run([sys.executable, '-c', code], check=False).returncode == 0
