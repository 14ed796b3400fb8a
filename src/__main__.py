"""The map: every step in order, its command, and whether it is done.

    python -m src
    python -m src --name flowers

The next command is that of the first step after the last one that is done. A step marked [~] is out of date,
as its source has changed, and comes next. The commands depend on the manifest of the records and on what was
trained on them: a head on bottlenecks, or a network from pixels. The data set is one that is
converted, or one that Rootstock knows. A distilled model has none, nor has a model of which only the frozen
file is here, such as the one that ships: --model shows the steps of these.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import shlex
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from src.common import cli, commands, consts, errors, files, paths
from src.common.errors import UserError
from src.common.progress import say
from src.graph.precision import INT8
from src.records import next_commands, trainings
from src.records.manifest import Manifest, manifest_of, source_of
from src.records.run_notes import STUDENT


class Step(NamedTuple):
    """A step: what it does, its command, and the files it writes (none for a step that only prints). `source`
    is the file that the outputs are made from, if it can change."""

    what: str
    command: str
    outputs: tuple[Path, ...] = ()
    source: Path | None = None


# The data sets that Rootstock knows: the folder of their pictures, and the step that makes it.
_PICTURES = {
    consts.CURRENT_DATASET_NAME: (
        paths.STANFORD_DS_DIR,
        Step(
            'get photos and the backbone',
            'sh setup/setup.sh',
            (paths.STANFORD_DS_DIR / 'Images', paths.IMAGENET_GRAPH_DEF),
        ),
    ),
    next_commands.SAMPLE: (
        paths.SAMPLE_DS_DIR,
        Step(
            'draw the sample',
            'python -m src.drawn_dogs.draw',
            (paths.SAMPLE_DS_DIR / 'Images',),
        ),
    ),
    paths.CIFAR10_DIR.name: (
        paths.CIFAR10_DIR,
        Step('get the pictures', 'sh setup/download_cifar10.sh', (paths.CIFAR10_BATCHES_DIR,)),
    ),
}


def steps(args: argparse.Namespace) -> Iterator[Step]:
    """The steps for the data set `args.name` and the model `args.model`. The name may be None of a distilled
    model, and of one that is only frozen (`args.frozen`: its file, else None)."""
    name, model = args.name, args.model
    if trainings.distilled_by(model):
        yield from _after_distillation(name, model)
        return
    if args.frozen:
        yield from _of_classifier(name, model, args.frozen)
        return
    flags, pb = next_commands.flags(name, model), paths.frozen(model)
    yield from _to_records(name)
    train = next_commands.to_train(name, model)
    network = ' src.training.train_images' in train
    yield Step(f'train the {"network" if network else "head"}', train, (paths.scores(model),))
    what = 'freeze it' if network else 'freeze backbone and head'
    yield Step(what, next_commands.to_freeze(name, model), (pb,), paths.trained(model))
    yield _classifying(model)
    yield Step(
        'look at the mistakes',
        f'python -m src.analysis.training_perf_analysis{flags}',
        (paths.analysis(model) / 'training_confusion.csv',),
        pb,
    )
    if (manifest_of(name) or {}).get('precision') != INT8:  # else `freeze` has written it
        yield _exporting(flags, pb, pb)
    yield _saved_model(model, flags, pb)
    yield _serving(model)


def _classifying(model: str) -> Step:
    return Step(
        'classify a picture', f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(model)}'
    )


def _exporting(flags: str, pb: Path, source: Path | None) -> Step:
    command = f'python -m src.freezing.export --precision int8{flags}'
    return Step('export for LiteRT, phones', command, (pb.with_suffix('.tflite'),), source)


def _saved_model(model: str, flags: str, source: Path | None) -> Step:
    return Step(
        'export for TensorFlow Serving',
        f'python -m src.freezing.frozen_to_saved_model{flags}',
        (paths.SAVED_MODELS_DIR / model,),
        source,
    )


def _serving(model: str) -> Step:
    return Step('serve it: a page and an API', f'python -m src.inference.serve --model {shlex.quote(model)}')


def _after_distillation(name: str | None, model: str) -> Iterator[Step]:
    """The steps for a distilled model. `name`: the data set to use it on."""
    pb, flag = paths.frozen(model), f' --model {shlex.quote(model)}'
    named = f' --name {shlex.quote(name or "NAME")}'
    yield Step('distill it', f'{trainings.distilled_by(model)} PHOTOS --teacher PB{flag}', (pb,))
    if trainings.model_notes(model)['learner'] == STUDENT:
        convert = 'python -m src.data_preparation.image_folder_to_tfrecords DIR'
        yield Step('pictures to records', f'{convert}{named} --backbone {_typed(pb)}')
        return
    yield from _of_classifier(name, model, pb, pb)


def _of_classifier(name: str | None, model: str, pb: Path, source: Path | None = None) -> Iterator[Step]:
    """The steps for a frozen classifier `pb` without a data set. `name`: the data set to score it on. What is
    made from it is out of date when it is older than `source`; never if that is None, as the time of a copied
    file says nothing."""
    flag = f' --model {shlex.quote(model)}'
    yield _classifying(model)
    scored = f' --name {shlex.quote(name or "NAME")}{flag}'
    yield Step('look at the mistakes', f'python -m src.analysis.training_perf_analysis{scored}')
    yield _exporting(f'{flag} --calibration PHOTOS', pb, source)
    yield _saved_model(model, flag, source)
    yield _serving(model)


def _to_records(name: str) -> Iterator[Step]:
    source = source_of(manifest_of(name))
    if name in _PICTURES:
        place, step = _PICTURES[name]
        if source in (None, place):
            yield step
    yield Step('pictures to records', next_commands.to_convert(name), (paths.manifest(name),))


def _typed(path: Path) -> str:
    return shlex.quote(paths.shown(path))


def is_there(output: Path) -> bool:
    """Whether a step's output exists and is complete; for records their manifest says so."""
    if output.name != paths.MANIFEST:
        return output.exists()
    return bool(files.read_notes(output, Manifest).get('complete'))


def state_of(step: Step, outdated: Collection[Path]) -> str:
    """'x' if a step is done, ' ' if an output is missing, '~' if an output is older than its source or made
    from one of `outdated`."""
    if not all(map(is_there, step.outputs)):
        return ' '
    if step.source in outdated:
        return '~'
    if step.source is None or not step.source.exists():
        return 'x'
    oldest = min(output.stat().st_mtime for output in step.outputs)
    return '~' if oldest < step.source.stat().st_mtime else 'x'


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src', __doc__)
    cli.add_name(made)
    cli.add_model(made)
    made.set_defaults(name=None)  # the default depends on the model, as the help says
    args = made.parse_args(argv)
    model = args.model and args.model.name
    args.frozen = args.model and trainings.only_frozen(args.model, args.name)
    if not (model and (args.frozen or trainings.distilled_by(model))):  # else the name has no default
        args.name = next_commands.data_set_of(model, args.name)
    if args.name:
        next_commands.require_known(args.name)
    args.model = model or next_commands.usual_model(args.name)
    subject = f'data set {args.name}, model {args.model}' if args.name else f'model {args.model}'
    say(f'{subject}    [x] is done, [ ] is not, [~] is out of date')
    following, outdated = None, []
    for number, step in enumerate(steps(args), 1):
        state = state_of(step, outdated)
        if step.outputs:
            # An output that is missing before one that exists is not needed: photos may be elsewhere.
            if state != ' ' and not outdated:
                following = None
            if state != 'x':
                following = following or step.command
            if state == '~':
                outdated += step.outputs
        box = f'[{state}]' if step.outputs else '   '
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

`rootstock COMMAND --help` explains a command. Commands work in the current folder, or in the folder in the
environment variable ROOTSTOCK_HOME."""


def rootstock() -> None:
    """The console script: `rootstock train ...` runs `python -m src.training.train ...`."""
    commands.started_as_script()
    name, *rest = sys.argv[1:] or ['map']
    if name in ('-h', '--help', 'help'):
        lines = (f'  {name:<18}{command.what}' for name, command in commands.COMMANDS.items())
        errors.run(lambda: say(USAGE.format(commands='\n'.join(lines))))
    if name.startswith('-'):  # flags of the map
        name, rest = 'map', sys.argv[1:]
    sys.argv[1:] = rest
    found = commands.find(name)
    errors.run(lambda: _subcommand(name), tear_down=found is None or found.tear_down)


def _subcommand(name: str) -> int | None:
    command = commands.find(name)
    if command is None:
        near = difflib.get_close_matches(name, commands.COMMANDS, 1)
        also = f'; did you mean {near[0]}?' if near else ''
        raise UserError(f'unknown command {name!r}{also} (rootstock --help lists all commands)')
    entry = main if command.module == 'src' else importlib.import_module(command.module).main
    return entry()


if __name__ == '__main__':
    errors.run(main)
