"""Labels of versions, such as `stable` and `canary`: clients name the label, and you say which version it is.

They stand in the file `version_labels.json` in a folder of versions, {"stable": 1, "canary": 2}, as in the
`version_labels` of TensorFlow Serving's configuration. Each version with a label is served besides the
newest one. The file is watched: to move a label, replace it. The file of a version that has a label is not.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.common.names import SUFFIXES
from src.inference.versions import Found, Source, stamp_of

NAME = 'version_labels.json'
LABEL = re.compile(r'[\w.-]{1,80}')  # as in addresses
HIGHEST = 10**18


def stamp(folder: Path) -> tuple:
    """Values that change when the file is replaced, or another file is added to the folder."""
    with suppress(OSError):
        return stamp_of(folder), stamp_of(folder / NAME)
    return ()


def read_labels(folder: Path) -> dict[str, int]:
    """The version of each label; none without the file. Raises UserError for a file of another form."""
    file = folder / NAME
    if not file.exists():
        return {}
    labels = files.read_json(file)
    good = isinstance(labels, dict) and all(
        LABEL.fullmatch(label) and type(version) is int and 0 <= version < HIGHEST
        for label, version in labels.items()
    )
    if not good:
        raise UserError(
            f'{paths.shown(file)} is not of the form {{"stable": 1, "canary": 2}}: labels of letters, digits '
            'and ._- with the number of a version'
        )
    return labels


def find_version(source: Source, version: int) -> Found:
    """The file of a version in a folder of versions. Raises UserError if there is none."""
    for suffix in SUFFIXES:
        for file in sorted(source.path.glob(f'*{suffix}')):
            if file.stem.isdecimal() and int(file.stem) == version:
                found = Source(file, source.beside).look()
                if found:
                    return replace(found, version=version)
    raise UserError(f'{paths.shown(source.path / NAME)} names version {version}, which is not there')
