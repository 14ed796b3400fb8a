"""Commands that use a frozen file say when its model was trained again since."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest

from src.analysis import training_perf_analysis
from src.common import files, paths
from src.common.errors import UserError
from src.freezing import frozen_to_saved_model
from src.inference import classify, inference, serve
from src.interpret import saliency
from tests.inference.models import bright_above, brightest_side
from tests.pictures import encoded


@pytest.fixture
def model(tmp_path):
    """A frozen model, trained at the time 1e9 and frozen a second later."""
    frozen = brightest_side(paths.frozen('aged'))
    folder = paths.checkpoints('aged')
    files.write_json(folder / 'model.json', {'data_set': 'weeds', 'backbone': None})
    files.write_json(paths.trained('aged'), {})
    os.utime(paths.trained('aged'), (1e9, 1e9))
    os.utime(frozen, (1e9 + 1, 1e9 + 1))
    yield frozen
    frozen.unlink()
    shutil.rmtree(folder)


COMMANDS = {
    'classify': (classify, ['PHOTO', '--json', '--model', 'aged']),
    'classify of the data set': (classify, ['PHOTO', '--name', 'weeds']),
    'inference': (inference, ['FOLDER', '--model', 'aged', '--out', 'FOLDER/out.csv']),
    'serve': (serve, ['--model', 'aged', '--port', '0']),
    'analysis': (training_perf_analysis, ['--name', 'weeds', '--model', 'aged']),
    'saved model': (frozen_to_saved_model, ['--model', 'aged', '--out', 'FOLDER/saved']),
    'saliency': (saliency, ['aged', 'PHOTO', '--out', 'FOLDER/saliency']),
}


@pytest.mark.parametrize('name', COMMANDS)
def test_a_frozen_file_that_is_older_than_the_training_is_told(name, model, tmp_path, monkeypatch, capsys):
    command, flags = COMMANDS[name]
    (tmp_path / 'photo.png').write_bytes(encoded(bright_above(), 'PNG'))
    monkeypatch.setattr(serve, 'serve', lambda *_: None)

    def told() -> str:
        words = [
            flag.replace('PHOTO', str(tmp_path / 'photo.png')).replace('FOLDER', str(tmp_path))
            for flag in flags
        ]
        capsys.readouterr()
        with contextlib.suppress(UserError):  # there are no records
            command.main(words)
        return capsys.readouterr().err

    assert 'older' not in told()
    os.utime(paths.trained('aged'), (1e9 + 2, 1e9 + 2))
    line = (
        f'{paths.shown(model)} is older than the last training of aged: to use that one run '
        'python -m src.freezing.freeze --name weeds --model aged'
    )
    assert told().splitlines().count(line) == 1


def test_a_file_elsewhere_with_the_name_of_a_model_is_not_that_model(model, tmp_path, capsys):
    os.utime(paths.trained('aged'), (1e9 + 2, 1e9 + 2))
    copy = tmp_path / 'aged.pb'
    shutil.copy2(model, copy)
    (tmp_path / 'photo.png').write_bytes(encoded(bright_above(), 'PNG'))
    classify.main([str(tmp_path / 'photo.png'), '--model', str(copy)])
    assert capsys.readouterr().err == ''
