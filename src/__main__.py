"""The map: every step in order, its command, and what is there now.

    python -m src
    python -m src --name flowers

The next command is the first whose output is missing behind all that is there.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from src.common import cli, commands, consts, errors, files, paths
from src.common.errors import UserError
from src.common.progress import say


class Step(NamedTuple):
    """What it does, its command, and what it leaves behind; a step without outputs only shows."""

    what: str
    command: str
    outputs: tuple[Path, ...] = ()


def steps(args: argparse.Namespace) -> Iterator[Step]:
    """The way of the data set `args.name` and the model made from it."""
    name, model, flags = args.name, cli.model_of(args), cli.model_flags(args)
    yield from _to_records(name)
    if name == paths.CIFAR10_DIR.name:
        train, what = f'python -m src.training.train_images{flags}', 'network'
    else:
        train, what = f'python -m src.training.train{flags}', 'head'
    yield Step(f'train the {what}', train, (paths.scores(model),))
    frozen = 'freeze it' if what == 'network' else 'freeze backbone and head'
    yield Step(frozen, f'python -m src.freezing.freeze{flags}', (paths.frozen(model),))
    chosen = f' --model {_typed(paths.frozen(model))}' if args.model else f' --name {shlex.quote(name)}'
    yield Step('name a picture', f'python -m src.inference.classify PHOTO.jpg{chosen}')
    yield Step(
        'look at the mistakes',
        f'python -m src.analysis.training_perf_analysis{flags}',
        (paths.analysis(model) / 'training_confusion.csv',),
    )
    yield Step(
        'export for TensorFlow Serving',
        f'python -m src.freezing.frozen_to_saved_model{flags}',
        (paths.SAVED_MODELS_DIR / model,),
    )
    yield Step(
        'serve it: a page and an API', f'python -m src.inference.serve --model {_typed(paths.frozen(model))}'
    )


def _to_records(name: str) -> Iterator[Step]:
    stanford = 'python -m src.data_preparation.stanford_ds_to_tfrecords'
    if name == consts.CURRENT_DATASET_NAME:
        got = paths.STANFORD_DS_DIR / 'Images', paths.IMAGENET_GRAPH_DEF
        yield Step('get photos and the backbone', 'sh setup/setup.sh', got)
        convert = stanford
    elif name == 'sample':
        drawn = paths.SAMPLE_DS_DIR / 'Images'
        yield Step('draw the sample', 'python -m src.data_preparation.sample_dataset', (drawn,))
        where = f'--data {_typed(paths.SAMPLE_DS_DIR)} --name sample'
        convert = f'{stanford} {where} --backbone {_typed(paths.POCKET_GRAPH_DEF)}'
    elif name == paths.CIFAR10_DIR.name:
        got = (paths.CIFAR10_DIR / 'cifar-10-batches-bin',)
        yield Step('get the pictures', 'sh setup/download_cifar10.sh', got)
        convert = 'python -m src.data_preparation.cifar10_to_tfrecords'
    else:
        convert = f'python -m src.data_preparation.image_folder_to_tfrecords DIR{cli.name_flag(name)}'
    yield Step('pictures to records', convert, (paths.records(name) / 'manifest.json',))


def _typed(path: Path) -> str:
    return shlex.quote(paths.shown(path))


def is_there(output: Path) -> bool:
    """Whether a step's output is there and whole: records are once their manifest says so."""
    if output.name != 'manifest.json':
        return output.exists()
    try:
        return bool(files.read_json(output).get('complete'))
    except UserError:
        return False


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src', __doc__)
    cli.add_model(made)
    args = made.parse_args(argv)
    if args.name == paths.CIFAR10_DIR.name:
        args.model = args.model or f'{args.name}_cnn_simple'  # as train_images calls it
    say(f'data set {args.name}, model {cli.model_of(args)}    [x] is there, [ ] is not yet')
    following = None
    for number, step in enumerate(steps(args), 1):
        there = all(map(is_there, step.outputs))
        if step.outputs:
            # Photos may lie elsewhere, so what is missing before something that is there is not wanted.
            following = None if there else following or step.command
        box = f'[{"x" if there else " "}]' if step.outputs else '   '
        say()
        say(f'{number}. {box} {step.what:<32} {", ".join(map(paths.shown, step.outputs))}'.rstrip())
        say(f'       {step.command}')
    say()
    say(f'summaries   tensorboard --logdir {_typed(paths.SUMMARY_DIR)}')
    if not paths.INSTALLED:
        say(f'all at once sh setup/demo.sh    offline, on {paths.shown(paths.SAMPLE_DS_DIR)}')
    if following:
        say(f'next        {following}')


USAGE = """Transfer learning on frozen TensorFlow graphs. Without a command: the map of all steps.

usage: rootstock [COMMAND] ...

{commands}

`rootstock COMMAND --help` explains one. Commands work in the current folder, or in the folder that the
environment variable ROOTSTOCK_HOME names."""


def rootstock() -> None:
    """The console script: `rootstock train ...` is `python -m src.training.train ...`."""
    commands.started_as_script()
    name, *rest = sys.argv[1:] or ['map']
    if name in ('-h', '--help', 'help'):
        lines = (f'  {name:<18}{command.what}' for name, command in commands.COMMANDS.items())
        errors.run(lambda: say(USAGE.format(commands='\n'.join(lines))))
    if name.startswith('-'):  # flags of the map
        name, rest = 'map', sys.argv[1:]
    sys.argv[1:] = rest
    errors.run(lambda: _subcommand(name))


def _subcommand(name: str) -> int | None:
    command = commands.find(name)
    if command is None:
        near = difflib.get_close_matches(name, commands.COMMANDS, 1)
        also = f', did you mean {near[0]}' if near else ''
        raise UserError(f'there is no command {name!r}{also}: rootstock --help lists all')
    entry = main if command.module == 'src' else importlib.import_module(command.module).main
    return entry()


if __name__ == '__main__':
    errors.run(main)
