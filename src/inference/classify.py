"""Classify pictures with a frozen model.

    python -m src.inference.classify my_dog.jpg
    python -m src.inference.classify photos/ 'more/*.png' https://example.org/dog.jpg --top 3
    cat my_dog.jpg | python -m src.inference.classify -
    python -m src.inference.classify --watch camera/ --json

Pictures may be files, folders (all pictures below them, with any suffix), globs, and addresses that start
with http:// or https://; '-' is standard input. If the first word is `file` or `uri`, all others are paths or
addresses; a picture named `file` is given as ./file. Prints the five best classes of each picture, or JSON or
CSV for programs. --watch classifies each new picture in a folder as it arrives, until Ctrl-C.

Without --model or --name it uses the model that ships with Rootstock (120 dog breeds) and says so. A model is
a frozen graph (.pb) or a .tflite file. Of a model that is named, or ships, the .tflite file is used if it was
made from the frozen graph beside it and LiteRT is installed: one picture takes less than a tenth of the
time. From Python:

    from src.inference.classify import classify
    classify('file', 'my_dog.jpg')       # a DataFrame with the columns prob and breed, best first
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.names import plain_name
from src.common.progress import remark, say
from src.images.faults import BadImage
from src.inference.choice import Wanted, lightest, wanted_model
from src.inference.default_model import default_model, why_default
from src.inference.predictor import load_model
from src.inference.printers import Csv, Json, JsonLines, Table
from src.inference.runtimes.base import Predictor
from src.inference.sources import SOURCES, answers, missing_names, names_in, read_source
from src.inference.views import add_views
from src.records.age import remark_on_age

if TYPE_CHECKING:
    import pandas


def classify(source: str, path: str, model: str | Path | None = None, views: int = 1) -> pandas.DataFrame:
    """The classes of one picture as a DataFrame with the columns `prob` and `breed`, best first.

    `source` is 'file' or 'uri'. `model` is the name of a model or the path of its file (default: the model
    that ships with Rootstock). TensorFlow is not imported if LiteRT answers (choice.py). `views`: number of
    views of the picture that the probabilities are averaged over. Raises UserError if the picture or the
    model cannot be read, or the model was not validated with so many views.
    """
    import pandas

    if source not in SOURCES:
        raise UserError(f"source is 'file' or 'uri', not {source!r}")
    wanted = wanted_model(str(model)) if model else None
    graph = wanted.file if wanted else default_model()
    predictor = _loaded(_file_for(wanted, graph, views), views)
    answer = next(iter(predictor.from_pictures([read_source(source, str(path))])))
    if isinstance(answer, BadImage):
        raise UserError(f'{path}: {answer}')
    table = pandas.DataFrame({'prob': answer, 'breed': predictor.labels})
    return table.sort_values('prob', ascending=False, kind='stable').reset_index(drop=True)


@lru_cache(maxsize=2)
def _loaded(path: Path, views: int) -> Predictor:
    return load_model(path, views=views)


def _file_for(wanted: Wanted | None, graph: Path, views: int) -> Path:
    """The file of the model to run. Only frozen graphs average several views."""
    return graph if views > 1 or (wanted and wanted.by_path) else lightest(graph)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.classify', __doc__, loads_graphs=True)
    made.add_argument('pictures', nargs='*', metavar='PICTURE', help="files, folders, globs, addresses, '-'")
    made.add_argument(
        '--watch', type=Path, metavar='FOLDER', help='classify each new picture in a folder as it arrives'
    )
    chosen = made.add_mutually_exclusive_group()
    chosen.add_argument('--name', type=plain_name, help='use the frozen model of this data set')
    cli.add_model(chosen, wanted_model, 'the one that ships, or of the data set with --name')
    made.add_argument(
        '--top', type=cli.whole_number(1), default=5, help='number of classes to print (default: %(default)s)'
    )
    add_views(made)
    made.add_argument(
        '--pixel-range',
        type=cli.number_range,
        metavar='LOW,HIGH',
        help='of the pixels that a .tflite file of other makers takes, such as 0,1',
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument(
        '--json',
        dest='form',
        action='store_const',
        const=Json,
        help='print JSON; an object a line with --watch',
    )
    form.add_argument('--csv', dest='form', action='store_const', const=Csv, help='print a CSV table')
    made.set_defaults(form=Table)
    args = made.parse_args(argv)
    if bool(args.pictures) == bool(args.watch):
        made.error('PICTURE or --watch FOLDER is required' + (', not both' if args.watch else ''))
    first, *others = args.pictures or ['']
    args.source = args.pictures.pop(0) if first in SOURCES and others else None
    if args.source is None and first in SOURCES and not Path(first).exists():
        made.error(f'no picture is given after {first!r}')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    graph = args.model.file if args.model else default_model(args.name)
    remark_on_age(graph)
    path = _file_for(args.model, graph, args.views)
    why = '' if args.model or args.name else why_default(graph)
    return _watch(args, path, why) if args.watch else _classify(args, path, why)


def _classify(args: argparse.Namespace, path: Path, why: str) -> int:
    """Classify the pictures that the flags name, by the model at `path`. `why` that one. Returns the exit
    code."""
    names, left_out = names_in(args.source, args.pictures)
    missing = missing_names(args.source, names)
    if len(names) > 1:
        _report_skipped(missing.values())
    found = [name for name in names if name not in missing]
    faults = _print_answers(args, path, found, why)
    for name, reason in left_out.items():
        remark(f'left out {name}: {reason}')
    if len(names) == 1 and (missing or faults):
        raise UserError([*missing.values(), *faults][0])
    _report_skipped(faults)
    failed = len(missing) + len(faults)
    if failed:
        remark(f'{len(names) - failed} of {count(len(names), "picture")} classified')
    return 2 if failed else 0


def _watch(args: argparse.Namespace, path: Path, why: str) -> int:
    """Classify new pictures until Ctrl-C."""
    from src.inference.watch import Arrivals, watch

    arrivals = Arrivals(args.watch)
    args.form = JsonLines if args.form is Json else args.form
    predictor, printer = _opened(args, path, why)
    there = f'{count(arrivals.already, "file")} {"is" if arrivals.already == 1 else "are"} there already'
    remark(f'watching {paths.shown(args.watch)} for new pictures ({there}); Ctrl-C ends')
    watch(arrivals, predictor, printer)
    return 0


def _opened(args: argparse.Namespace, path: Path, why: str) -> tuple[Predictor, Table]:
    """The model at `path`, and a printer for its classes. Says which model it is, and `why`."""
    if why and args.form is not Table:
        remark(f'{paths.shown(path)}: {why}')
    predictor = load_model(path, views=args.views, pixel_range=args.pixel_range)
    printer = args.form(predictor.labels, args.top)
    if args.form is Table:
        classes = count(len(predictor.labels), 'class', 'classes')
        say(f'{paths.shown(path)}: {classes}' + (f' ({why})' if why else ''))
    return predictor, printer


def _print_answers(args: argparse.Namespace, path: Path, names: Sequence[str], why: str) -> list[str]:
    """Print the classes of each picture, and return the errors of the others. Without names the model is not
    loaded."""
    faults: list[str] = []
    predictor, printer = _opened(args, path, why) if names else (None, args.form([], args.top))
    for name, answer in answers(predictor, args.source, names) if predictor else ():
        if isinstance(answer, Exception):
            faults.append(f'{name}: {answer}' if isinstance(answer, BadImage) else str(answer))
        else:
            printer.show(name, answer)
    printer.end()
    return faults


def _report_skipped(faults: Iterable[str]) -> None:
    for fault in faults:
        remark(f'skipped {fault}')


if __name__ == '__main__':
    errors.run(main, tear_down=False)
