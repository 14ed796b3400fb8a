"""Names of data sets and models: what `--name` and `--model` take, and the names that are used without them.

    resolve_model('flowers')            # Model('flowers', frozen/flowers.pb)
    resolve_model('frozen/flowers.pb')  # the same
    model_for('flowers')                # 'flowers': the model of the data set `flowers`

checkpoints/NAME, frozen/NAME.pb, summary/NAME and metrics/NAME.json belong to the model NAME.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Collection
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from src.common import consts, paths
from src.common.errors import UserError

SUFFIXES = ('.pb', '.tflite')  # of frozen files: TensorFlow's and LiteRT's
LONGEST_NAME = 200  # bytes; file names take 255, and names get suffixes


class Model(NamedTuple):
    """The name of a model, and its frozen file or the folder of its versions (1.pb, 2.tflite, ...). Neither
    needs to exist."""

    name: str
    frozen: Path

    @property
    def file(self) -> Path | None:
        """The frozen file, of a folder its newest version; None if there is none."""
        path = newest_version(self.frozen) if self.frozen.is_dir() else self.frozen
        return path if path and path.exists() else None


def resolve_model(text: str) -> Model:
    """An argparse type: the model with this name or path. Nothing has to exist yet.

    Text with a folder in it or with one of SUFFIXES is a path, and so is an existing file whose name is not
    that of a frozen model. Everything else is a name. Raises ArgumentTypeError for a name that cannot be part
    of file names.
    """
    if is_path(text):
        return Model(_name_in(text), paths.located(text))
    return named_model(plain_name(text))


def resolve_trained(text: str) -> Model:
    """`resolve_model` for commands that train a model or work on its checkpoints.

    Raises ArgumentTypeError also for the path of a file outside of frozen/, as such a model has no
    checkpoints here.
    """
    if not _looks_like_path(text):
        return named_model(plain_name(text))
    model = resolve_model(text)
    folders = [paths.FROZEN_MODELS_DIR.resolve(), paths.POCKET_DOGS.parent.resolve()]
    if model.frozen.resolve().parent not in folders:
        raise argparse.ArgumentTypeError(
            f'{text} is not in {paths.shown(paths.FROZEN_MODELS_DIR)}: give the name of a model that was '
            f'trained here{similar(model.name)}'
        )
    return named_model(plain_name(model.name))


def is_path(text: str) -> bool:
    """Whether `resolve_model` takes this text as a path."""
    if _looks_like_path(text):
        return True
    return os.path.isfile(text) and not frozen_of(text).exists()  # noqa: PTH113 (never raises)


def _looks_like_path(text: str) -> bool:
    return bool(set('/\\') & set(text)) or Path(text).suffix in SUFFIXES


def _name_in(path: str) -> str:
    """The model's name in the path of a frozen file, with the separators of any system. A version, whose file
    name is a number, has the name of its folder."""
    whole = PureWindowsPath(path)
    own = whole.stem if whole.suffix in SUFFIXES else whole.name
    return (whole.parent.name if whole.stem.isdecimal() else '') or own


def named_model(name: str) -> Model:
    """The model of this name."""
    return Model(name, frozen_of(name))


def model_for(data_set: str | None = None, recipe: str | None = None) -> str:
    """The name of the model that commands use for a data set (default: the current one) without --model.

    It is the data set's own name, and CURRENT_MODEL_NAME for the current data set. Networks that learn from
    pixels are named after data set and recipe: cifar10_cnn_deep.
    """
    if recipe:
        return f'{data_set}_{recipe.rpartition("/")[2]}'
    return consts.CURRENT_MODEL_NAME if data_set in (None, consts.CURRENT_DATASET_NAME) else data_set


def tuned_model_for(data_set: str) -> str:
    """The name of the model that fine-tuning makes of a data set's model: flowers_fine_tuned."""
    return f'{model_for(data_set)}_fine_tuned'


def frozen_of(name: str) -> Path:
    """The frozen file of a model: in frozen/, or else the one that ships with Rootstock, or else the folder
    of its versions. If there is none, the file in frozen/ that `freeze` would write."""
    path = paths.located(paths.frozen(name))
    versions = path.with_suffix('')
    return versions if not path.exists() and newest_version(versions) else path


def newest_version(folder: Path) -> Path | None:
    """The frozen file with the highest number in a folder of versions; None if there is none. Of 2.pb and
    2.tflite it is 2.pb; inference/choice.py says when the other is used."""
    versions = [file for file in folder.glob('*') if file.suffix in SUFFIXES and file.stem.isdecimal()]
    return max(versions, key=lambda file: (int(file.stem), file.suffix == SUFFIXES[0]), default=None)


def known_models() -> list[str]:
    """The names of all models that were trained or frozen here and of those that ship, sorted."""
    frozen = [f for f in paths.FROZEN_MODELS_DIR.glob('*') if f.suffix == '.pb' or newest_version(f)]
    trained = [folder for folder in paths.CHECKPOINTS_DIR.glob('*') if folder.is_dir()]
    names = {path.name.removesuffix('.pb') for path in (*frozen, *trained, paths.POCKET_DOGS)}
    return sorted(name for name in names if not name.startswith('.'))


def similar(name: str, known: Collection[str] | None = None) -> str:
    """The end of an error message: '; similar names: flowers, flowers_2', or '' if there are none. `known`
    are the names to choose from (default: the models)."""
    import difflib  # only for messages

    near = difflib.get_close_matches(name, set(known_models() if known is None else known) - {name})
    return f'; similar names: {", ".join(near)}' if near else ''


def plain_name(text: str) -> str:
    """An argparse type: a name that can be part of file names and patterns on every system."""
    if fault := _fault_of_name(text):
        raise argparse.ArgumentTypeError(f'{text!r} {fault}')
    return text


def default_name(text: str, flag: str) -> str:
    """A name that was made from that of a file. Raises UserError when it cannot be part of file names, with
    the flag that gives another."""
    if fault := _fault_of_name(text):
        raise UserError(f'the default name {text!r} {fault.partition(":")[0]}: give another with {flag}')
    return text


def _fault_of_name(text: str) -> str:
    use = 'use letters, digits, - and _'
    if not text:
        return f'is empty: {use}'
    if '/' in text or '\\' in text:
        return 'is a path: give a name without folders (to work in another folder, set ROOTSTOCK_HOME)'
    if text[0] in '.-':
        return f'begins with {text[0]!r}: {use}'
    if text[-1] in '. ':
        return f'ends with {text[-1]!r}, which Windows drops: {use}'
    if odd := next((c for c in text if c in '[]*?:<>|"' or not c.isprintable()), ''):
        return f'holds {odd!r}, which file names or patterns cannot hold: {use}'
    if re.fullmatch(r'(con|prn|aux|nul|com\d|lpt\d)(\..*)?', text, re.IGNORECASE):
        return 'is a device on Windows: choose another name'
    if len(os.fsencode(text)) > LONGEST_NAME:
        return f'is longer than {LONGEST_NAME} bytes: choose a shorter name'
    return ''
