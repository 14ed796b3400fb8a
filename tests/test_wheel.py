"""The wheel, installed in another folder and used from a folder of the user."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from src.common import commands, paths
from tests.pictures import encoded, photo

MADE_FROM = ('pyproject.toml', 'setup.py', 'MANIFEST.in', 'README.md', 'LICENSE', 'setup')
PIP = (sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A copy to build from: building leaves folders behind."""
    copy = tmp_path_factory.mktemp('checkout')
    for name in MADE_FROM:
        place = paths.CHECKOUT / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, copy / name)
    shutil.copytree(paths.CHECKOUT / 'src', copy / 'src', ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copytree(paths.CHECKOUT / 'frozen' / 'pocket', copy / 'frozen' / 'pocket')
    for shipped in (paths.POCKET_DOGS, paths.POCKET_DOGS.with_suffix('.tflite')):
        shutil.copy(shipped, copy / 'frozen')
    (copy / 'frozen' / 'mine.pb').write_bytes(b'a model that the user made')
    return copy


@pytest.fixture(scope='module')
def wheel(checkout, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    build = ('wheel', '--no-deps', '--no-build-isolation', '--no-index', '-w', folder, checkout)
    subprocess.run([*PIP, *build], check=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('site')
    subprocess.run([*PIP, 'install', '--no-deps', '--no-index', '--target', folder, wheel], check=True)
    return folder


@pytest.fixture
def run(installed, tmp_path):
    """Runs `rootstock` (or `python -m` a module) in a folder of its own, whose name holds a space."""
    here = tmp_path / 'my photos'
    here.mkdir()

    def started(*words, how=('rootstock',), popen=False, **env):
        environment = {name: value for name, value in os.environ.items() if name != 'ROOTSTOCK_HOME'}
        environment |= {'PYTHONPATH': str(installed), **env}
        script = installed / 'bin' / 'rootstock'
        command = [sys.executable, script] if how == ('rootstock',) else [sys.executable, *how]
        options = {'cwd': here, 'env': environment, 'text': True}
        if popen:
            return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, **options)
        return subprocess.run([*command, *words], capture_output=True, **options)

    started.here = here
    return started


def names(folder: Path) -> set[Path]:
    return {file for file in folder.rglob('*') if '__pycache__' not in file.parts}


def test_the_wheel_holds_models_page_and_examples_but_no_user_files(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    beside = [file for file in (paths.CHECKOUT / 'src').rglob('*') if file.is_file()]
    ours = {str(file.relative_to(paths.CHECKOUT)) for file in beside if '__pycache__' not in file.parts}
    models = {
        'src/frozen/pocket_dogs.pb',
        'src/frozen/pocket_dogs.tflite',
        'src/frozen/pocket/pocket.pb',
        'src/frozen/pocket/pocket.md',
    }
    assert {name for name in held if not name.startswith('rootstock-')} == ours | models


def test_the_source_distribution_builds_the_same_wheel(checkout, wheel, tmp_path):
    build = 'import sys; from setuptools import build_meta as b; print(b.build_sdist(sys.argv[1]))'
    subprocess.run([sys.executable, '-c', build, tmp_path], cwd=checkout, check=True, capture_output=True)
    (made,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(made) as opened:
        opened.extractall(tmp_path / 'sdist')
    (folder,) = (tmp_path / 'sdist').iterdir()
    build = ('wheel', '--no-deps', '--no-build-isolation', '--no-index', '-w', tmp_path, folder)
    subprocess.run([*PIP, *build], check=True)
    (again,) = tmp_path.glob('*.whl')
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_alone_it_shows_the_map_with_commands_that_work_here(run):
    shown = run()
    assert shown.returncode == 0, shown.stderr
    assert '\n       rootstock download inception stanford_dogs\n' in shown.stdout
    assert '\n       rootstock train\n' in shown.stdout
    assert 'python -m' not in shown.stdout and 'setup' not in shown.stdout
    unknown = run('--name', 'flowers')
    assert unknown.returncode == 2
    assert unknown.stderr.endswith('to make it run rootstock convert DIR --name flowers\n')
    assert 'rootstock train --name sample' in run('--name', 'sample').stdout
    assert '\n       python -m src.training.train\n' in run(how=('-m', 'src')).stdout


def test_help_lists_every_command_in_a_line(run):
    shown = run('--help')
    assert shown.returncode == 0
    for name, command in commands.COMMANDS.items():
        assert re.search(rf'^  {name} +{re.escape(command.what)}$', shown.stdout, re.MULTILINE), name
    helped = run('convert', '--help').stdout
    assert helped.startswith('usage: rootstock convert ') and 'python -m' not in helped
    assert run('image_folder_to_tfrecords', '--help').stdout == helped


def test_a_mistyped_command_is_answered_with_a_similar_one(run):
    ended = run('trian')
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "error: unknown command 'trian'; did you mean train? (rootstock --help lists all commands)\n"
    )
    ended = run('train', '--nmae', 'x')
    assert ended.returncode == 2 and ended.stderr.endswith('(see rootstock train --help)\n')


def test_work_folders_are_in_the_current_folder_or_at_home(run, installed, tmp_path):
    before = names(installed)
    assert run('sample', '--per-class', '1').returncode == 0
    assert len(list((run.here / 'data' / 'sample' / 'Images').rglob('*.jpg'))) == 8
    drawn = run('sample', '--per-class', '1', ROOTSTOCK_HOME=str(tmp_path / 'home'))
    assert 'next: rootstock convert-stanford --data ' in drawn.stdout
    assert len(list((tmp_path / 'home' / 'data' / 'sample' / 'Images').rglob('*.jpg'))) == 8
    assert names(installed) == before


def test_a_picture_is_classified_by_the_model_that_ships(run):
    (run.here / 'dog.jpg').write_bytes(encoded(photo(), 'JPEG'))
    done = run('classify', 'file', 'dog.jpg', '--top', '1')
    assert done.returncode == 0, done.stderr
    assert '120 classes' in done.stdout and 'dog.jpg' in done.stdout and done.stderr == ''


def test_the_backbone_that_ships_is_found_by_its_path_in_a_checkout(run):
    done = run('backbone', 'frozen/pocket/pocket.pb')
    assert done.returncode == 0, done.stderr
    assert 'is a backbone' in done.stdout


@pytest.mark.slow
def test_it_serves_its_page(run):
    pytest.importorskip('waitress')
    server = run('serve', '--port', '0', popen=True)
    try:
        address = next(found[1] for line in server.stdout if (found := re.search(r'(http://\S+/)', line)))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        page = opener.open(address).read().decode()
        parts = re.findall(r'(?:href|src)="(page/[^"]+)"', page)
        assert {'.js', '.css', '.svg', '.jpg'} <= {Path(part).suffix for part in parts}
        for part in parts:
            assert opener.open(address + part).read()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
    assert server.returncode == 0
