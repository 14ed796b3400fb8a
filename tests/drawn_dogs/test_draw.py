"""The drawn data set: its layout, its annotations, and the same pictures from the same seed."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from src.common.errors import UserError
from src.drawn_dogs import draw
from src.drawn_dogs.camera import picture_of
from src.drawn_dogs.draw import BREEDS, draw_picture, draw_sample


@pytest.fixture(scope='module')
def sample(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('sample')
    draw_sample(out, per_class=3, seed=1)
    return out


def content(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob('*') if path.is_file()}


def notes(out: Path) -> list[Path]:
    return sorted((out / 'Annotation').glob('*/*'))


def test_the_layout_is_that_of_stanford_dogs(sample):
    files = sorted(content(sample))
    assert len(files) == 2 * 8 * 3
    assert files[0] == 'Annotation/s00000001-moss_terrier/s00000001_0001'
    assert 'Images/s00000001-moss_terrier/s00000001_0001.jpg' in files
    folders = [folder.name for folder in sorted((sample / 'Images').iterdir())]
    assert folders == [f's{number:08d}-{breed.name}' for number, breed in enumerate(BREEDS, 1)]
    assert len({breed.name for breed in BREEDS}) == 8


def test_all_pictures_are_returned_and_readable(sample):
    pictures = draw_sample(sample, per_class=3, seed=1)
    assert pictures == sorted((sample / 'Images').glob('*/*.jpg'))
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode) == ('JPEG', 'RGB')
            assert 180 <= min(picture.size) <= max(picture.size) <= 265


def test_annotations_name_the_breed_and_size(sample):
    for note in notes(sample):
        root = ElementTree.parse(note).getroot()
        with Image.open(sample / 'Images' / note.parent.name / f'{note.name}.jpg') as picture:
            size = picture.size
        assert (int(root.findtext('size/width')), int(root.findtext('size/height'))) == size
        assert root.findtext('filename') == note.name
        assert root.findtext('object/name') == note.parent.name.partition('-')[2]
        assert root.findtext('object/difficult') == root.findtext('segment') == '0'


def test_boxes_are_inside_the_pictures(sample):
    for note in notes(sample):
        root = ElementTree.parse(note).getroot()
        left, top, right, bottom = (
            int(root.findtext(f'object/bndbox/{side}')) for side in ('xmin', 'ymin', 'xmax', 'ymax')
        )
        width, height = int(root.findtext('size/width')), int(root.findtext('size/height'))
        assert 0 <= left < right < width and 0 <= top < bottom < height
        assert (right - left) * (bottom - top) > 0.1 * width * height
        touches = left == 0 or top == 0 or right == width - 1 or bottom == height - 1
        assert root.findtext('object/truncated') == str(int(touches))


def test_the_box_surrounds_the_visible_part_of_the_dog(monkeypatch):
    covers = []

    def keep_cover(canvas, rng):
        covers.append(canvas.dog > 0.5)
        return picture_of(canvas.pixels)

    monkeypatch.setattr(draw, 'develop', keep_cover)
    for breed_number in range(3):
        left, top, right, bottom = draw_picture(1, breed_number, 0).box
        rows, columns = np.nonzero(covers[-1])
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == (left, top, right, bottom)


def test_the_same_seed_draws_the_same_bytes_however_many(sample, tmp_path):
    draw_sample(tmp_path, per_class=1, seed=1)
    fewer, more = content(tmp_path), content(sample)
    assert len(fewer) == 16
    assert fewer == {name: more[name] for name in fewer}


def test_another_seed_draws_other_pictures():
    one, other = (draw_picture(seed, 2, 0).picture for seed in (1, 2))
    assert one.size != other.size or one.tobytes() != other.tobytes()


def test_the_global_random_state_has_no_influence():
    np.random.seed(0)
    one = draw_picture(3, 1, 4).picture.tobytes()
    np.random.seed(1)
    assert draw_picture(3, 1, 4).picture.tobytes() == one


@pytest.fixture
def drawn(monkeypatch) -> list[tuple]:
    """Collects the pictures that are drawn: (seed, breed, index)."""
    calls = []

    def recording(*which):
        calls.append(which)
        return draw_picture(*which)

    monkeypatch.setattr(draw, 'draw_picture', recording)
    return calls


def test_a_second_run_writes_nothing(sample, drawn, capsys):
    before = {path: path.stat().st_mtime_ns for path in sample.rglob('[!.]*')}
    draw.main(['--out', str(sample), '--per-class', '3'])
    assert not drawn
    assert {path: path.stat().st_mtime_ns for path in sample.rglob('[!.]*')} == before
    assert '24 already there' in capsys.readouterr().out


def test_only_missing_and_broken_pictures_are_drawn(sample, drawn, tmp_path, capsys):
    draw.main(['--out', str(tmp_path), '--per-class', '1'])
    out = capsys.readouterr().out
    assert '8 pictures of 8 breeds' in out and 'already' not in out
    assert re.search(
        r'next: python -m src\.data_preparation\.stanford_ds_to_tfrecords --data \S+ --name sample', out
    )
    pictures = sorted((tmp_path / 'Images').glob('*/*.jpg'))
    pictures[1].unlink()
    pictures[4].write_bytes(pictures[4].read_bytes()[:-50])
    notes(tmp_path)[6].unlink()
    drawn.clear()
    draw_sample(tmp_path, per_class=1, seed=1)
    assert drawn == [(1, 1, 0), (1, 4, 0), (1, 6, 0)]
    whole = content(sample)
    assert all(whole[name] == data for name, data in content(tmp_path).items())


def test_pictures_of_another_seed_are_replaced(drawn, tmp_path):
    draw_sample(tmp_path, per_class=1, seed=1)
    draw_sample(tmp_path, per_class=1, seed=2)
    assert [call[0] for call in drawn] == [1] * 8 + [2] * 8


def test_more_pictures_than_have_names_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        draw.main(['--out', str(tmp_path), '--per-class', '10000'])
    assert 'is not a whole number from 1 to 9999' in capsys.readouterr().err


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    with pytest.raises(UserError, match='is a file'):
        draw_sample(blocked, per_class=1)
