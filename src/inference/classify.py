"""Name what is on pictures.

    python -m src.inference.classify file my_dog.jpg
    python -m src.inference.classify file photos/ 'more/*.png' --top 3
    python -m src.inference.classify uri https://example.org/dog.jpg
    cat my_dog.jpg | python -m src.inference.classify file -

Paths may be files, folders (all pictures below them) and globs; '-' is standard input. Prints the
five best classes of each picture, or JSON or CSV for programs. Without --model or --name it takes the
model that consts.py names once that is frozen, and until then the 120 dog breeds that come with
Rootstock. From Python:

    from src.inference.classify import classify
    classify('file', 'my_dog.jpg')       # a DataFrame with the columns prob and breed, best first
"""

from __future__ import annotations

import argparse
import csv
import glob
import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.fetch import fetch_image
from src.common.files import count
from src.common.progress import progress, say
from src.images.faults import BadImage
from src.images.headers import ENDINGS
from src.inference.predictor import Predictor, default_model, load_model

if TYPE_CHECKING:
    import pandas

STDIN = '-'


def classify(source: str, path: str, model: str | Path | None = None) -> pandas.DataFrame:
    """The classes of one picture as a DataFrame with the columns `prob` and `breed`, best first.

    `source` is 'file' or 'uri'; `model` the path of a frozen graph (default: the current one).
    Raises UserError when the picture or the model cannot be had.
    """
    import pandas

    if source not in ('file', 'uri'):
        raise UserError(f"source is 'file' or 'uri', not {source!r}")
    predictor = _loaded(Path(model) if model else default_model())
    answer = next(iter(predictor.from_pictures([_read(source, str(path))])))
    if isinstance(answer, BadImage):
        raise UserError(f'{path}: {answer}')
    table = pandas.DataFrame({'prob': answer, 'breed': predictor.labels})
    return table.sort_values('prob', ascending=False, kind='stable').reset_index(drop=True)


@lru_cache(maxsize=2)
def _loaded(path: Path) -> Predictor:
    return load_model(path)


def pictures_at(names: Sequence[str]) -> list[str]:
    """The files that paths, folders and globs name, in the order given, each once.

    A name that nothing answers to stays in the list, so that it is told of like an unreadable one.
    """
    found: dict[str, None] = {}
    for name in names:
        try:
            found.update(dict.fromkeys(_answering_to(name) or [name]))
        except OSError:  # a name too long, a folder that may not be read
            found[name] = None
    return list(found)


def _answering_to(name: str) -> list[str]:
    path = Path(name)
    if name in ('', STDIN) or path.is_file():
        return [name]
    if path.is_dir():
        return [str(p) for p in sorted(path.rglob('*')) if p.suffix.lower() in ENDINGS and p.is_file()]
    folder, pattern = os.path.split(name)
    if os.path.isdir(folder):  # noqa: PTH112 - so that only the rest of the name is a pattern
        name = os.path.join(glob.escape(folder), pattern)  # noqa: PTH118
    return sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns


def _read(source: str, path: str) -> bytes:
    """The encoded picture. Raises UserError when it cannot be had."""
    if source == 'uri':
        return fetch_image(path)
    if path == STDIN:
        return sys.stdin.buffer.read()
    if not path:
        raise UserError('an empty path names no picture')
    try:
        return Path(path).read_bytes()
    except IsADirectoryError as error:
        raise UserError(f'{path}: no pictures in this folder') from error
    except OSError as error:
        raise UserError(f'{path}: {error.strerror}') from error


def answers(
    predictor: Predictor, source: str, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray | Exception]]:
    """(name, probabilities [classes]) for each picture in order, or the fault that it has."""
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


def best(probabilities: np.ndarray, top: int) -> list[int]:
    """The places of the `top` largest, best first."""
    return [int(i) for i in np.argsort(-probabilities, kind='stable')[:top]]


class _Table:
    """For people: a few aligned lines for each picture."""

    def __init__(self, labels: list[str], top: int):
        self.labels, self.top = labels, top

    def show(self, name: str, probabilities: np.ndarray) -> None:
        places = best(probabilities, self.top)
        width = max(len(self.labels[i]) for i in places)
        say(name)
        for i in places:
            say(f'  {self.labels[i]:<{width}}  {probabilities[i]:>7.2%}')

    def end(self) -> None:
        pass


class _Csv(_Table):
    """For spreadsheets: path, label, probability."""

    def __init__(self, labels: list[str], top: int):
        super().__init__(labels, top)
        self.writer = csv.writer(sys.stdout, lineterminator='\n')
        self.writer.writerow(['path', 'label', 'probability'])

    def show(self, name: str, probabilities: np.ndarray) -> None:
        for i in best(probabilities, self.top):
            self.writer.writerow([name, self.labels[i], f'{probabilities[i]:.6f}'])


class _Json(_Table):
    """For programs: one JSON array with an object for each picture, written as it goes."""

    def __init__(self, labels: list[str], top: int):
        super().__init__(labels, top)
        self.opening = '['

    def show(self, name: str, probabilities: np.ndarray) -> None:
        classes = [
            {'label': self.labels[i], 'probability': round(float(probabilities[i]), 6)}
            for i in best(probabilities, self.top)
        ]
        print(self.opening + json.dumps({'path': name, 'classes': classes}, ensure_ascii=False), end='')
        self.opening = ',\n '

    def end(self) -> None:
        print('[]' if self.opening == '[' else ']')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.classify', __doc__)
    made.add_argument('source', choices=('file', 'uri'), help='where the pictures are')
    made.add_argument('pictures', nargs='+', metavar='PATH|URL', help="files, folders, globs, '-'; or URLs")
    made.add_argument('--name', type=cli.plain_name, help='data set whose frozen model to use')
    made.add_argument('--model', type=Path, metavar='PB', help='frozen graph to use')
    made.add_argument(
        '--top', type=cli.whole_number(1), default=5, help='how many classes (default: %(default)s)'
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument('--json', dest='form', action='store_const', const=_Json, help='print JSON')
    form.add_argument('--csv', dest='form', action='store_const', const=_Csv, help='print a CSV table')
    made.set_defaults(form=_Table)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    names = pictures_at(args.pictures) if args.source == 'file' else args.pictures
    path = args.model or default_model(args.name)
    predictor = load_model(path)
    printer = args.form(predictor.labels, args.top)
    if args.form is _Table:
        say(f'{paths.shown(path)}: {count(len(predictor.labels), "class", "classes")}')
    faults = []
    for name, answer in answers(predictor, args.source, names):
        if isinstance(answer, Exception):
            faults.append(f'{name}: {answer}' if isinstance(answer, BadImage) else str(answer))
        else:
            printer.show(name, answer)
    printer.end()
    if faults and len(names) == 1:
        raise UserError(faults[0])
    for fault in faults:
        print(f'skipped {fault}', file=sys.stderr)
    if faults:
        print(f'{len(names) - len(faults)} of {count(len(names), "picture")} classified', file=sys.stderr)
    return 2 if faults else 0


if __name__ == '__main__':
    errors.run(main)
