"""Names and printed commands."""

from __future__ import annotations

import argparse
import shlex

import pytest

from src.common import commands, names, paths


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
    with pytest.raises(argparse.ArgumentTypeError) as told:
        names.plain_name(name)
    assert fault in str(told.value)


@pytest.mark.parametrize(
    'name', ['flowers', 'my pets', "it's", 'Blüten', '花', 'console', 'com', 'v1.2', 'a-b_c']
)
def test_other_names_are_taken(name):
    assert names.plain_name(name) == name


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
