"""What `--name` and `--model` take: the name of a data set; the name of a model or the path of its frozen
file.

    resolve_model('flowers')            # Model('flowers', frozen/flowers.pb)
    resolve_model('frozen/flowers.pb')  # the same

checkpoints/NAME, frozen/NAME.pb, summary/NAME and metrics/NAME.json belong to the model NAME.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
from pathlib import Path
from typing import NamedTuple

from src.common import paths

LONGEST_NAME = 200  # file names take 255 bytes, and names get endings


class Model(NamedTuple):
    """A model by name, and its frozen file, or the folder of its versions (1.pb, 2.pb, ...); neither needs to
    exist."""

    name: str
    frozen: Path


def resolve_model(text: str) -> Model:
    """An argparse type: the model that a name or a path means. Nothing has to exist yet.

    A path is what has a folder in it, ends with .pb, or is a file; everything else is a name. Raises
    ArgumentTypeError for a name that cannot be part of file names.
    """
    path = Path(text)
    if text and (len(path.parts) > 1 or path.suffix == '.pb' or path.is_file() or set('/\\') & set(text)):
        return Model(path.name.removesuffix('.pb'), paths.located(path))
    return named_model(plain_name(text))


def resolve_trained(text: str) -> Model:
    """`resolve_model` for commands that train a model or work on its checkpoints.

    Raises ArgumentTypeError also for a frozen file that lies elsewhere than in frozen/, which has no
    checkpoints here.
    """
    model = resolve_model(text)
    if os.path.abspath(model.frozen) != os.path.abspath(frozen_of(model.name)):  # noqa: PTH100
        raise argparse.ArgumentTypeError(
            f'{text} is not in {paths.shown(paths.FROZEN_MODELS_DIR)}: give the name of a model, such as '
            f'{model.name}'
        )
    return Model(plain_name(model.name), model.frozen)


def named_model(name: str) -> Model:
    """The model of this name."""
    return Model(name, frozen_of(name))


def frozen_of(name: str) -> Path:
    """The frozen file of a model: in frozen/, else the one that ships with the project, else the folder of
    its versions; where there is none, the file in frozen/ that is to be written."""
    path = paths.located(paths.frozen(name))
    versions = path.with_suffix('')
    return versions if not path.exists() and newest_version(versions) else path


def newest_version(folder: Path) -> Path | None:
    """The file with the highest number in a folder of versions; None where there is none."""
    versions = [file for file in folder.glob('*.pb') if file.stem.isdecimal()]
    return max(versions, key=lambda file: int(file.stem), default=None)


def known_models() -> list[str]:
    """The names of all models that were trained or frozen here, and of those that ship, sorted."""
    frozen = [*paths.FROZEN_MODELS_DIR.glob('*.pb'), paths.POCKET_DOGS]
    versions = [folder for folder in paths.FROZEN_MODELS_DIR.glob('*/') if newest_version(folder)]
    trained = paths.CHECKPOINTS_DIR.glob('*/')
    return sorted({*(file.stem for file in frozen), *(folder.name for folder in (*versions, *trained))})


def similar(name: str) -> str:
    """The end of an error message: '; similar names: flowers, flowers_2', or '' where there are none."""
    near = difflib.get_close_matches(name, set(known_models()) - {name}, 3, 0.5)
    return f'; similar names: {", ".join(near)}' if near else ''


def plain_name(text: str) -> str:
    """An argparse type: a name that becomes part of file names, on every system and in patterns."""
    if fault := _fault_of_name(text):
        raise argparse.ArgumentTypeError(f'{text!r} {fault}')
    return text


def _fault_of_name(text: str) -> str:
    use = 'use letters, digits, - and _'
    if not text:
        return f'is empty: {use}'
    if '/' in text or '\\' in text:
        return 'is a path, and a name without folders is needed (ROOTSTOCK_HOME moves all folders)'
    if text[0] in '.-':
        return f'begins with {text[0]!r}: {use}'
    if text[-1] in '. ':
        return f'ends with {text[-1]!r}, which Windows drops: {use}'
    if odd := next((c for c in text if c in '[]*?:<>|"' or not c.isprintable()), ''):
        return f'holds {odd!r}, which file names and patterns do not take: {use}'
    if re.fullmatch(r'(con|prn|aux|nul|com\d|lpt\d)(\..*)?', text, re.IGNORECASE):
        return 'is a device on Windows: choose another name'
    if len(os.fsencode(text)) > LONGEST_NAME:
        return f'is longer than {LONGEST_NAME} bytes: choose a shorter name'
    return ''
