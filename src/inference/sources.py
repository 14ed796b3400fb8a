"""Pictures by name: files, folders, globs, web addresses and standard input; and their classes in order.

This module does not import TensorFlow.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from src.common.errors import UserError
from src.common.progress import progress
from src.images.faults import BadImage
from src.images.files import read_picture
from src.images.find import find_pictures
from src.inference.runtimes.base import Predictor

STDIN = '-'
SOURCES = ('file', 'uri')


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


def read_source(source: str | None, path: str) -> bytes:
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
    predictor: Predictor, source: str | None, names: Sequence[str], bar: bool = True
) -> Iterator[tuple[str, np.ndarray | Exception]]:
    """(name, probabilities [classes] float32) for each picture in order, with the error in place of
    probabilities if it cannot be read.

    `source` is 'file', 'uri', or None for both: then web addresses are fetched and all other names are files.
    `bar`: whether a progress bar is shown for several pictures.
    """
    faults: dict[int, UserError] = {}

    def encoded() -> Iterator[bytes]:
        for place, name in enumerate(names):
            try:
                yield read_source(source, name)
            except UserError as error:
                faults[place] = error
                yield b''

    shown = progress(len(names), 'classifying', 'pictures') if bar and len(names) > 1 else None
    with shown or nullcontext():
        for place, answer in enumerate(predictor.from_pictures(encoded())):
            if shown:
                shown.update()
            yield names[place], faults.get(place, answer)


def missing_names(source: str | None, names: Sequence[str]) -> dict[str, str]:
    """The error for each name that `check_name` refuses."""
    faults = {}
    for name in names:
        try:
            check_name(source, name)
        except UserError as error:
            faults[name] = str(error)
    return faults
