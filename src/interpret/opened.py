"""What the commands of this package work on: a frozen network, and a picture for it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeVar

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.names import Model, resolve_model
from src.graph.checks.accepted import faults_named
from src.graph.frozen import FrozenGraph, load_network
from src.graph.joined.facts import members
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage
from src.images.files import read_picture
from src.images.reader import ImageReader
from src.records.age import remark_on_age
from src.records.next_commands import frozen_model

Seen = TypeVar('Seen')
MODEL_HELP = 'name of a model, or path of a frozen graph: a classifier, or a backbone'


@dataclass(frozen=True)
class Picture:
    """A picture: its name, itself [h, w, 3] uint8, upright, and its pixels [height, width, 3] float32 for a
    network."""

    name: str
    upright: np.ndarray
    pixels: np.ndarray

    @property
    def one_color(self) -> bool:
        """Whether the network sees a single color."""
        return float(np.ptp(self.pixels, axis=(0, 1)).max()) < 1e-3


@dataclass(frozen=True)
class Opened:
    """A frozen network, its name, the reader of its pictures, and the values of its pixels for black and for
    white."""

    name: str
    model: FrozenGraph
    reader: ImageReader
    black: float
    white: float

    def read(self, path: Path) -> Picture:
        """Raises UserError for a file that is no picture."""
        try:
            data = read_picture(path)
            return Picture(path.name, decode_with_pillow(data), self.reader.read(data))
        except BadImage as fault:
            raise UserError(f'{paths.shown(path)}: {fault}') from fault
        except OSError as error:
            raise UserError(f'{paths.shown(path)}: {error.strerror or error}') from error

    def shown(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels of the network, [..., 3], as uint8."""
        return np.uint8(np.clip(255 * (pixels - self.black) / (self.white - self.black), 0, 255).round())


def open_network(model: Model) -> Opened:
    """Raises UserError when the model is missing, is no frozen network, or has several backbones."""
    frozen = frozen_model(model)
    remark_on_age(frozen)
    network = load_network(frozen)
    if several := members(network.info.get('backbone'))[1:]:
        raise UserError(
            f'{paths.shown(frozen)} joins {len(several) + 1} backbones: look at one of them, by the path of '
            'its own .pb file'
        )
    reader = ImageReader(network.graph_def, network.preprocessing)
    try:
        black, white = (
            float(reader.resize(np.full((8, 8, 3), value, np.uint8)).mean()) for value in (0, 255)
        )
    except BadImage as fault:
        raise UserError(
            f'{paths.shown(frozen)} does not run on a picture of 8 x 8 pixels: {fault}'
        ) from fault
    return Opened(model.name, network, reader, black, white)


def names_faults(look: Callable[..., Seen]) -> Callable[..., Seen]:
    """Decorator of functions whose first argument is an Opened: what TensorFlow says when its network does
    not run is raised as a UserError."""

    @wraps(look)
    def looking(opened: Opened, *args, **options) -> Seen:
        with faults_named(opened.model.path):
            return look(opened, *args, **options)

    return looking


def add_model(made: argparse.ArgumentParser) -> None:
    made.add_argument('model', type=resolve_model, metavar='MODEL', help=MODEL_HELP)


def add_out(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        '--out', type=Path, metavar='DIR', help='folder to write to (default: metrics/<model>/interpret/)'
    )


def folder_of(args: argparse.Namespace) -> Path:
    """The folder to write to. Raises UserError if it is a file."""
    folder = args.out or paths.interpret(args.model.name)
    if folder.exists() and not folder.is_dir():
        raise UserError(f'{paths.shown(folder)} is a file: choose another folder with --out')
    return folder
