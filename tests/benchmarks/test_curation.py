"""The benchmark of the review: planted copies and changed labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import curation
from src.common import paths
from src.common.errors import UserError
from src.curation.photos import read_photos
from src.records.dataset import open_records
from tests.curation.data import bottleneck, jpeg, scene, write_data_set

CLASSES = ['ash', 'birch', 'cedar']


def drawn(name: str, number: int) -> None:
    rows = [
        (f'{i}.jpg', 'train', CLASSES[i % 3], jpeg(scene(i)), bottleneck(i % 3, i)) for i in range(number)
    ]
    write_data_set(name, CLASSES, rows)


@pytest.mark.slow
def test_all_figures_are_measured(tmp_path, capsys):
    drawn('drawn', 60)
    flags = ['--copies', '2', '--rounds', '1', '--seeds', '1', '--json', str(tmp_path / 'figures.json')]
    curation.main(['drawn', '--backbone', str(paths.POCKET_GRAPH_DEF), *flags])
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['photos'] == 60 and figures['seconds'][0] > 0
    assert figures['labels changed at random'] == {
        'recall': 1.0,
        'precision': 1.0,
        'lowest_recall': 1.0,
        'lowest_precision': 1.0,
    }
    assert 'labels changed to look-alikes' in figures
    assert figures['copies'].keys() == {*curation.KINDS, 'wrong'}
    assert all(figures['copies'][kind] == [2, 2] for kind in ('mirrored', 'resized', 'encoded again'))
    assert figures['copies']['wrong'][0] == 0
    assert 'copies found: turned' in capsys.readouterr().out


def test_more_copies_than_photos_are_refused():
    drawn('small', 9)
    args, records = curation.parse_args(['small', '--copies', '2']), open_records('small')
    with pytest.raises(UserError, match='too few: ask for fewer --copies'):
        curation.planted_copies(args, records, read_photos(records))


@pytest.mark.parametrize(
    ('kind', 'size'),
    [('mirrored', (160, 120)), ('cropped', (128, 96)), ('resized', (96, 72)), ('turned', (160, 120))],
)
def test_copies_are_changed_as_their_kind_says(kind, size):
    image = scene(1)
    copy = curation.changed(image, kind, np.random.default_rng(1))
    assert copy.size == pytest.approx(size, abs=1)
    assert copy.size != image.size or np.abs(np.asarray(copy, int) - np.asarray(image, int)).mean() > 5
    if kind == 'mirrored':
        assert copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes() == image.tobytes()
