"""Classify pictures with a frozen model.

    python -m src.inference.classify my_dog.jpg
    python -m src.inference.classify photos/ 'more/*.png' https://example.org/dog.jpg --top 3
    cat my_dog.jpg | python -m src.inference.classify -

Pictures may be files, folders (all pictures below them, with any suffix), globs, and addresses that start
with http:// or https://; '-' is standard input. If the first word is `file` or `uri`, all others are paths or
addresses; a picture named `file` is given as ./file. Prints the five best classes of each picture, or JSON or
CSV for programs. Without --model or --name it uses the model that ships with Rootstock (120 dog breeds) and
says so. From Python:

    from src.inference.classify import classify
    classify('file', 'my_dog.jpg')       # a DataFrame with the columns prob and breed, best first
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name, resolve_model
from src.common.progress import progress, say
from src.images.faults import BadImage
from src.images.files import read_picture
from src.images.find import find_pictures
from src.inference.default_model import default_model, why_default
from src.inference.predictor import Predictor, load_model
from src.inference.printers import Csv, Json, Table
from src.inference.views import add_views
from src.records.age import remark_on_age
from src.records.next_commands import frozen_model

if TYPE_CHECKING:
    import pandas

STDIN = '-'
SOURCES = ('file', 'uri')


def classify(source: str, path: str, model: str | Path | None = None, views: int = 1) -> pandas.DataFrame:
    """The classes of one picture as a DataFrame with the columns `prob` and `breed`, best first.

    `source` is 'file' or 'uri'. `model` is the name of a model or the path of its frozen file (default: the
    model that ships with Rootstock). `views`: number of views of the picture that the probabilities are
    averaged over. Raises UserError if the picture or the model cannot be read, or the model was not validated
    with so many views.
    """
    import pandas

    if source not in SOURCES:
        raise UserError(f"source is 'file' or 'uri', not {source!r}")
    predictor = _loaded(frozen_model(resolve_model(str(model))) if model else default_model(), views)
    answer = next(iter(predictor.from_pictures([_read(source, str(path))])))
    if isinstance(answer, BadImage):
        raise UserError(f'{path}: {answer}')
    table = pandas.DataFrame({'prob': answer, 'breed': predictor.labels})
    return table.sort_values('prob', ascending=False, kind='stable').reset_index(drop=True)


@lru_cache(maxsize=2)
def _loaded(path: Path, views: int) -> Predictor:
    return load_model(path, views=views)


def is_address(source: str | None, name: str) -> bool:
    """Whether `name` is a web address: by `source`, or by its first characters if `source` is None."""
    return source == 'uri' or (source is None and name.lower().startswith(('http://', 'https://')))


def names_in(source: str | None, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The pictures and addresses for the words of a command line, in order and deduplicated; and the other
    files in folders and globs, each with the reason why it is not a picture."""
    found: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for word in words:
        names, others = ([word], {}) if is_address(source, word) else find_pictures([word])
        found.update(dict.fromkeys(names))
        left_out.update(others)
    return list(found), left_out


def check_name(source: str | None, name: str) -> None:
    """Raises UserError for a missing or unreadable picture. Does not read the file, so that it takes only
    microseconds before TensorFlow is loaded."""
    if is_address(source, name):
        from src.downloads.http import web_address

        web_address(name)
        return
    if name == STDIN:
        return
    if not name:
        raise UserError('an empty path is not a picture')
    try:
        Path(name).stat()
    except OSError as error:
        raise UserError(f'{name}: {os.strerror(error.errno)}') from error  # the same text on all systems
    if Path(name).is_dir():
        raise UserError(f'{name}: no pictures in this folder')
    if not os.access(name, os.R_OK):
        raise UserError(f'{name}: {os.strerror(errno.EACCES)}')


def _read(source: str | None, path: str) -> bytes:
    """The encoded picture. Raises UserError if it cannot be read."""
    if is_address(source, path):
        from src.downloads.picture import fetch_image

        return fetch_image(path)
    if path == STDIN:
        return sys.stdin.buffer.read()
    if not path:
        raise UserError('an empty path is not a picture')
    if '\0' in path:
        raise UserError(f'{path!r}: a path cannot hold a zero byte')
    try:
        return read_picture(path)
    except BadImage as fault:
        raise UserError(f'{path}: {fault}') from fault
    except IsADirectoryError as error:
        raise UserError(f'{path}: no pictures in this folder') from error
    except OSError as error:
        raise UserError(f'{path}: {error.strerror}') from error


def answers(
    predictor: Predictor, source: str | None, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray | Exception]]:
    """(name, probabilities [classes] float32) for each picture in order, with the error in place of
    probabilities if it cannot be read.

    `source` is 'file', 'uri', or None for both: then web addresses are fetched and all other names are files.
    """
    faults: dict[int, UserError] = {}

    def encoded() -> Iterator[bytes]:
        for place, name in enumerate(names):
            try:
                yield _read(source, name)
            except UserError as error:
                faults[place] = error
                yield b''

    with progress(len(names), 'classifying', 'pictures') as bar:
        for place, answer in enumerate(predictor.from_pictures(encoded())):
            bar.update()
            yield names[place], faults.get(place, answer)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.classify', __doc__)
    made.add_argument('pictures', nargs='+', metavar='PICTURE', help="files, folders, globs, addresses, '-'")
    chosen = made.add_mutually_exclusive_group()
    chosen.add_argument('--name', type=plain_name, help='use the frozen model of this data set')
    cli.add_model(chosen, resolve_model, 'the one that ships, or of the data set with --name')
    made.add_argument(
        '--top', type=cli.whole_number(1), default=5, help='number of classes to print (default: %(default)s)'
    )
    add_views(made)
    form = made.add_mutually_exclusive_group()
    form.add_argument('--json', dest='form', action='store_const', const=Json, help='print JSON')
    form.add_argument('--csv', dest='form', action='store_const', const=Csv, help='print a CSV table')
    made.set_defaults(form=Table)
    args = made.parse_args(argv)
    args.source = args.pictures.pop(0) if args.pictures[0] in SOURCES and len(args.pictures) > 1 else None
    if args.source is None and args.pictures[0] in SOURCES and not Path(args.pictures[0]).exists():
        made.error(f'no picture is given after {args.pictures[0]!r}')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    path = frozen_model(args.model) if args.model else default_model(args.name)
    remark_on_age(path)
    names, left_out = names_in(args.source, args.pictures)
    missing = _missing(args.source, names)
    if len(names) > 1:
        _report_skipped(missing.values())
    found = [name for name in names if name not in missing]
    why = '' if args.model or args.name else why_default(path)
    if why and found and args.form is not Table:
        print(f'{paths.shown(path)}: {why}', file=sys.stderr)
    faults = _print_answers(args, path, found, f' ({why})' if why else '')
    for name, reason in left_out.items():
        print(f'left out {name}: {reason}', file=sys.stderr)
    if len(names) == 1 and (missing or faults):
        raise UserError([*missing.values(), *faults][0])
    _report_skipped(faults)
    failed = len(missing) + len(faults)
    if failed:
        print(f'{len(names) - failed} of {count(len(names), "picture")} classified', file=sys.stderr)
    return 2 if failed else 0


def _missing(source: str | None, names: Sequence[str]) -> dict[str, str]:
    """The error for each name that `check_name` refuses."""
    faults = {}
    for name in names:
        try:
            check_name(source, name)
        except UserError as error:
            faults[name] = str(error)
    return faults


def _report_skipped(faults: Iterable[str]) -> None:
    for fault in faults:
        print(f'skipped {fault}', file=sys.stderr, flush=True)


def _print_answers(args: argparse.Namespace, path: Path, names: Sequence[str], remark: str) -> list[str]:
    """Print the classes of each picture by the model at `path`, and return the errors of the others.

    Without names the model is not loaded. `remark` follows the path of the model.
    """
    predictor = load_model(path, views=args.views) if names else None
    printer = args.form(predictor.labels if predictor else [], args.top)
    if predictor and args.form is Table:
        say(f'{paths.shown(path)}: {count(len(predictor.labels), "class", "classes")}{remark}')
    faults = []
    for name, answer in answers(predictor, args.source, names) if predictor else ():
        if isinstance(answer, Exception):
            faults.append(f'{name}: {answer}' if isinstance(answer, BadImage) else str(answer))
        else:
            printer.show(name, answer)
    printer.end()
    return faults


if __name__ == '__main__':
    errors.run(main)
