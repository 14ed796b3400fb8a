"""Names of models and data sets: as names, as paths, and what is refused."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import pytest

from src.common import consts, paths
from src.common.errors import UserError
from src.common.names import (
    Model,
    default_name,
    frozen_of,
    known_models,
    model_for,
    named_model,
    newest_version,
    plain_name,
    resolve_model,
    resolve_trained,
    similar,
)
from src.records.next_commands import frozen_model


@pytest.fixture
def root(monkeypatch, tmp_path) -> Path:
    """An empty project as the current folder. The shipped models stay available."""
    root = tmp_path.resolve() / 'project'
    for name, folder in (('ROOT', ''), ('FROZEN_MODELS_DIR', 'frozen'), ('CHECKPOINTS_DIR', 'checkpoints')):
        monkeypatch.setattr(paths, name, root / folder)
        (root / folder).mkdir(exist_ok=True)
    monkeypatch.chdir(root)
    return root


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def refused(resolve, text: str) -> str:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        resolve(text)
    return str(error.value)


@pytest.mark.parametrize('resolve', [resolve_model, resolve_trained])
def test_a_name_and_the_path_of_its_file_are_the_same_model(root, resolve):
    frozen = root / 'frozen' / 'flowers.pb'
    for _ in ('missing', 'there'):
        assert resolve('flowers') == Model('flowers', frozen)
        for text in ('frozen/flowers.pb', './frozen/flowers.pb', 'frozen/../frozen/flowers.pb', str(frozen)):
            model = resolve(text)
            assert model.name == 'flowers' and model.frozen.resolve() == frozen
        touch(frozen)
    assert resolve('flowers').file == frozen


def test_a_path_is_not_changed(root):
    """Messages name the file as the user typed it."""
    assert resolve_model('frozen/flowers.pb').frozen == Path('frozen/flowers.pb')
    assert resolve_model('flowers.pb') == Model('flowers', Path('flowers.pb'))


def test_a_bare_file_name_is_a_path_unless_a_model_has_that_name(root):
    touch(root / 'graph')
    assert resolve_model('graph') == Model('graph', Path('graph'))
    assert resolve_trained('graph') == named_model('graph')
    touch(paths.frozen('graph'))
    assert resolve_model('graph') == named_model('graph')
    assert resolve_model('./graph').frozen == Path('graph')


def test_a_folder_of_versions_is_one_model(root):
    folder = root / 'frozen' / 'flowers'
    for version in ('2', '10', '9', 'notes'):
        touch(folder / f'{version}.pb')
    touch(folder / '11.txt')
    assert newest_version(folder) == folder / '10.pb'
    assert newest_version(root / 'nowhere') is None
    for text in ('flowers', 'frozen/flowers', 'frozen/flowers/'):
        model = resolve_model(text)
        assert model.name == 'flowers' and model.frozen.resolve() == folder
        assert model.file.resolve() == folder / '10.pb'
        assert resolve_trained(text) == Model('flowers', folder)
    one = resolve_model('frozen/flowers/2.pb')
    assert one == Model('flowers', Path('frozen/flowers/2.pb'))
    assert resolve_model('2.pb').name == '2'
    touch(paths.frozen('flowers'))  # a file is preferred to a folder
    assert frozen_of('flowers') == paths.frozen('flowers')


def test_a_folder_without_versions_has_no_file(root):
    (root / 'frozen' / 'empty').mkdir()
    assert resolve_model('frozen/empty').file is None
    assert named_model('empty') == Model('empty', paths.frozen('empty'))


def test_the_shipped_model_has_a_name_and_a_path_in_any_folder(root):
    for text in ('pocket_dogs', 'frozen/pocket_dogs.pb', str(root / 'frozen' / 'pocket_dogs.pb')):
        assert resolve_model(text) == resolve_trained(text) == Model('pocket_dogs', paths.POCKET_DOGS)
    mine = touch(paths.frozen('pocket_dogs'))
    assert resolve_model('pocket_dogs').file == mine


@pytest.mark.parametrize(
    'path', ['elsewhere/flowers.pb', 'flowers.pb', '/flowers.pb', 'frozen/deep/flowers.pb']
)
def test_a_file_elsewhere_cannot_be_trained(root, path):
    assert resolve_model(path).name == 'flowers'
    assert refused(resolve_trained, path).startswith(
        f'{path} is not in frozen: give the name of a model that was trained here'
    )


def test_separators_of_windows_are_taken_on_every_system(root):
    assert resolve_model('frozen\\flowers.pb').name == 'flowers'
    assert resolve_model('C:\\models\\flowers\\3.pb').name == 'flowers'
    if os.name == 'nt':
        assert resolve_trained('frozen\\flowers.pb').name == 'flowers'
    else:
        assert 'is not in frozen' in refused(resolve_trained, 'C:\\models\\flowers.pb')


@pytest.mark.posix  # links need rights on Windows
def test_a_project_behind_a_link_is_the_same_project(root, tmp_path):
    (tmp_path / 'link').symlink_to(root)
    assert resolve_trained(f'{tmp_path}/link/frozen/flowers.pb') == named_model('flowers')


@pytest.mark.parametrize('resolve', [resolve_model, resolve_trained])
@pytest.mark.parametrize('name', ['', 'a*', '.hidden', 'C:x', 'é' * 2000])
def test_names_that_cannot_be_file_names_are_refused(root, resolve, name):
    assert refused(resolve, name)


def test_models_are_known_once_they_are_trained_or_frozen(root):
    assert known_models() == ['pocket_dogs']
    touch(paths.frozen('frozen_1'))
    touch(root / 'frozen' / 'versions' / '1.pb')
    touch(root / 'frozen' / 'inception' / 'graph.pb')  # a backbone
    touch(root / 'frozen' / 'saved_models' / 'flowers' / '1' / 'saved_model.pb')
    touch(paths.checkpoints('trained') / 'model.json')
    touch(root / 'checkpoints' / '.trained.lock')
    touch(root / 'checkpoints' / 'notes.txt')
    (root / 'frozen' / '.hidden').mkdir()
    assert known_models() == ['frozen_1', 'pocket_dogs', 'trained', 'versions']


def test_similar_names(root):
    for name in ('flowers', 'flowers_2', 'cats'):
        (root / 'checkpoints' / name).mkdir()
    assert similar('flowrs') == '; similar names: flowers, flowers_2'
    assert similar('flowers') == '; similar names: flowers_2'  # never itself
    assert similar('xyz') == ''


def test_a_missing_frozen_file_is_reported_with_what_to_do(root):
    touch(paths.frozen('flowers'))
    assert frozen_model(resolve_model('flowers')) == paths.frozen('flowers')
    for text, words in (
        ('flowrs', r'there is no frozen/flowrs\.pb: run python .*train.*; similar names: flowers$'),
        ('elsewhere/flowrs.pb', r'there is no elsewhere/flowrs\.pb; similar names: flowers$'),
        ('flowers.pb', r'there is no flowers\.pb; --model flowers is frozen/flowers\.pb$'),
    ):
        with pytest.raises(UserError, match=words.replace('/', r'[/\\]')):
            frozen_model(resolve_model(text))
    shutil.rmtree(root / 'frozen')
    with pytest.raises(UserError, match='there is no'):
        frozen_model(resolve_model('flowers'))


def test_the_model_of_a_data_set():
    assert model_for() == model_for(consts.CURRENT_DATASET_NAME) == consts.CURRENT_MODEL_NAME
    assert model_for('flowers') == 'flowers'
    assert model_for('cifar10', 'cifar10/cnn_deep') == 'cifar10_cnn_deep'
    assert model_for('flowers', 'cifar10/mlp') == 'flowers_mlp'


@pytest.mark.parametrize(
    ('name', 'fault'),
    [
        ('../x', 'is a path'),
        ('a/b', 'is a path'),
        ('a\\b', 'is a path'),
        ('', 'is empty'),
        ('.hidden', "begins with '.'"),
        ('-x', "begins with '-'"),
        ('x.', "ends with '.'"),
        ('x ', "ends with ' '"),
        ('a[b]', "holds '['"),
        ('a*', "holds '*'"),
        ('what?', "holds '?'"),
        ('C:x', "holds ':'"),
        ('a\nb', r"holds '\n'"),
        ('con', 'is a device on Windows'),
        ('Aux', 'is a device on Windows'),
        ('NUL.old', 'is a device on Windows'),
        ('é' * 101, 'is longer than 200 bytes'),
    ],
)
def test_a_name_that_cannot_be_a_file_name_is_refused_with_the_reason(name, fault):
    assert fault in refused(plain_name, name)


@pytest.mark.parametrize(
    'name', ['flowers', 'my pets', "it's", 'Blüten', '花', 'console', 'com', 'v1.2', 'a-b_c']
)
def test_other_names_are_accepted(name):
    assert plain_name(name) == name


def test_a_name_made_from_that_of_a_file_has_to_be_a_name():
    assert default_name('dogs_small', '--model') == 'dogs_small'
    with pytest.raises(UserError, match=r"the default name '-x' begins with '-': give another with --out"):
        default_name('-x', '--out')
