"""The layers as docs/architecture.md has them, and the commands that the README names."""

from __future__ import annotations

import ast
import importlib.util
import re

import pytest

from src.common import paths
from src.common.commands import COMMANDS

LAYERS = {
    'common': 0,
    'scoring': 1,
    'graph': 1,
    'models': 1,
    'recipes': 2,
    'downloads': 1,
    'drawn_dogs': 1,
    'images': 2,
    'records': 3,
    'drawing': 3,
    'data_preparation': 4,
    'engine': 4,
    'inference': 4,
    'interpret': 4,
    'training': 6,
    'freezing': 5,
    'analysis': 5,
    'curation': 5,
}
MOST_MODULES = 13  # directly in one folder
MODULES = sorted((paths.CHECKOUT / 'src').rglob('*.py'))


def imported(path) -> list[str]:
    """The modules of ours that a module imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            names.extend(f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
    return [name for name in names if name.startswith('src.')]


def test_every_package_has_its_layer():
    packages = {path.relative_to(paths.CHECKOUT / 'src').parts[0] for path in MODULES}
    assert packages - {'__init__.py', '__main__.py'} == LAYERS.keys()


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(paths.CHECKOUT)))
def test_imports_go_to_lower_layers_and_not_to_private_names(path):
    package = path.relative_to(paths.CHECKOUT / 'src').parts[0]
    for name in imported(path):
        if name.count('.') < 2:
            continue  # src.__version__, or a package as a whole
        other = name.split('.')[1]
        if package in LAYERS and other != package:
            assert LAYERS[other] < LAYERS[package], f'{path.name} imports {name}'
        assert other == package or not name.rpartition('.')[2].startswith('_'), f'{path.name} imports {name}'


@pytest.mark.parametrize('page', ['README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/lite.md'])
def test_the_commands_and_files_that_a_page_names_are_there(page):
    text = (paths.CHECKOUT / page).read_text(encoding='utf-8')
    for module in set(re.findall(r'python -m ((?:src|benchmarks)[\w.]*)', text)):
        assert importlib.util.find_spec(module), module
    for file in set(
        re.findall(r'\b(?:setup|docs|tests|notebooks)/[\w/]+\.(?:sh|md|py|png|ipynb|txt)\b', text)
    ):
        assert (paths.CHECKOUT / file).is_file(), file


def test_the_readme_lists_every_command_of_rootstock():
    text = (paths.CHECKOUT / 'README.md').read_text(encoding='utf-8')
    listed = set(re.findall(r'^\| `(src[\w.]*)` \|', text, re.MULTILINE))
    assert listed == {command.module for command in COMMANDS.values()}


def test_the_architecture_names_every_module():
    text = (paths.CHECKOUT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    words = set(re.findall(r'`(\w+)/?`', text))
    optional = {'__init__', '__main__'}
    for path in MODULES:
        package = path.relative_to(paths.CHECKOUT / 'src').parts[0]
        named = path.stem in words | optional or path.stem.endswith('_to_tfrecords')
        assert named or package in ('models', 'recipes', 'drawn_dogs'), path


def test_no_package_holds_too_many_modules():
    folders = {path.parent for path in MODULES}
    assert all(len(list(folder.glob('[!_]*.py'))) <= MOST_MODULES for folder in folders)
