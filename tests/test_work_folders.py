"""The folders that commands write to: in the repository with a README, and empty for Git and for commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from src.analysis import compare_runs
from src.common import names, paths
from src.common.errors import UserError
from src.records.trainings import trained_on

FOLDERS = ('data', 'checkpoints', 'summary', 'metrics')


@pytest.fixture
def new_checkout():
    """The work folders as after cloning."""
    for folder in FOLDERS:
        (paths.ROOT / folder).mkdir(exist_ok=True)
        shutil.copy(paths.CHECKOUT / folder / 'README.md', paths.ROOT / folder)


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_line_says_what_is_written_there(folder):
    text = (paths.CHECKOUT / folder / 'README.md').read_text(encoding='utf-8')
    assert text.count('\n') == 1 and 'python -m src.' in text
    assert paths.ROOT / folder in paths.WORK_DIRS


@pytest.mark.skipif(not (paths.CHECKOUT / '.git').exists(), reason='not a Git checkout')
@pytest.mark.parametrize('folder', FOLDERS)
def test_git_ignores_what_commands_write(folder):
    def is_ignored(path: str) -> bool:
        done = subprocess.run(['git', 'check-ignore', '-q', path], cwd=paths.CHECKOUT)
        assert done.returncode in (0, 1)
        return done.returncode == 0

    assert not is_ignored(f'{folder}/README.md')
    for written in ('flowers.json', 'flowers/1.jpg', '.flowers.lock', 'flowers/README.md'):
        assert is_ignored(f'{folder}/{written}')


def test_a_readme_is_neither_a_model_nor_a_run(new_checkout):
    assert names.known_models() == [paths.POCKET_DOGS.stem]
    assert trained_on() == []
    with pytest.raises(UserError, match='holds no runs'):
        compare_runs.main([])


def test_tests_never_run_in_a_home_that_they_did_not_make(tmp_path):
    """They empty it before each module."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'records').write_text('of a user')
    ended = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'src.common.paths', 'tests/common/test_names.py'],
        cwd=paths.CHECKOUT,
        env=os.environ | {'ROOTSTOCK_HOME': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0 and f'would work in {tmp_path}' in ended.stdout + ended.stderr
    assert (tmp_path / 'data' / 'records').read_text() == 'of a user'
