"""The commands: their modules, their names as subcommands of `rootstock`, and how printed commands read.

Messages and docstrings name commands as a checkout runs them: `python -m src.training.train`,
`sh setup/setup.sh`. `as_typed` turns these into commands that work for the user: as subcommands, from the
current folder. `progress.say`, the error line and `--help` apply it.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from src.common import paths


class Command(NamedTuple):
    """A subcommand of `rootstock`: the module with its `main`, one line of help, and `tear_down` of
    `errors.run`."""

    module: str
    what: str
    tear_down: bool = True


COMMANDS = {
    'map': Command('src', 'show every step, its command, and what is done already'),
    'download': Command(
        'src.downloads.download', 'download photos or a backbone: resumed, verified, unpacked'
    ),
    'sample': Command('src.drawn_dogs.draw', 'draw a small data set of invented breeds'),
    'convert': Command(
        'src.data_preparation.image_folder_to_tfrecords', 'convert a folder of class folders to records'
    ),
    'convert-stanford': Command(
        'src.data_preparation.stanford_ds_to_tfrecords', 'convert Stanford Dogs to records'
    ),
    'convert-kaggle': Command(
        'src.data_preparation.kaggle_images_to_tfrecords',
        "convert Kaggle's dog-breed-identification to records",
    ),
    'convert-cifar10': Command(
        'src.data_preparation.cifar10_to_tfrecords', 'convert CIFAR-10 to records of pictures'
    ),
    'convert-cats-dogs': Command(
        'src.data_preparation.dogs_vs_cats_to_tfrecords',
        'convert Dogs vs. Cats of Kaggle or Microsoft to records',
    ),
    'convert-beam': Command(
        'src.data_preparation.beam_to_tfrecords', 'convert a folder on many processes or machines'
    ),
    'link-folders': Command(
        'src.data_preparation.link_folders', 'make a folder of links, by split and class, for other tools'
    ),
    'backbone': Command('src.graph.backbones', 'check a frozen graph as a backbone, and show its facts'),
    'keras': Command(
        'src.freezing.keras_import', 'make a frozen graph of a Keras network, or of your own Keras model'
    ),
    'review': Command(
        'src.curation.review', 'find photos that do not belong: unwanted, odd, copies, wrong labels'
    ),
    'train': Command('src.training.train', 'train a head on bottlenecks'),
    'train-images': Command('src.training.train_images', 'train a network from pixels by a recipe'),
    'fine-tune': Command('src.training.fine_tune', 'train the last layers of a backbone and its head'),
    'distill': Command(
        'src.training.distill', 'train a small backbone to give the bottlenecks of a large one'
    ),
    'distill-head': Command(
        'src.training.distill_head', 'train a head on the answers of a large classifier, without labels'
    ),
    'freeze': Command('src.freezing.freeze', 'join backbone and head in one file, and check it'),
    'saved-model': Command(
        'src.freezing.frozen_to_saved_model', 'export a frozen model for TensorFlow Serving'
    ),
    'export': Command(
        'src.freezing.export', 'export a frozen model as .tflite (float32, float16, int8) or ONNX'
    ),
    'classify': Command(
        'src.inference.classify', 'classify pictures: files, folders, globs, URLs', tear_down=False
    ),
    'inference': Command('src.inference.inference', "write, check and score Kaggle's submission file"),
    'serve': Command('src.inference.serve', "serve a page and TensorFlow Serving's REST interface"),
    'activations': Command(
        'src.interpret.activations', "draw each channel's output for one picture, layer by layer"
    ),
    'filters': Command('src.interpret.filters', 'draw the input that excites each channel of a layer most'),
    'saliency': Command('src.interpret.saliency', 'show where a classifier looks, and whether to believe it'),
    'analyze': Command(
        'src.analysis.training_perf_analysis', 'show scores, confusion matrix and worst mistakes'
    ),
    'layers': Command('src.analysis.layer_table', 'list the layers of a network or a frozen graph'),
    'augmentation': Command(
        'src.analysis.show_augmentation', 'draw random variants of a picture, as training sees them'
    ),
    'curves': Command('src.analysis.training_curves', 'plot accuracy and log loss over the epochs'),
    'compare': Command('src.analysis.compare_runs', 'compare all trainings: table, CSV, page'),
}
_NAMES = {command.module: name for name, command in COMMANDS.items()}

# The commands in the setup scripts, for an installed package.
_SCRIPTS = {
    'setup': 'python -m src.downloads.download inception stanford_dogs',
    'inception_download': 'python -m src.downloads.download inception',
    'download_stanford_dogs_dataset': 'python -m src.downloads.download stanford_dogs',
    'download_cifar10': 'python -m src.downloads.download cifar10',
}

_script = False  # whether the process was started as `rootstock`


def started_as_script() -> None:
    """From now on, print `rootstock train` instead of `python -m src.training.train`."""
    global _script
    _script = True


def find(name: str) -> Command | None:
    """The command of this name or module name (`training_perf_analysis`); None if there is none."""
    by_module = {command.module.rpartition('.')[2]: command for command in COMMANDS.values()}
    return COMMANDS.get(name) or by_module.get(name)


def as_typed(text: str) -> str:
    """`text` with its commands as they work for this user in the current folder."""
    text = re.sub(r'\bsh setup/(\w+)\.sh', lambda found: _setup(found[1]), text)
    if not _script:
        return text
    return re.sub(r'\bpython -m (src(?:\.\w+)*)', lambda found: _subcommand(found[1], found[0]), text)


def _subcommand(module: str, otherwise: str) -> str:
    if module == 'src':
        return 'rootstock'
    return f'rootstock {_NAMES[module]}' if module in _NAMES else otherwise


def _setup(script: str) -> str:
    if paths.INSTALLED:
        return _SCRIPTS.get(script, f'sh setup/{script}.sh')
    return f'sh {shlex.quote(paths.shown(paths.CHECKOUT / "setup" / f"{script}.sh"))}'


def to_install(extra: str) -> str:
    """The command that installs the packages of an extra in pyproject.toml."""
    if not paths.INSTALLED:
        constraints = shlex.quote(paths.shown(paths.CHECKOUT / 'setup' / 'constraints.txt'))
        place = paths.shown(paths.CHECKOUT)
        return f'python -m pip install -c {constraints} -e {shlex.quote(f"{place}[{extra}]")}'
    import importlib.metadata  # takes hundredths of a second

    needed = re.compile(rf'(.*?);.*\bextra == ["\']{extra}["\']')
    found = map(needed.fullmatch, importlib.metadata.requires('rootstock') or ())
    return 'python -m pip install ' + ' '.join(shlex.quote(one[1].strip()) for one in found if one)
