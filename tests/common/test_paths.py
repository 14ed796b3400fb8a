from __future__ import annotations

import os
import subprocess
import sys

import pytest

from src.common import paths


def test_a_path_is_shown_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'link.jpg').symlink_to('photos/target.jpg')
    assert paths.shown(tmp_path / 'photos' / 'a.jpg') == 'photos/a.jpg'
    assert paths.shown('photos/../link.jpg') == 'link.jpg'
    assert paths.shown('/elsewhere/a.jpg') == '/elsewhere/a.jpg'


@pytest.mark.parametrize('given', ['~/my project', 'my project'])
def test_the_home_may_be_relative_or_begin_with_a_tilde(tmp_path, given):
    code = 'from src.common import paths; print(paths.ROOT)'
    at = os.environ | {
        'HOME': str(tmp_path),
        'USERPROFILE': str(tmp_path),
        'ROOTSTOCK_HOME': given,
        'PYTHONPATH': str(paths.CHECKOUT),
    }
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=at, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path.resolve() / 'my project')
