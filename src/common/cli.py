"""Parts of the command lines that all entries share."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from src.common import commands, consts
from src.common.errors import DEBUG_FLAG, UserError, one_line
from src.common.names import Model, model_for, named_model, plain_name, resolve_trained
from src.common.process import trust

LARGEST_NUMBER = 2**31 - 1  # of steps, sides and the like, which become int32 tensors
LARGEST_SEED = 2**32 - 1
LARGEST_BATCH = LARGEST_LAYER = 1_000_000
_BETWEEN = '\0'  # between the values of a flag of `add_list`


class _Parser(argparse.ArgumentParser):
    lists: Mapping[str, str] = {}

    def parse_known_args(self, args=None, namespace=None):
        words = sys.argv[1:] if args is None else args
        parsed, rest = super().parse_known_args(_with_lists(words, self.lists), namespace)
        trust.set_trusted(getattr(parsed, 'trust', False))
        return parsed, rest

    def error(self, message: str):
        self.exit(2, one_line(commands.as_typed(f'error: {message} (see {self.prog} --help)')) + '\n')

    def format_help(self) -> str:
        return commands.as_typed(super().format_help())


def parser(module: str, doc: str, loads_graphs: bool = False) -> argparse.ArgumentParser:
    """An argument parser with the docstring `doc` of the entry `module` as its help, the flag --debug, and
    --trust for a command that loads graphs."""
    made = _Parser(
        prog=commands.as_typed(f'python -m {module}'),
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(module=module)
    made.add_argument(DEBUG_FLAG, action='store_true', help="show tracebacks and TensorFlow's own log")
    if loads_graphs:
        made.add_argument(trust.FLAG, action='store_true', help=trust.HELP)
    return made


def add_list(made: argparse.ArgumentParser, flag: str, ending: str, **options: Any) -> None:
    """Add a flag for one value or several, which all but the first end with `ending`: what follows them is
    another argument. Its `type` gets a list of values."""
    of_one = options.pop('type')
    made.lists = {**made.lists, flag: ending}
    made.add_argument(flag, type=lambda text: [of_one(word) for word in text.split(_BETWEEN)], **options)


def _with_lists(words: Sequence[str], lists: Mapping[str, str]) -> list[str]:
    """The words of a command line, with all values of a flag of `add_list` in one word."""
    made: list[str] = []
    for word in words:
        flag = made[-2] if len(made) > 1 else ''
        if flag in lists and word.endswith(lists[flag]) and not word.startswith('-'):
            made[-1] += _BETWEEN + word
        else:
            made.append(word)
    return made


def add_name(made: argparse.ArgumentParser) -> None:
    """Add `--name`, the data set."""
    made.add_argument(
        '--name',
        type=plain_name,
        default=consts.CURRENT_DATASET_NAME,
        help=f'data set (default: {consts.CURRENT_DATASET_NAME}, from consts.py)',
    )


def add_model(
    made: argparse.ArgumentParser,
    kind: Callable[[str], Model] = resolve_trained,
    default: str = f"{consts.CURRENT_MODEL_NAME}, or the data set's name with --name",
    **options,
) -> None:
    """Add `--model`, whose value is a `names.Model` or None. `default` is text for its help."""
    text = f'name of a model, or path of its frozen file (default: {default})'
    made.add_argument('--model', type=kind, metavar='NAME|PB', help=text, **options)


def model_of(args: argparse.Namespace) -> Model:
    """The model in the flags `--model` and `--name`."""
    return args.model or named_model(model_for(args.name))


def add_fresh(made: argparse.ArgumentParser) -> None:
    """`--fresh` of the training commands."""
    made.add_argument(
        '--fresh', action='store_true', help='delete what was trained under this name, and train anew'
    )


def add_fields(made, settings: Any, only: Sequence[str] | None = None) -> None:
    """A flag for each field of the dataclass instance `settings` that has a help text in its metadata, with
    its value as the default. The other metadata are options of `add_argument`, and `default_text`: the
    default in words where it is None. `only`: names of fields."""
    for field in fields(settings):
        options = dict(field.metadata)
        if 'help' not in options or (only is not None and field.name not in only):
            continue
        default = getattr(settings, field.name)
        if isinstance(default, bool):
            options['action'] = argparse.BooleanOptionalAction
        words = options.pop('default_text', 'by consts.py and the data')
        shown = words if default is None else default
        options['help'] = f'{options["help"]} (default: {shown})'.replace('%', '%%')
        made.add_argument(flag_of(field.name), default=default, **options)


def flag_of(field: str) -> str:
    """The flag of a setting: '--batch-size' of 'batch_size'."""
    return '--' + field.replace('_', '-')


def whole_number(low: int, high: int | None = None):
    """An argparse type: a whole number of at least `low`, and at most `high` (default: LARGEST_NUMBER)."""
    most = LARGEST_NUMBER if high is None else high

    def number(text: str) -> int:
        try:
            value = int(without_thousands(text))
        except ValueError:
            value = low - 1
        if not low <= value <= most:
            wanted = f'of at least {low}' if high is None and value < low else f'from {low} to {most}'
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number {wanted}')
        return value

    return number


def seed_number(text: str) -> int:
    """An argparse type: a random seed. TensorFlow's seeds, which are made from it, have 64 bits."""
    return whole_number(0, LARGEST_SEED)(text)


def size_of_batch(text: str) -> int:
    """An argparse type: the examples in a step."""
    return whole_number(1, LARGEST_BATCH)(text)


def without_thousands(text: str) -> str:
    """A number without the commas between its thousands: '1000' of '1,000', but '0,25' stays."""
    return text.replace(',', '') if re.fullmatch(r'\s*[+-]?\d{1,3}(,\d{3})+\s*', text) else text


def real_number(low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number from `low` (included) to `high` (excluded)."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = high
        if not low <= value < high:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number from {low} to below {high}')
        return value

    return number


def number_range(text: str) -> tuple[float, float]:
    """An argparse type: '-1,1' as a pair of finite numbers, the first one lower."""
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a range such as -1,1')
    return low, high


def layer_sizes(text: str) -> list[int]:
    """An argparse type: '2048,1024,120' as a list; its ends may be 0."""
    try:
        sizes = [int(part) for part in text.strip('[] ').split(',')]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 0 or max(sizes) > LARGEST_LAYER or 0 in sizes[1:-1]:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a list of layer sizes such as 2048,1024,120, '
            f'of at most {LARGEST_LAYER:,} units each'
        )
    return sizes


def require(condition: bool, line: str) -> None:
    """Raise UserError(line) unless the condition holds."""
    if not condition:
        raise UserError(line)
