"""CIFAR-10 to TFRecords of PNG pictures: 60,000 of 32 x 32 pixels in ten classes.

    sh setup/download_cifar10.sh
    python -m src.data_preparation.cifar10_to_tfrecords
    python -m src.data_preparation.cifar10_to_tfrecords --data cifar-10-binary.tar.gz --name small

--data is the official binary version, as an archive or unpacked (cifar-10-batches-bin/ with
data_batch_1.bin to data_batch_5.bin and test_batch.bin; https://www.cs.toronto.edu/~kriz/cifar.html). The
test batch becomes the test split; a hash of each other picture puts a tenth of them into the validation
split. Writes data/records/<name>/. Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from src.common import errors, files, paths
from src.common.errors import UserError
from src.common.locks import at_work
from src.data_preparation.conversion.command import added, converter_parser, run
from src.data_preparation.samples import LEARN, Sample
from src.downloads import archives

FOLDER = paths.CIFAR10_BATCHES_DIR.name  # in the archive
TRAIN = tuple(f'data_batch_{number}.bin' for number in range(1, 6))
TEST = 'test_batch.bin'
CLASSES_FILE = 'batches.meta.txt'
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE  # a label, then all red, all green and all blue values, row by row


@dataclass(frozen=True)
class Batch:
    """A batch file: `records` [N, 3073] uint8, memory-mapped."""

    path: Path
    records: np.ndarray

    def png(self, index: int) -> bytes:
        """Picture `index` (from 0) as a PNG file."""
        stream = io.BytesIO()
        pixels = self.records[index, 1:].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, 'PNG')
        return stream.getvalue()


@dataclass(frozen=True)
class Picture:
    """Picture `index` (from 0) of a batch, as the path of a `Sample`."""

    batch: Batch
    index: int

    def read_bytes(self) -> bytes:
        return self.batch.png(self.index)

    def __str__(self) -> str:
        return f'{paths.shown(self.batch.path)}, picture {self.index + 1:,}'


def cifar10_samples(folder: Path) -> list[Sample]:
    """All pictures of the batches in `folder`. Raises UserError when a batch is missing, has an incomplete
    record, or a label above 9."""
    classes = _classes(folder / CLASSES_FILE)
    return [sample for name in (*TRAIN, TEST) for sample in _of_batch(folder / name, classes)]


def _of_batch(path: Path, classes: list[str]) -> Iterator[Sample]:
    batch = open_batch(path, len(classes))
    split = 'test' if path.name == TEST else LEARN
    for index, label in enumerate(batch.records[:, 0]):
        yield Sample(f'{path.stem}/{index:05d}', Picture(batch, index), classes[label], split)


def open_batch(path: Path, classes: int) -> Batch:
    """A batch file with labels below `classes`. Raises UserError as `cifar10_samples` does."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f'there is no {paths.shown(path)}: run sh setup/download_cifar10.sh') from error
    if not size or size % RECORD:
        raise UserError(
            f'{paths.shown(path)} is cut short or not a CIFAR-10 batch: its {size:,} bytes are no multiple '
            f'of a record, {RECORD:,} bytes; unpack the archive again'
        )
    records = np.memmap(path, np.uint8, 'r').reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= classes)
    if len(wrong):
        raise UserError(
            f'{paths.shown(path)} is damaged or not a CIFAR-10 batch: picture {wrong[0] + 1:,} has the label '
            f'{records[wrong[0], 0]}, the highest is {classes - 1}; unpack the archive again'
        )
    return Batch(path, records)


def _classes(path: Path) -> list[str]:
    try:
        names = files.utf8_text(path, 'strict').split()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f'cannot read the class names in {paths.shown(path)}: run sh setup/download_cifar10.sh'
        ) from error
    if len(set(names)) != 10:
        raise UserError(
            f'{paths.shown(path)} names {len(set(names))} classes, not 10: unpack the archive again'
        )
    return names


def batches_in(data: Path) -> Path:
    """The folder of the batches: `data` itself or its folder `FOLDER`. The archive `data` is unpacked first,
    to a folder of its name beside it."""
    folder = data
    if data.is_file():
        folder = data.with_name(data.name + '.unpacked')
        if not _newer(folder / FOLDER / TEST, data):
            with at_work(folder, goes_on=False):
                archives.extract(data, folder)
    return folder / FOLDER if (folder / FOLDER).is_dir() else folder


def _newer(unpacked: Path, archive: Path) -> bool:
    """Compares ctime: unpacked files keep the mtime that they have in the archive."""
    return unpacked.exists() and unpacked.stat().st_ctime >= archive.stat().st_ctime


def main(argv: list[str] | None = None) -> None:
    made = converter_parser(
        'cifar10_to_tfrecords', __doc__, data='the binary version', metavar='DIR|TAR.GZ', backbone=False
    )
    args = made.parse_args(argv)
    if added(args):
        return
    run(args, cifar10_samples(batches_in(args.data)), split_by='test batch')


if __name__ == '__main__':
    errors.run(main)
