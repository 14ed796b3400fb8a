"""Names in scripts that DejaVu Sans lacks: drawn if a font is installed, else replaced."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

from src import drawing
from src.drawing import Tile, fonts, sheets, style
from src.drawing.sheets import MARGIN, SIDE

FAMILY = 'Squares Sans'


@pytest.fixture
def machine(monkeypatch):
    """Only the fonts of Matplotlib are installed, and those passed to the function that this returns."""
    own = matplotlib.get_data_path()
    listed = [entry for entry in font_manager.fontManager.ttflist if entry.fname.startswith(own)]

    def install(*files):
        monkeypatch.setattr(font_manager.fontManager, 'ttflist', list(listed))
        monkeypatch.setattr(font_manager, 'findSystemFonts', lambda: [str(file) for file in files])
        monkeypatch.setattr(fonts, '_reported', set())
        forget()

    def forget():
        for cached in (fonts._font_of, fonts._characters, fonts._installed):
            cached.cache_clear()

    install()
    yield install
    forget()


@pytest.fixture(scope='module')
def squares(tmp_path_factory):
    """A font file in which 柴, 犬 and 🐶 are black squares."""
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(['.notdef', 'square'])
    made.setupCharacterMap(dict.fromkeys(map(ord, '柴犬🐶'), 'square'))
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 800), (950, 800), (950, 0)):
        pen.lineTo(corner)
    pen.closePath()
    made.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), 'square': pen.glyph()})
    made.setupHorizontalMetrics({'.notdef': (1000, 0), 'square': (1000, 50)})
    made.setupHorizontalHeader(ascent=900, descent=-100)
    made.setupNameTable({'familyName': FAMILY, 'styleName': 'Regular'})
    made.setupOS2()
    made.setupPost()
    path = tmp_path_factory.mktemp('fonts') / 'squares.ttf'
    made.save(path)
    return path


def blackest(picture: np.ndarray, side: int) -> float:
    """The highest share of dark pixels in any square of `side` pixels."""
    dark = (picture.min(-1) < 120).astype(np.int64).cumsum(0).cumsum(1)
    dark = np.pad(dark, ((1, 0), (1, 0)))
    sums = dark[side:, side:] - dark[:-side, side:] - dark[side:, :-side] + dark[:-side, :-side]
    return sums.max() / side**2


def test_a_newly_installed_font_is_found_and_used(machine, squares, tmp_path, capsys):
    machine(squares)
    assert fonts.writable('柴犬 und 🐶') == '柴犬 und 🐶'
    assert fonts.families(['柴犬']) == [fonts.BASE, FAMILY]
    assert fonts.runs('die 柴犬, 3') == [('die ', fonts.BASE), ('柴犬', FAMILY), (', 3', fonts.BASE)]
    for path, draw in (
        (tmp_path / 'pairs.png', bars),
        (tmp_path / 'map.png', heat_map),
        (tmp_path / 'sheet.jpg', sheet),
    ):
        draw(path, '柴犬')
        drawn = np.array(Image.open(path).convert('RGB'))
        assert blackest(drawn, 9) > 0.99, path.name  # the letters of DejaVu Sans have no such squares
        draw(path, 'ab')
        assert blackest(np.array(Image.open(path).convert('RGB')), 9) < 0.9, path.name
    assert capsys.readouterr().out == ''


def bars(path, name):
    drawing.bar_chart_pairs([(name, 'x', 0, 0)], path, 'title', ('a', 'b'), 'photos')
    crop(path, 140, 1)


def heat_map(path, name):
    drawing.heat_map(np.zeros((2, 2)), [name, 'x'], ['x', 'y'], path, 't', 'r', 'c', 's')
    crop(path, 0, 0.4)


def sheet(path, name):
    drawing.contact_sheet([Tile(np.full((9, 9, 3), 255, np.uint8), name)], path, 1)


def crop(path, top, share):
    """Keep what is below the legend and left of the scale, which are dark too."""
    image = Image.open(path)
    image.crop((0, top, int(share * image.width), image.height)).save(path)


@pytest.mark.parametrize(
    'name, written',
    [
        ('柴犬', 'U+67F4 U+72AC'),
        ('柴犬_3.jpg', 'U+67F4 U+72AC _3.jpg'),
        ('고양이', 'goyangi'),
        ('あきた（秋）', 'akita( U+79CB )'),
        ('🐶 dog', '[dog face] dog'),
        ('👍🏽', '[thumbs up sign]'),  # the color of the skin is left out
        ('ไทย', 'U+0E44 U+0E17 U+0E22'),
        ('ＡＢ', 'AB'),  # full width
        ('пудель, κύων, كلب, חתול, Ærø', 'пудель, κύων, كلب, חתול, Ærø'),
    ],
)
def test_without_a_font_names_are_replaced(machine, name, written):
    assert fonts.writable(name) == written
    assert fonts.families([name]) == [fonts.BASE]
    assert style.readable(name) == written.replace('_', ' ').replace('  ', ' ')


def test_what_to_install_is_printed_once_for_each_script(machine, tmp_path, capsys):
    for _ in range(2):
        heat_map(tmp_path / 'map.png', '柴犬')
        sheet(tmp_path / 'sheet.jpg', 'ไทย 🐶')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert 'no installed font has the CJK characters of 柴犬' in lines[0]
    assert 'apt-get install fonts-noto-cjk' in lines[0] and 'https://fonts.google.com/noto' in lines[0]
    assert 'Thai' in lines[1] and 'fonts-noto-core' in lines[1]
    assert 'emoji' in lines[2] and 'fonts-symbola' in lines[2]


def test_damaged_and_missing_fonts_are_ignored(machine, tmp_path):
    damaged = tmp_path / 'damaged.ttf'
    damaged.write_bytes(b'no font')
    machine(damaged, tmp_path / 'missing.ttf')
    assert fonts.writable('犬') == 'U+72AC'


def test_arabic_and_hebrew_are_shaped_and_stay_in_place(machine):
    """'31% ' is left of a Hebrew name, and joined Arabic letters are narrower than separate ones."""
    if sheets.DIRECTION is None:
        pytest.skip('Pillow without libraqm')
    face = sheets.Face(24)
    assert face.getlength('كلب') < 0.9 * sum(map(face.getlength, 'كلب'))
    drawn = written(face, '31% חתול')
    percent = written(face, '31% ')
    assert (drawn[:, : int(face.getlength('31%'))] == percent[:, : int(face.getlength('31%'))]).all()


def written(face, text) -> np.ndarray:
    from PIL import ImageDraw

    image = Image.new('L', (SIDE, 2 * MARGIN), 255)
    face.write(ImageDraw.Draw(image), 0, 0, text, 'black')
    return np.array(image)
