"""Run Keras in a process of its own: the program files_of_keras.py, and several requests to child.py at once,
as each process takes seconds to import TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from src.common import files, paths
from src.freezing.keras import child
from tests.pictures import encoded, photo

PICTURES = 32
MANY = (
    'import sys\nfrom src.freezing.keras import child\nfor folder in sys.argv[1:]:\n    child.main(folder)\n'
)


def pictures(side: int, number: int = PICTURES) -> np.ndarray:
    """[number, side, side, 3] uint8, all different."""
    return np.stack([photo(side, side, seed) for seed in range(number)])


def encoded_pictures(side: int, number: int = PICTURES) -> list[bytes]:
    """The same, encoded without loss: decoding and resizing to `side` leave them as they are."""
    return [encoded(picture, 'PNG') for picture in pictures(side, number)]


def files_of_keras(
    folder: Path, what: str, *names: str, sides: Iterable[int], number: int = PICTURES
) -> Path:
    """Run the program. Returns the folder with its files."""
    for side in sides:
        np.save(folder / f'{side}.npy', pictures(side, number))
    program = Path(__file__).with_name('files_of_keras.py')
    run([str(program), str(folder), what, *names])
    return folder


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess:
    """Run Python in a process of its own, which must succeed."""
    ended = subprocess.run(
        [sys.executable, *words],
        env=os.environ
        | {'PYTHONPATH': str(paths.CHECKOUT), 'KERAS_BACKEND': 'tensorflow', 'TF_CPP_MIN_LOG_LEVEL': '3'}
        | environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def answers(
    folder: Path, requests: dict[str, dict[str, Any]], before: str = '', **environment: str
) -> dict[str, dict]:
    """The replies of one process to several requests, by name; their files are in folder/NAME. `before` is
    code that runs first."""
    for name, request in requests.items():
        (folder / name).mkdir()
        files.write_json(folder / name / child.REQUEST, request)
    run(['-c', before + MANY, *(str(folder / name) for name in requests)], **environment)
    return {name: files.read_json(folder / name / child.REPLY) for name in requests}
