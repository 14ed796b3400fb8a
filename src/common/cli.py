"""What the command lines of all entries share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from src.common import commands, consts, paths
from src.common.errors import DEBUG_FLAG, UserError
from src.common.names import Model, named_model, plain_name, resolve_trained


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.exit(2, commands.as_typed(f'error: {message} ({self.prog} --help shows the way)\n'))

    def format_help(self) -> str:
        return commands.as_typed(super().format_help())


def parser(module: str, doc: str) -> argparse.ArgumentParser:
    """An argument parser whose help is the module's docstring; every entry has --debug."""
    made = _Parser(
        prog=commands.as_typed(f'python -m {module}'),
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(module=module)
    made.add_argument(DEBUG_FLAG, action='store_true', help="show tracebacks and TensorFlow's own log")
    return made


def add_name(made: argparse.ArgumentParser) -> None:
    """`--name` of the data set."""
    made.add_argument(
        '--name',
        type=plain_name,
        default=consts.CURRENT_DATASET_NAME,
        help='data set to work on (default: %(default)s, from consts.py)',
    )


def add_model(
    made: argparse.ArgumentParser,
    meaning: Callable[[str], Model] = resolve_trained,
    default: str = f"{consts.CURRENT_MODEL_NAME}, or the data set's name with --name",
    **options,
) -> None:
    """`--model`, which gives a `names.Model` or None; `default` is text for its help."""
    told = f'model, by its name or the path of its frozen file (default: {default})'
    made.add_argument('--model', type=meaning, metavar='NAME|PB', help=told, **options)


def model_of(args: argparse.Namespace) -> Model:
    """The model that the flags of `add_model` name."""
    return args.model or named_model(paths.model_for(args.name))


def add_fresh(made: argparse.ArgumentParser) -> None:
    """`--fresh` of the training commands."""
    made.add_argument(
        '--fresh', action='store_true', help='delete what was trained under this name, and train anew'
    )


def add_fields(made, settings: Any) -> None:
    """A flag for each field of the dataclass instance `settings` that has a help text in its metadata, with
    its value as the default. The other metadata are options of `add_argument`."""
    for field in fields(settings):
        options = dict(field.metadata)
        if 'help' not in options:
            continue
        default = getattr(settings, field.name)
        if isinstance(default, bool):
            options['action'] = argparse.BooleanOptionalAction
        shown = 'by consts.py and the data' if default is None else default
        options['help'] = f'{options["help"]} (default: {shown})'.replace('%', '%%')
        made.add_argument(flag_of(field.name), default=default, **options)


def flag_of(field: str) -> str:
    """The flag of a setting: '--batch-size' of 'batch_size'."""
    return '--' + field.replace('_', '-')


def whole_number(low: int, high: int | None = None):
    """An argparse type: a whole number of at least `low`, and at most `high` if that is given."""
    wanted = f'of at least {low}' if high is None else f'from {low} to {high}'

    def number(text: str) -> int:
        try:
            value = int(text.replace('_', '').replace(',', ''))
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number {wanted}')
        return value

    return number


def real_number(low: float, high: float):
    """An argparse type: a number from `low` (included) to `high` (not included)."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = high
        if not low <= value < high:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number from {low} to below {high}')
        return value

    return number


def layer_sizes(text: str) -> list[int]:
    """An argparse type: '2048,1024,120' as a list."""
    try:
        sizes = [int(part) for part in text.strip('[] ').split(',')]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no list of layer sizes such as 2048,1024,120')
    return sizes


def require(condition: bool, line: str) -> None:
    """Raise UserError(line) unless the condition holds."""
    if not condition:
        raise UserError(line)
