"""The sheet of random variants of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.analysis import show_augmentation
from src.analysis.show_augmentation import in_words, pixels_of, variants
from src.common import paths
from src.common.errors import UserError
from src.drawing.sheets import GAP, MARGIN, SIDE
from tests.data_preparation.photos import put

SHEET = paths.METRICS_DIR / 'augmentation_dog.jpg'


def test_the_sheet_begins_with_the_original(tmp_path, capsys):
    path = put(tmp_path / 'dog.jpg', 3)
    show_augmentation.main([str(path), '--variants', '5', '--side', str(SIDE), '--rotation', '90'])
    assert 'the picture and 5 variants of it' in capsys.readouterr().out
    sheet = np.asarray(Image.open(SHEET), np.float64)
    assert sheet.shape[1] == 2 * MARGIN + 4 * SIDE + 3 * GAP
    original = pixels_of(path, SIDE)
    rows = [
        y for y in range(sheet.shape[0] - SIDE)
        if np.abs(sheet[y : y + SIDE, MARGIN : MARGIN + SIDE] - original).mean() < 3
    ]  # fmt: skip
    assert rows, 'the first tile is the picture, but for what JPEG costs'
    second = sheet[rows[0] : rows[0] + SIDE, MARGIN + SIDE + GAP :][:, :SIDE]
    assert np.abs(second - original).mean() > 10


def test_half_of_the_variants_are_mirrored_and_the_seed_decides(tmp_path):
    pixels = pixels_of(put(tmp_path / 'dog.jpg', 3), 64)
    flipped = variants(pixels, 6, {'flip': True}, 1)
    mirrored = [np.array_equal(one, pixels[:, ::-1]) for one in flipped]
    assert sum(mirrored) == 3 and sum(np.array_equal(one, pixels) for one in flipped) == 3
    turned = [variants(pixels, 2, {'rotation': 40.0}, seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(turned[0], turned[1])
    assert (turned[0] != turned[2]).any() and (turned[0][0] != turned[0][1]).any()


def test_settings_are_those_of_the_recipe_and_the_flags():
    args = show_augmentation.parse_args(['dog.jpg', '--no-flip', '--zoom', '0.5'])
    assert (args.rotation, args.flip, args.zoom, args.side) == (40, False, 0.5, 150)
    args = show_augmentation.parse_args(['dog.jpg', '--recipe', 'cifar10/cnn_best'])
    assert (args.rotation, args.cutout, args.side) == (0, 8, 32)
    assert (
        in_words({'flip': True, 'crop': 0, 'rotation': 40.0, 'shift': 0.2}) == 'flip, rotation 40, shift 0.2'
    )


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda path: None, 'cannot read .*dog.jpg: No such file'),
        (lambda path: path.mkdir(), 'cannot read .*dog.jpg: Is a directory'),
        (lambda path: path.touch(), 'dog.jpg cannot be used: empty file'),
        (lambda path: path.write_text('no picture'), 'dog.jpg cannot be used: not an image'),
    ],
)
def test_a_file_that_is_no_picture(tmp_path, make, words):
    make(tmp_path / 'dog.jpg')
    with pytest.raises(UserError, match=words):
        show_augmentation.main([str(tmp_path / 'dog.jpg')])
