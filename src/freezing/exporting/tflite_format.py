"""The .tflite format, run by LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.graph.frozen import FrozenGraph
from src.graph.lite import interpreters, package
from src.graph.lite.convert import PRECISIONS as PRECISIONS
from src.graph.lite.parts import lite_model

SUFFIX = package.SUFFIX
EXTRA, PACKAGES = interpreters.EXTRA, [interpreters.PACKAGE]


def converted(model: FrozenGraph, path: Path, precision: str, calibration: Sequence[np.ndarray]) -> bytes:
    """The network of a frozen classifier. `path` is the classifier's, for messages."""
    return lite_model(model, path, precision, calibration)


def write(path: Path, network: bytes, labels: Sequence[str], info: dict[str, Any]) -> None:
    package.write_part(path, network, labels, info)


def opened(path: Path) -> interpreters.Interpreters:
    return interpreters.Interpreters(path)
