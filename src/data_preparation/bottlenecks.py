"""Photos to bottlenecks: decoded in threads while the graph works on the batch before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.data_preparation.samples import Planned
from src.graph.backbones import Backbone
from src.images.augment import COPIES
from src.images.decode import BadImage, crop, decode_with_pillow, encode_jpeg
from src.images.reader import ImageReader


class Extractor:
    """Encoded pictures to bottlenecks: the reader and the backbone, each in a session of its own."""

    def __init__(self, backbone: Backbone):
        self.reader = ImageReader(backbone.graph_def, backbone.front)
        with tf.Graph().as_default() as graph:
            bottleneck = backbone.attach()
        self._session = tf.Session(graph=graph)
        self.vectors = self._session.make_callable(bottleneck, [backbone.front.pixels])

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_) -> None:
        self.reader.close()
        self._session.close()


def encoded_as_learned(item: Planned, crop_to_box: bool) -> bytes:
    """The picture that the vector is made from: the file itself, or a JPEG of the crop or copy.

    Raises BadImage or OSError.
    """
    data = item.sample.path.read_bytes()
    box = item.sample.box if crop_to_box else None
    if box is None and not item.sample.copy:
        return data
    pixels = decode_with_pillow(data)
    if box is not None:
        pixels = crop(pixels, box)
    if item.sample.copy:
        pixels = COPIES[item.sample.copy](pixels)
    return encode_jpeg(pixels)


def extract(
    items: Iterable[Planned], extractor: Extractor, crop_to_box: bool = False
) -> Iterator[tuple[Planned, bytes, np.ndarray | BadImage]]:
    """Each item in order with its encoded picture and its bottleneck [width] float32, or the reason
    why there is none. Decoding runs in threads, a few batches ahead of the graph."""

    def load(item: Planned) -> tuple[Planned, bytes, np.ndarray | BadImage]:
        try:
            data = encoded_as_learned(item, crop_to_box)
            return item, data, extractor.reader.read(data)
        except BadImage as fault:
            return item, b'', fault
        except OSError as error:
            return item, b'', BadImage(f'cannot be read: {error.strerror}')

    for batch in _batches(_ahead(load, items), consts.EXTRACTION_BATCH_SIZE):
        good = [pixels for _, _, pixels in batch if not isinstance(pixels, BadImage)]
        vectors = iter(extractor.vectors(np.stack(good)) if good else ())
        for item, data, pixels in batch:
            yield item, data, pixels if isinstance(pixels, BadImage) else next(vectors)


def _ahead(function, items: Iterable, window: int = 3 * consts.EXTRACTION_BATCH_SIZE) -> Iterator:
    """map() in threads that stays at most `window` items ahead, so memory does not grow."""
    items = iter(items)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        waiting = [pool.submit(function, item) for item in islice(items, window)]
        waiting.reverse()
        try:
            while waiting:
                done = waiting.pop().result()
                for item in islice(items, 1):
                    waiting.insert(0, pool.submit(function, item))
                yield done
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch
