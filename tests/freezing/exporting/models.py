"""Small frozen models of all kinds, trained on drawn photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common import paths
from src.data_preparation import image_folder_to_tfrecords as converter
from src.freezing import export, freeze
from src.graph.lite.package import Package, read_package
from src.inference.predictor import load_model
from src.records.dataset import open_records, pictures
from src.training import train, train_images
from tests.pictures import encoded, photo

CLASSES = ('bär', 'zebra')
KINDS = ('plain', 'mirrored', 'joined', 'sigmoid', 'pixels')
HEAD = ['--layers', '0,4,2', '--steps', '30', '--learning-rate', '0.02', '--mixup', '0']


def write_photos(folder: Path, number: int = 20) -> Path:
    """So many JPEG photos of each class, which differ in brightness."""
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for n in range(number):
            picture = photo(120, 100, seed=n) // (1 + place)
            (folder / name / f'{n}.jpg').write_bytes(encoded(picture, 'JPEG'))
    return folder


def frozen_model(kind: str, photos: Path, backbones: list[Path]) -> str:
    """Convert, train and freeze a model of one of KINDS, which is also its name. Returns this name."""
    used = backbones if kind == 'joined' else backbones[:1]
    words = ['--no-backbone'] if kind == 'pixels' else ['--backbone', *map(str, used)]
    converter.main([str(photos), '--name', kind, '--precision', 'float32', *words])
    if kind == 'pixels':
        small = ['--side', '32', '--batch-size', '16', '--epochs', '2', '--precision', 'float32']
        train_images.main(['--recipe', 'cifar10/cnn_simple', '--name', kind, '--model', kind, *small])
    else:
        layers = ['--layers', '0,1'] if kind == 'sigmoid' else []
        mirror = ['--mirror'] if kind == 'mirrored' else []
        train.main(['--name', kind, '--model', kind, *HEAD, *layers, *mirror])
    freeze.main(['--name', kind, '--model', kind])
    assert paths.frozen(kind).is_file()
    return kind


def pixels_of(name: str) -> np.ndarray:
    """Pixels of all test photos of a data set, as the model of the same name reads them."""
    reader = load_model(paths.frozen(name)).reader
    records = open_records(name)
    found = [reader.read(data) for split in records.counts for _, data in pictures(records, split)]
    return np.stack(found[:12])


def exported(*words: str, model: str) -> tuple[Path, Package]:
    """Export a frozen model as .tflite. Returns the file and what it says of itself."""
    export.main(['--model', model, *words])
    path = paths.frozen(model).with_suffix('.tflite')
    return path, read_package(path)
