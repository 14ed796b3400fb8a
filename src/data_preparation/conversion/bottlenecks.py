"""Photos to bottlenecks. Three things go on at once: threads read and decode, the graph works on the
batches before, and the caller writes what has come out of them."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.data_preparation.samples import Planned, bytes_of
from src.graph.backbones import Backbone
from src.graph.precision import session_config
from src.images.copies import COPIES
from src.images.decode import crop, decode_with_pillow, encode_jpeg
from src.images.faults import BadImage
from src.images.headers import read_header
from src.images.reader import ImageReader

CORES = os.cpu_count() or 1
# Several batches at once, each on few cores, waste less than one batch on all of them: where cores share
# the work of one step, all wait for the slowest. Each batch needs memory, so there are not too many.
BATCHES_AT_ONCE = min(CORES, 8)


class Extractor:
    """Encoded pictures to bottlenecks: the reader and the backbone, each in a session of its own.

    `precision` is what the backbone computes in, 'float32' or 'bfloat16'; bottlenecks are float32.
    """

    def __init__(self, backbone: Backbone, precision: str = 'float32'):
        self.reader = ImageReader(backbone.graph_def, backbone.preprocessing)
        with tf.Graph().as_default() as graph:
            bottleneck = backbone.attach()
        config = session_config(precision)
        config.use_per_session_threads = True
        config.intra_op_parallelism_threads = max(1, CORES // BATCHES_AT_ONCE)
        config.inter_op_parallelism_threads = BATCHES_AT_ONCE
        self._session = tf.Session(graph=graph, config=config)
        self.vectors = self._session.make_callable(bottleneck, [backbone.preprocessing.pixels])

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_) -> None:
        self.reader.close()
        self._session.close()


def encoded_as_learned(item: Planned, crop_to_box: bool) -> bytes:
    """The picture that the vector is made from: the file itself, or a JPEG of the crop or copy.

    Raises OSError, and BadImage also for a file that is no longer the one that was hashed.
    """
    data = bytes_of(item.sample)
    if hashlib.sha256(data).hexdigest() != item.digest:  # its split was settled by the other bytes
        raise BadImage('changed during the conversion: convert again with --overwrite')
    box = item.sample.box if crop_to_box else None
    if box is None and not item.sample.copy:
        return data
    ratio = read_header(data).least_ratio
    pixels = decode_with_pillow(data, ratio)
    if box is not None:
        pixels = crop(pixels, tuple(side // ratio for side in box))
    if item.sample.copy:
        pixels = COPIES[item.sample.copy](pixels)
    return encode_jpeg(pixels)


# A photo, its encoded picture, and its pixels or its bottleneck, or the reason why there is none.
Loaded = tuple[Planned, bytes, np.ndarray | BadImage | None]


def extract(items: Iterable[Planned], extractor: Extractor, crop_to_box: bool = False) -> Iterator[Loaded]:
    """Each item in order with its encoded picture and its bottleneck [width] float32, or the reason
    why there is none. Stays a few batches ahead of the caller, so memory does not grow."""

    def load(item: Planned) -> Loaded:
        try:
            data = encoded_as_learned(item, crop_to_box)
            return item, data, extractor.reader.read(data)
        except BadImage as fault:
            return item, b'', fault
        except OSError as error:
            return item, b'', BadImage(f'cannot be read: {error.strerror}')

    def compute(batch: list[Loaded]) -> list[Loaded]:
        good = [pixels for _, _, pixels in batch if not isinstance(pixels, BadImage)]
        vectors = iter(extractor.vectors(np.stack(good)) if good else ())
        return [
            (item, data, pixels if isinstance(pixels, BadImage) else _finite(next(vectors)))
            for item, data, pixels in batch
        ]

    size = consts.EXTRACTION_BATCH_SIZE
    loaded = _ahead(load, items, window=2 * BATCHES_AT_ONCE * size, threads=CORES)
    for batch in _ahead(compute, _batches(loaded, size), BATCHES_AT_ONCE + 1, BATCHES_AT_ONCE):
        yield from batch


def _finite(vector: np.ndarray) -> np.ndarray | BadImage:
    """A bottleneck, or the fault of one that training could not use: inf or NaN, from an overflow."""
    if np.isfinite(vector).all():
        return vector
    return BadImage('its bottleneck is not finite: the backbone overflows on it')


def checked(items: Iterable[Planned], crop_to_box: bool = False) -> Iterator[Loaded]:
    """The same without a backbone: None in the place of the bottleneck, once the picture was decoded."""

    def load(item: Planned) -> Loaded:
        try:
            data = encoded_as_learned(item, crop_to_box)
            decode_with_pillow(data)
            return item, data, None
        except BadImage as fault:
            return item, b'', fault
        except OSError as error:
            return item, b'', BadImage(f'cannot be read: {error.strerror}')

    yield from _ahead(load, items, window=64 * CORES, threads=CORES)


def _ahead(function: Callable, items: Iterable, window: int, threads: int) -> Iterator:
    """map() in threads that is at most `window` items ahead of its reader."""
    items = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future] = deque()
        try:
            while True:
                waiting.extend(pool.submit(function, item) for item in islice(items, window - len(waiting)))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch
