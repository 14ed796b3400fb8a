"""The setup scripts in a separate checkout: valid shell, and one line for each error."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.common import paths
from src.common.process.environment import BEYOND, LOWEST, NEEDED
from tests.downloads.loopback import serves

pytestmark = pytest.mark.posix

SCRIPTS = sorted(path.name for path in (paths.CHECKOUT / 'setup').glob('*.sh'))
DOWNLOADING = (
    'setup.sh',
    'inception_download.sh',
    'download_stanford_dogs_dataset.sh',
    'download_cifar10.sh',
)

# Whether the checkout has an environment depends on how the tests are run.
REMEDY = re.compile(r'run `sh \S*setup/install\.sh`|activate the environment with `\. \S*/bin/activate`')


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
def test_a_mirror_with_wrong_files_is_one_line_of_error(site, tmp_path, script, first, answer, fault):
    site.answers = [answer]
    done = run(script, '--mirror', site.url, checkout=checkout_in(tmp_path))
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith(f'error: {site.url}/{first} ') and fault in done.stderr
    assert [asked['path'] for asked in site.asked] == [f'/{first}'], 'nothing else was tried'


@pytest.mark.parametrize('script', DOWNLOADING)
def test_missing_packages_are_named_in_one_line(tmp_path, script):
    done = run(script, checkout=checkout_in(tmp_path, '-S'))  # -S hides what is installed
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith('error: Python packages are missing (tensorflow, ')
    assert REMEDY.search(done.stderr)


def test_create_dirs_makes_the_work_folders(tmp_path):
    done = run('create_dirs.sh', checkout=checkout_in(tmp_path, '-S'))  # needs no packages
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    for folder in paths.WORK_DIRS:
        assert (tmp_path / 'home' / folder.relative_to(paths.ROOT)).is_dir()


@pytest.mark.slow
def test_a_half_made_environment_is_repaired(tmp_path):
    """As after Ctrl-C while pip was installed. pip may not download packages here."""
    folder, env = checkout_in(tmp_path)
    shutil.copy(paths.CHECKOUT / 'pyproject.toml', folder)
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder / '.venv'], check=True)
    packages = next((folder / '.venv').glob('[lL]ib/**/site-packages'))
    (packages / 'pip').mkdir()
    (packages / 'pip' / '__init__.py').write_text('')
    done = run('install.sh', checkout=(folder, env | {'PIP_NO_INDEX': '1'}))
    assert done.stdout.startswith(
        '.venv is not complete: repairing it\ninstalling TensorFlow and other packages'
    )
    pip = [folder / '.venv' / 'bin' / 'python', '-m', 'pip', '--version']
    assert subprocess.run(pip, capture_output=True).returncode == 0


@pytest.mark.parametrize('version', ['3.9.18', '3.14.0'])
def test_an_unsupported_python_is_reported_at_once(tmp_path, version):
    folder, env = checkout_in(tmp_path)
    python = tmp_path / 'python'
    check = f'import sys; sys.version_info = {tuple(map(int, version.split(".")))!r}; exec(sys.argv.pop(1))'
    python.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo Python {version} && exit\n'
        f'[ "$1" = -c ] && exec {shlex.quote(sys.executable)} -c {shlex.quote(check)} "$2"\n'
    )
    python.chmod(0o755)
    done = run('install.sh', checkout=(folder, env | {'PYTHON': str(python)}))
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith(
        f'error: this is Python {version}, Python 3.10 to 3.13 is needed: run PYTHON='
    )
    assert not (folder / '.venv').exists()


def test_a_folder_that_is_not_an_environment_is_left_alone(tmp_path):
    folder, env = checkout_in(tmp_path)
    (folder / '.venv').mkdir()
    (folder / '.venv' / 'notes.txt').write_text('mine')
    done = run('install.sh', checkout=(folder, env))
    assert (done.returncode, done.stderr) == (
        2,
        'error: .venv is not a Python environment: move it away, then repeat\n',
    )
    assert (folder / '.venv' / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize(
    'module', ['src', 'src.training.train', 'src.inference.classify', 'src.downloads.download']
)
def test_a_command_outside_of_the_environment_says_how_to_activate_it(tmp_path, module):
    (tmp_path / 'src').symlink_to(paths.CHECKOUT / 'src')
    ended = subprocess.run(
        [sys.executable, '-S', '-m', module, '--help'], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 2 and ended.stderr.count('\n') == 1
    assert REMEDY.search(ended.stderr)


def test_the_required_packages_are_those_of_pyproject():
    text = (paths.CHECKOUT / 'pyproject.toml').read_text(encoding='utf-8')
    listed = re.search(r'^dependencies = \[(.*?)\]', text, re.DOTALL | re.MULTILINE)[1]
    names = {'PIL' if name == 'pillow' else name for name in re.findall(r'"([a-z]+)', listed)}
    assert names == set(NEEDED)
    assert 'requires-python = ">=3.10,<3.14"' in text and (LOWEST, BEYOND) == ((3, 10), (3, 14))
