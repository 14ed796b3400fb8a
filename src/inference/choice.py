"""Which file of a model a command runs: its frozen graph, or the .tflite file that was made from that.

A model that is named, and the one that is used without --model, has its frozen graph NAME.pb and perhaps
NAME.tflite beside it. The latter is taken if it was made from that very graph (by SHA-256) and LiteRT is
installed. A file that is given by its path is taken as it is. TensorFlow is not imported.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from src.common import files, paths
from src.common.errors import UserError
from src.common.names import Model, is_path, resolve_model
from src.common.progress import remark
from src.graph.lite.interpreters import installed
from src.graph.lite.package import SUFFIX, Package, read_package


class Wanted(NamedTuple):
    """A model that --model asks for, and whether by the path of a file."""

    model: Model
    by_path: bool

    @property
    def file(self) -> Path:
        """Its frozen graph, or the file of the path; of a model that is named and has no frozen graph, its
        .tflite file. Raises UserError when there is none."""
        alone = self.model.frozen.with_suffix(SUFFIX)
        if path := self.model.file or (not self.by_path and alone.is_file() and alone):
            return path
        from src.records.next_commands import frozen_model  # imports the recipes

        return frozen_model(self.model)


def wanted_model(text: str) -> Wanted:
    """An argparse type: `names.resolve_model`, and whether the text is a path."""
    return Wanted(resolve_model(text), is_path(text))


def lightest(graph: Path) -> Path:
    """The .tflite file beside a frozen graph if it was made from it and LiteRT is installed, else the graph.

    Prints a line, once in a process, if there is such a file that was made from another graph or cannot be
    used.
    """
    lite = graph.with_suffix(SUFFIX)
    if graph.suffix == SUFFIX or not lite.is_file() or not installed():
        return graph
    fault = _fault(graph, lite, *(file.stat().st_mtime_ns for file in (graph, lite)))
    return graph if fault else lite


@lru_cache
def _fault(graph: Path, lite: Path, *_changed: int) -> str:
    """Why a .tflite file is not used for the frozen graph beside it; '' if it is."""
    try:
        with ThreadPoolExecutor(1) as pool:
            digest = pool.submit(files.sha256, graph)
            package = read_package(lite)
            _try(package)
            same = package.made_from(digest.result())
        fault = '' if same else f'{paths.shown(lite)} was made from another {graph.name}'
    except UserError as error:
        fault = str(error)
    if fault:
        remark(f'{fault}: {paths.shown(graph)} is used instead')
    return fault


def _try(package: Package) -> None:
    """Load a .tflite file as it is loaded later, and close it. It takes milliseconds, in which the graph is
    hashed. Raises UserError as `LiteRTPredictor` does."""
    from src.inference.runtimes.litert import LiteRTPredictor

    LiteRTPredictor(package).close()
