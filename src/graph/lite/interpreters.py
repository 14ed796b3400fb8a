"""LiteRT: interpreters of one .tflite model, used by many threads. TensorFlow is not imported.

    network = Interpreters(Path('frozen/pocket_dogs.tflite'))
    probabilities = network.run(pixels)          # [N, height, width, 3] to [N, classes], float32

An interpreter runs one picture at a time on one thread: as many as there are cores are faster than one with
as many threads. Each thread that calls `run` takes a free interpreter; they are made when they are needed.
"""

from __future__ import annotations

import importlib
import os
import threading
from pathlib import Path
from types import ModuleType

import numpy as np

from src.common import errors, paths
from src.common.errors import UserError, first_line
from src.graph.lite.package import read_model
from src.graph.lite.trial import may_end, require_running

EXTRA, PACKAGE = 'lite', 'ai_edge_litert'
CORES = os.cpu_count() or 1


def installed() -> bool:
    """Whether LiteRT is installed. Does not import it."""
    return not errors.missing_packages(PACKAGE)


def import_litert() -> type:
    """Import LiteRT, which takes hundredths of a second. Returns its class `Interpreter`. Raises UserError if
    it is installed and cannot be imported, as on a system that is too old for it."""
    return import_module('interpreter').Interpreter


def import_module(name: str) -> ModuleType:
    """Import a module of LiteRT's package. Raises UserError as `import_litert` does."""
    try:
        return importlib.import_module(f'{PACKAGE}.{name}')
    except ImportError as error:
        raise UserError(f'LiteRT ({PACKAGE}) cannot be loaded here: {first_line(error)}') from error


class Interpreters:
    """A pool of at most `most` interpreters. The methods are thread-safe.

    `shape` is that of the pixels of one picture, and `width` the number of values for each.

    Raises UserError when LiteRT is missing, for a damaged file (`package.read_model`, `trial`), and for one
    that LiteRT does not accept or whose model is not one from pixels [1, height, width, 3] float32 to
    [1, width] float32.
    """

    def __init__(self, model: Path, most: int = CORES):
        errors.require_packages(EXTRA, PACKAGE)
        self._path = Path(model)
        self._model, known = read_model(self._path)  # once for all interpreters
        if not known and not may_end():
            require_running(self._path)
        self._free: list = []
        self._places = threading.Semaphore(most)
        first = self._new()
        self.shape, self.width = _checked(first, self._path)
        self._input = first.get_input_details()[0]['index']
        self._output = first.get_output_details()[0]['index']
        self._free.append(first)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The values [N, width] float32 of pixels [N, height, width, 3] float32, one by one. Raises UserError
        when LiteRT cannot run the model."""
        rows = np.empty((len(pixels), self.width), np.float32)
        with self._places:
            interpreter = self._taken()
            for row, picture in zip(rows, pixels, strict=True):
                interpreter.set_tensor(self._input, picture[None])
                self._invoke(interpreter)
                row[:] = interpreter.get_tensor(self._output).ravel()
            self._free.append(interpreter)  # appending to a list is atomic
        return rows

    def close(self) -> None:
        self._free.clear()

    def _invoke(self, interpreter) -> None:
        try:
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:  # the interpreter is not used again
            raise UserError(f'LiteRT cannot run {paths.shown(self._path)}: {first_line(error)}') from error

    def _taken(self):
        try:
            return self._free.pop()
        except IndexError:
            return self._new()

    def _new(self):
        try:
            interpreter = import_litert()(model_content=self._model, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f'LiteRT does not accept {paths.shown(self._path)}: {first_line(error)}'
            ) from error
        return interpreter


def _checked(interpreter, path: Path) -> tuple[tuple[int, int, int], int]:
    """The shape of the pixels of one picture, and the number of values."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f'{paths.shown(path)} has {len(inputs)} inputs and {len(outputs)} outputs: a model from one '
            'picture to its probabilities is needed'
        )
    (given,), (taken,) = inputs, outputs
    for kind, one in (('input', given), ('output', taken)):
        if one['dtype'] != np.float32:
            raise UserError(
                f'the {kind} of {paths.shown(path)} is {one["dtype"].__name__}: convert it with float32 '
                'input and output'
            )
    shape, values = _shape(given), _shape(taken)
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or values[:1] != [1] or -1 in shape + values:
        raise UserError(
            f'{paths.shown(path)} is a model from {shape} to {values}: one from [1, height, width, 3] to '
            '[1, classes] is needed'
        )
    return tuple(shape[1:]), int(np.prod(values))


def _shape(details: dict) -> list[int]:
    """The shape of a tensor; -1 for a side that is not fixed, except for the number of pictures."""
    first, signature = details['shape'].tolist(), details['shape_signature'].tolist()
    return first[:1] + signature[1:] if len(signature) == len(first) else first
