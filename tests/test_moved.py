"""A project that is moved or copied between two commands still works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.analysis import compare_runs, training_perf_analysis
from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.engine import checkpoints
from src.freezing import freeze
from src.graph.graph_io import write_graph
from src.inference.classify import classify
from src.training import train
from tests.graph.graphs import DEPTH, SIDE, graph_of_2015
from tests.pictures import encoded, photo

FLAGS = [
    '--layers',
    f'{DEPTH},4,2',
    '--steps',
    '60',
    '--learning-rate',
    '0.01',
    '--mixup',
    '0',
    '--patience',
    '0',
]


@pytest.fixture
def at_home(monkeypatch):
    """A function that sets all paths to a folder, as ROOTSTOCK_HOME does for a new process."""

    def move_in(folder: Path) -> Path:
        old = paths.ROOT
        for name, value in list(vars(paths).items()):
            if isinstance(value, Path) and value.is_relative_to(old) and value != paths.CHECKOUT:
                monkeypatch.setattr(paths, name, folder / value.relative_to(old))
        return folder

    return move_in


def convert() -> None:
    photos, backbone = paths.DATA_DIR / 'photos', paths.FROZEN_MODELS_DIR / 'backbone.pb'
    image_folder_to_tfrecords.main([str(photos), '--name', 'young', '--backbone', str(backbone)])


def learn(model: str = 'young') -> None:
    train.main(['--name', 'young', '--model', model, *FLAGS])


def picture_of() -> str:
    return str(paths.DATA_DIR / 'photos' / 'ash' / '3.png')


def weights(model: str = 'young') -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_moved_project_continues_and_a_copy_is_independent(tmp_path, monkeypatch, at_home, capsys):
    home = at_home(tmp_path / 'first one')
    for place, name in enumerate(('ash', 'birch')):
        (paths.DATA_DIR / 'photos' / name).mkdir(parents=True)
        for number in range(40):
            picture = photo(SIDE, SIDE, seed=number) // (1 + place)
            (paths.DATA_DIR / 'photos' / name / f'{number}.png').write_bytes(encoded(picture, 'PNG'))
    write_graph(graph_of_2015(), paths.FROZEN_MODELS_DIR / 'backbone.pb')
    convert()
    learn('undisturbed')
    wanted = weights('undisturbed')
    with monkeypatch.context() as patched:  # stopped in the middle
        feed = train.Head.feed
        patched.setattr(train.Head, 'feed', lambda self, step: {}[step] if step == 30 else feed(self, step))
        with pytest.raises(KeyError):
            learn()

    # The move: the old folder no longer exists.
    moved = at_home(Path(shutil.move(home, tmp_path / 'second')))
    assert not home.exists()
    capsys.readouterr()
    learn()
    assert checkpoints.read_state(paths.checkpoints('young')).step == 60
    for name, value in weights().items():
        np.testing.assert_array_equal(value, wanted[name])
    freeze.main(['--name', 'young'])
    convert()  # recognizes its own records, and computes nothing
    answer = classify('file', picture_of(), paths.frozen('young'))

    # The copy: the original stays, with other weights under the same names.
    at_home(Path(shutil.copytree(moved, tmp_path / 'third')))
    for path in [*moved.rglob('*.data-*'), moved / 'frozen' / 'backbone.pb', moved / 'frozen' / 'young.pb']:
        path.write_bytes(b'not these')
    paths.frozen('young').unlink()
    freeze.main(['--name', 'young'])
    pd.testing.assert_frame_equal(classify('file', picture_of(), paths.frozen('young')), answer)
    learn()  # nothing left to do
    training_perf_analysis.main(['--name', 'young', '--split', 'train'])
    compare_runs.main([])
    page = (paths.METRICS_DIR / 'runs.html').read_text()
    assert 'young' in page and 'undisturbed' in page
    written = [path for ending in ('checkpoint', '.json', '.csv') for path in paths.ROOT.rglob('*' + ending)]
    written = [path for path in written if not path.is_relative_to(paths.DATA_DIR / 'photos')]
    assert len(written) > 10
    for path in written:
        text = path.read_text()
        if path.name == 'manifest.json':  # it has the path of the photos, for people
            assert json.loads(text)['backbone']['path'] == 'frozen/backbone.pb'
        else:
            assert str(tmp_path) not in text, path


def test_an_error_in_an_empty_project(tmp_path, at_home):
    at_home(tmp_path / 'empty')
    with pytest.raises(UserError, match='is not converted'):
        learn()
