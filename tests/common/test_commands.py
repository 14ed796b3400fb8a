"""Printed commands."""

from __future__ import annotations

import shlex

import pytest

from src.common import commands, paths


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_setup_script_is_named_by_a_path_that_works_here(elsewhere, monkeypatch):
    command = commands.as_typed('run sh setup/inception_download.sh, or not')
    script = shlex.split(command.partition(',')[0])[2]
    assert script == str(paths.CHECKOUT / 'setup' / 'inception_download.sh')
    monkeypatch.chdir(paths.CHECKOUT)
    assert commands.as_typed('sh setup/setup.sh') == 'sh setup/setup.sh'


def test_as_a_script_commands_are_subcommands(monkeypatch):
    said = 'run python -m src.training.train_images --name x, then python -m src'
    assert commands.as_typed(said) == said
    monkeypatch.setattr(commands, '_script', True)
    assert commands.as_typed(said) == 'run rootstock train-images --name x, then rootstock'
    assert commands.as_typed('python -m benchmarks.head') == 'python -m benchmarks.head'


def test_every_subcommand_has_a_module_with_a_main():
    for command in commands.COMMANDS.values():
        assert (
            paths.CHECKOUT / (command.module.replace('.', '/') + '.py')
        ).is_file() or command.module == 'src'
        assert commands.find(command.module.rpartition('.')[2]) == command


def test_an_extra_is_installed_from_any_folder(elsewhere):
    words = shlex.split(commands.to_install('serve'))
    assert words[-1] == f'{paths.CHECKOUT}[serve]'
    assert words[words.index('-c') + 1] == str(paths.CHECKOUT / 'setup' / 'constraints.txt')
