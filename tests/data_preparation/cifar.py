"""CIFAR-10 in miniature, in the official layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.data_preparation.cifar10_to_tfrecords import CLASSES_FILE, TEST, TRAIN

CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']


def write_cifar(folder: Path, train: int = 200, test: int = 60) -> Path:
    """The folder with its five batches and the test batch."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(TRAIN):
        (folder / name).write_bytes(_encoded(train // 5, number))
    (folder / TEST).write_bytes(_encoded(test, 99))
    (folder / CLASSES_FILE).write_text('\n'.join(CLASSES) + '\n')
    return folder


def _encoded(number: int, seed: int) -> bytes:
    """Pictures in which each class has its own color, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % 10
    colors = np.random.default_rng(0).integers(40, 216, (10, 3))
    pixels = colors[labels][:, :, None] + rng.normal(0, 30, (number, 3, 1024))
    flat = np.concatenate([labels[:, None], pixels.clip(0, 255).reshape(number, -1)], axis=1)
    return flat.astype(np.uint8).tobytes()
