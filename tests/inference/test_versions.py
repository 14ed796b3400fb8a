"""Which file of a model is served."""

from __future__ import annotations

import shutil

import pytest

from src.common import paths
from src.inference.choice import wanted_model
from src.inference.versions import Source, source_of
from tests.inference.models import brightest_side
from tests.lite import tflite_of

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A folder with side.pb and side.tflite, to copy."""
    folder = tmp_path_factory.mktemp('models')
    tflite_of(brightest_side(folder / 'side.pb'), folder / 'side.tflite')
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A folder of versions: 1.pb, 2.pb and 2.tflite."""
    folder = tmp_path / 'sides'
    folder.mkdir()
    for number, suffix in ((1, '.pb'), (2, '.pb'), (2, '.tflite')):
        shutil.copy(made / f'side{suffix}', folder / f'{number}{suffix}')
    return folder


def served(source: Source) -> tuple[str, int | None]:
    found = source.look()
    return found.path.name, found.version


def test_the_newest_version_and_the_lite_file_beside_it_if_it_may_be(folder):
    assert served(Source(folder)) == ('2.pb', 2)
    beside = Source(folder, beside=True)
    assert served(beside) == ('2.tflite', 2)
    before = beside.look()
    brightest_side(folder / '2.pb', ['a', 'b', 'c', 'd'])  # the .tflite file belongs to another graph
    assert served(beside) == ('2.pb', 2) and beside.look() != before
    (folder / '2.pb').unlink()
    assert served(beside) == served(Source(folder)) == ('2.tflite', 2)
    shutil.copy(folder / '2.tflite', folder / '10.tflite')
    (folder / 'notes.tflite').write_bytes(b'')
    assert served(Source(folder)) == ('10.tflite', 10)


def test_nothing_to_serve(tmp_path):
    assert Source(tmp_path).look() is None and Source(tmp_path / 'side.pb').look() is None


@pytest.mark.parametrize('name', ['side.pb', 'side.tflite', 'side'])
def test_the_name_of_a_model_has_no_suffix(tmp_path, name):
    assert Source(tmp_path / name).name == 'side'


def test_a_named_model_may_be_served_by_its_lite_file_and_a_path_is_as_it_is(made, folder):
    for suffix in ('.pb', '.tflite'):
        paths.FROZEN_MODELS_DIR.mkdir(exist_ok=True)
        shutil.copy(made / f'side{suffix}', paths.FROZEN_MODELS_DIR / f'halves{suffix}')
    graph = paths.FROZEN_MODELS_DIR / 'halves.pb'
    assert source_of(wanted_model('halves'), 1) == Source(graph, beside=True)
    assert source_of(wanted_model('halves'), 2) == Source(graph)  # only graphs average views
    assert source_of(wanted_model(str(graph)), 1) == Source(graph)
    lite = graph.with_suffix('.tflite')
    assert served(source_of(wanted_model(str(lite)), 1)) == ('halves.tflite', None)
    assert source_of(wanted_model(str(folder)), 1) == Source(folder, beside=True)
