"""The setup scripts in a checkout of their own: valid shell, and one clear line when something is wrong."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.common import paths
from tests.common.loopback import Site, serves

pytestmark = pytest.mark.posix

SCRIPTS = sorted(path.name for path in (paths.CHECKOUT / 'setup').glob('*.sh'))
DOWNLOADING = (
    'setup.sh',
    'inception_download.sh',
    'download_stanford_dogs_dataset.sh',
    'download_cifar10.sh',
)


def checkout_in(folder: Path, *flags: str) -> tuple[Path, dict[str, str]]:
    """A checkout without .venv, and an environment in which `python3` is the interpreter that runs the tests.

    `flags` are given to that interpreter.
    """
    checkout, python = folder / 'checkout', folder / 'bin' / 'python3'
    shutil.copytree(paths.CHECKOUT / 'setup', checkout / 'setup')
    for name in ('src', 'notebooks'):
        (checkout / name).symlink_to(paths.CHECKOUT / name)
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *flags])} "$@"\n', encoding='utf-8')
    python.chmod(0o755)
    path = f'{python.parent}:{os.environ["PATH"]}'
    return checkout, os.environ | {'PATH': path, 'ROOTSTOCK_HOME': str(folder / 'home')}


def run(script: str, *arguments: str, checkout: tuple[Path, dict[str, str]]) -> subprocess.CompletedProcess:
    folder, env = checkout
    return subprocess.run(
        ['sh', folder / 'setup' / script, *arguments], env=env, capture_output=True, text=True
    )


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.mark.parametrize('script', SCRIPTS)
def test_scripts_are_valid_shell(script):
    done = subprocess.run(['sh', '-n', paths.CHECKOUT / 'setup' / script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize(
    ('script', 'first'),
    zip(
        DOWNLOADING,
        ('inception-2015-12-05.tgz', 'inception-2015-12-05.tgz', 'images.tar', 'cifar-10-binary.tar.gz'),
        strict=True,
    ),
)
@pytest.mark.parametrize(('answer', 'fault'), [(serves(b'no'), 'is another file'), (serves(code=404), '404')])
def test_a_mirror_with_wrong_files_ends_it_in_one_line(site, tmp_path, script, first, answer, fault):
    site.answers = [answer]
    done = run(script, '--mirror', site.url, checkout=checkout_in(tmp_path))
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith(f'error: {site.url}/{first} ') and fault in done.stderr
    assert [asked['path'] for asked in site.asked] == [f'/{first}'], 'nothing else was tried'


@pytest.mark.parametrize('script', DOWNLOADING)
def test_missing_packages_are_named_in_one_line(tmp_path, script):
    done = run(script, checkout=checkout_in(tmp_path, '-S'))  # -S hides what is installed
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith('error: Python packages are missing: run `sh setup/install.sh`')


def test_create_dirs_makes_the_folders_that_are_worked_in(tmp_path):
    done = run('create_dirs.sh', checkout=checkout_in(tmp_path, '-S'))  # needs no packages
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    for folder in paths.WORK_DIRS:
        assert (tmp_path / 'home' / folder.relative_to(paths.ROOT)).is_dir()
