"""Run a .tflite model with LiteRT. TensorFlow is not imported.

The pixels come from `images.pillow_reader`, which needs the preprocessing in the file's `model_info`. Several
pictures are spread over the cores, each with an interpreter of its own.

LiteRT computes no gradients. Those for Grad-CAM are of the frozen graph that the model was made from, if it
is beside the file. TensorFlow loads it at the first use.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np

from src.common import files, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.package import PREPROCESSING, Package, read_package
from src.images.faults import BadImage, or_fault
from src.images.pillow_reader import PillowReader, usual_preprocessing
from src.inference.runtimes.base import BATCH, Predictor

CORES = os.cpu_count() or 1
NOT_FINITE = 'values that are not finite'
CHUNK = 4  # pictures that a thread takes at once
Item = TypeVar('Item')
Result = TypeVar('Result')


class LiteRTPredictor(Predictor):
    """A .tflite classifier in interpreters of LiteRT.

    pixel_range: of the pixels that a model takes whose file does not hold its preprocessing. Pictures are
        then resized by `tf.image.resize` with antialiasing, as for frozen graphs that take pixels.

    Raises UserError for a model that LiteRT does not run, without labels, or with a preprocessing that is
    unknown or of another size.
    """

    views, batch = 1, BATCH
    gains_by_batches = takes_bottlenecks = False

    def __init__(self, package: Package, pixel_range: tuple[float, float] | None = None):
        self.labels, self.info, self._package = package.labels, package.info, package
        self._graph: Predictor | None = None
        self._loading = threading.Lock()
        self._network = Interpreters(package.path)
        self._threads = ThreadPoolExecutor(CORES)  # which starts none before it is used
        self.reader = _reader(package, self._network.shape, pixel_range)
        _check_labels(package, self._network)

    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        parts = np.array_split(pixels, min(len(pixels), CORES)) if len(pixels) else []
        rows = np.concatenate([np.empty((0, self._network.width), np.float32), *self._spread(parts)])
        if not np.isfinite(rows).all():
            raise UserError(f'{paths.shown(self._package.path)} gives {NOT_FINITE}')
        return rows

    def from_pictures(self, pictures: Iterable[bytes]) -> Iterator[np.ndarray | BadImage]:
        """One picture is run in the caller's thread, several in chunks, as handing over each takes time."""
        pictures = iter(pictures)
        first = list(islice(pictures, CHUNK))
        if len(first) < 2:
            yield from self._from_some(first)
            return
        chunks = chain([first], iter(lambda: list(islice(pictures, CHUNK)), []))
        for answers in ahead(self._from_some, chunks, self.batch // CHUNK - 1, CORES):
            yield from answers

    def from_mixed(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        parts = [rows[begin::CORES] for begin in range(min(len(rows), CORES))]
        answers: list[np.ndarray | BadImage] = [None] * len(rows)
        for begin, part in enumerate(self._spread(parts, self._from_some)):
            answers[begin::CORES] = part
        return answers

    def from_bottlenecks(self, bottlenecks: np.ndarray) -> NoReturn:
        path, beside = paths.shown(self._package.path), paths.shown(self._graph_file)
        raise UserError(f'{path} takes pixels, not bottlenecks: use {beside}')

    @property
    def has_gradients(self) -> bool:
        """Whether the frozen graph that the model was made from is beside it, and has gradients as far as is
        known: before `grad_cam` is used it is not loaded."""
        return self._graph.has_gradients if self._graph else self._graph_is_beside()

    def grad_cam(self, pixels: np.ndarray, class_index: int) -> np.ndarray:
        with self._loading:
            self._graph = self._graph or self._loaded_graph()
        return self._graph.grad_cam(pixels, class_index)

    def close(self) -> None:
        self._threads.shutdown()
        self._network.close()
        if self._graph:
            self._graph.close()

    @property
    def _graph_file(self) -> Path:
        return self._package.path.with_suffix('.pb')

    def _graph_is_beside(self) -> bool:
        return self._graph_file.is_file() and self._package.made_from(files.sha256(self._graph_file))

    def _loaded_graph(self) -> Predictor:
        if not self._graph_is_beside():
            path, beside = paths.shown(self._package.path), paths.shown(self._graph_file)
            raise UserError(
                f'{path} has no gradients, which Grad-CAM needs: put the frozen graph that it was made from '
                f'beside it, as {beside}'
            )
        from src.inference.runtimes import tensorflow

        return tensorflow.load(self._graph_file)

    def _spread(
        self, parts: Sequence[Item], function: Callable[[Item], Result] | None = None
    ) -> Iterable[Result]:
        """The results of a function (of the network itself) for some parts, in order, each in a thread."""
        return (map if len(parts) < 2 else self._threads.map)(function or self._network.run, parts)

    def _from_one(self, picture: bytes | np.ndarray) -> np.ndarray | BadImage:
        pixels = or_fault(self.reader.read, picture) if isinstance(picture, bytes) else picture
        if isinstance(pixels, BadImage):
            return pixels
        values = self._network.run(pixels[None])[0]
        return values if np.isfinite(values).all() else BadImage(f'the model gives {NOT_FINITE}')

    def _from_some(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        return [self._from_one(row) for row in rows]


def load(path: Path, views: int = 1, pixel_range: tuple[float, float] | None = None) -> LiteRTPredictor:
    """Load a .tflite classifier. Raises UserError as `LiteRTPredictor` does, and for several views."""
    if views > 1:
        graph = paths.shown(path.with_suffix('.pb'))
        raise UserError(f'--views {views} is for frozen graphs: leave it out, or use {graph}')
    return LiteRTPredictor(read_package(path), pixel_range)


def _reader(
    package: Package, shape: tuple[int, int, int], pixel_range: tuple[float, float] | None
) -> PillowReader:
    """The reader of the preprocessing in the file, or else of the usual one for pixels of this range, for a
    model that takes pixels of this shape."""
    facts, path = package.info.get(PREPROCESSING), paths.shown(package.path)
    if facts and pixel_range:
        raise UserError(f'{path} holds its own preprocessing: leave --pixel-range out')
    if not facts and not pixel_range:
        raise UserError(
            f'{path} does not say which pixels it takes: give `classify` the range that the maker of the '
            'model names, such as --pixel-range 0,1 or --pixel-range=-1,1'
        )
    try:
        reader = PillowReader(facts or usual_preprocessing(*shape[:2], pixel_range))
    except ValueError as error:
        raise UserError(f'{path} holds a preprocessing that is not known here: {error}') from error
    if reader.shape != shape:
        raise UserError(f'{path} is damaged: its model takes pixels {shape}, not {reader.shape}')
    return reader


def _check_labels(package: Package, network: Interpreters) -> None:
    """Raise UserError unless there is a label for each class."""
    path = paths.shown(package.path)
    if not package.labels:
        beside = paths.shown(package.path.with_suffix('.txt'))
        raise UserError(f'{path} contains no labels: put {beside} beside it, one class a line')
    if len(package.labels) != network.width:
        raise UserError(f'{path} has {network.width} classes but {len(package.labels)} labels')
