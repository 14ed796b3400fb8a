"""Run Keras in processes of its own: the program files_of_keras.py, and several requests to child.py at once.
They are forks of a process that has imported Keras, where there are forks, as an import takes seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from src.common import files
from src.freezing.keras import child
from tests.forks import Forks
from tests.pictures import encoded, photo

PICTURES = 8
ENVIRONMENT = {'KERAS_BACKEND': 'tensorflow', 'TF_CPP_MIN_LOG_LEVEL': '3'}
IMPORTS = f'os.environ |= {ENVIRONMENT}\nimport keras'
# Keras reads the environment variable when it is imported.
HOME = """
import os
from keras.src.backend import config
config._KERAS_DIR = os.environ.get('KERAS_HOME', config._KERAS_DIR)
"""
MANY = (
    'import sys\nfrom src.freezing.keras import child\nfor folder in sys.argv[1:]:\n    child.main(folder)\n'
)


def pictures(side: int, number: int = PICTURES) -> np.ndarray:
    """[number, side, side, 3] uint8, all different."""
    return np.stack([photo(side, side, seed) for seed in range(number)])


def encoded_pictures(side: int, number: int = PICTURES) -> list[bytes]:
    """The same, encoded without loss: decoding and resizing to `side` leave them as they are."""
    return [encoded(picture, 'PNG') for picture in pictures(side, number)]


class Keras:
    """Runs programs with Keras, one at a time."""

    def __init__(self):
        self._forks = Forks(IMPORTS)

    def files(
        self, folder: Path, what: str, *names: str, sides: Iterable[int], number: int = PICTURES
    ) -> Path:
        """Run files_of_keras.py. Returns the folder with its files."""
        for side in sides:
            np.save(folder / f'{side}.npy', pictures(side, number))
        program = Path(__file__).with_name('files_of_keras.py').read_text(encoding='utf-8')
        self.run(program, str(folder), what, *names)
        return folder

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        """Run a Python program, which must succeed. Returns what it prints."""
        ended = self._forks.start(program, *arguments, **ENVIRONMENT | environment)
        out, err = ended.communicate()
        assert ended.returncode == 0, err
        return out

    def answers(
        self, folder: Path, requests: dict[str, dict[str, Any]], before: str = '', **environment: str
    ) -> dict[str, dict]:
        """The replies of one process to several requests, by name; their files are in folder/NAME. `before`
        is code that runs first."""
        for name, request in requests.items():
            (folder / name).mkdir()
            files.write_json(folder / name / child.REQUEST, request)
        self.run(HOME + before + MANY, *(str(folder / name) for name in requests), **environment)
        return {name: files.read_json(folder / name / child.REPLY) for name in requests}

    def close(self) -> None:
        self._forks.close()
