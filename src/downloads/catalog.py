"""What can be downloaded: data sets and backbones, the addresses of their archives, sizes and checksums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common import paths
from src.downloads.http import web_address

STANFORD = 'http://vision.stanford.edu/aditya86/ImageNetDogs/'
INCEPTION = 'https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/'


@dataclass(frozen=True)
class RemoteFile:
    """An archive on a server. Without a known checksum, that of the first download is stored and compared."""

    url: str
    size: int
    sha256: str | None = None
    extract_to: str = '.'  # relative to the download's folder

    @property
    def name(self) -> str:
        return self.url.rpartition('/')[2]

    def address(self, mirror: str | None) -> str:
        """The URL to download from. Raises UserError if it is not a web address."""
        return web_address(f'{mirror.rstrip("/")}/{self.name}' if mirror else self.url)


@dataclass(frozen=True)
class Download:
    """A data set or a backbone: its archives and the folder to unpack them into."""

    name: str
    folder: Path
    files: tuple[RemoteFile, ...]
    terms: str
    next_command: str  # with {folder}, and {data} for --data FOLDER if it is not the default


DOWNLOADS = {
    made.name: made
    for made in (
        Download(
            'stanford_dogs',
            paths.STANFORD_DS_DIR,
            (
                RemoteFile(
                    STANFORD + 'images.tar',
                    793_579_520,
                    'a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58',
                ),
                RemoteFile(
                    STANFORD + 'annotation.tar',
                    21_852_160,
                    '662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd',
                ),
                RemoteFile(
                    STANFORD + 'lists.tar',
                    481_280,
                    '34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c',
                    'lists',
                ),
            ),
            'Stanford Dogs: images from ImageNet, for non-commercial research and education; '
            'cite Khosla et al. 2011',
            'python -m src.data_preparation.stanford_ds_to_tfrecords{data}',
        ),
        Download(
            'cifar10',
            paths.CIFAR10_DIR,
            (
                RemoteFile(
                    'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
                    170_052_171,
                    'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
                ),
            ),
            'CIFAR-10: cite Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images',
            'python -m src.data_preparation.cifar10_to_tfrecords{data}',
        ),
        Download(
            'inception',
            paths.IMAGENET_GRAPH_DEF.parent,
            (RemoteFile(INCEPTION + 'inception-2015-12-05.tgz', 88_931_400),),
            'Inception (Google, 2015): Apache-2.0',
            f'python -m src.graph.backbones {{folder}}/{paths.IMAGENET_GRAPH_DEF.name}',
        ),
    )
}
