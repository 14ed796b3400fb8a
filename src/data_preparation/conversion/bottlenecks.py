"""Compute the bottlenecks of pictures.

Three steps run in parallel: threads read and decode pictures, the graph computes the bottlenecks of earlier
batches, and the caller writes those that are finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import numpy as np

from src.common import consts
from src.common.ahead import ahead
from src.common.process import memory
from src.common.tf1 import tf
from src.data_preparation.samples import Planned, bytes_of
from src.graph.backbones import Backbone
from src.graph.bottleneck_session import BATCHES_AT_ONCE, CORES, open_session
from src.graph.joined.facts import widths_of
from src.graph.joined.join import parts_for
from src.graph.lite.interpreters import Interpreters
from src.graph.preprocessing.pictures import mirrored, pictures_in
from src.images.copies import COPIES
from src.images.decode import charged, crop, decode_with_pillow, encode_jpeg
from src.images.faults import BadImage, map_good, without_traceback
from src.images.headers import read_header
from src.images.reader import ImageReader
from src.records.fields import MIRRORED

Item, Row = TypeVar('Item'), TypeVar('Row', bound=tuple)
PLAIN = ('',)  # the pictures as they are
BOTH = ('', MIRRORED)


class Extractor:
    """Computes bottlenecks: a reader for encoded pictures and the backbone, each in its own session.

    Joined backbones have a session each, and run one after the other. So their bottlenecks are what they are
    alone, in bfloat16 too, where TensorFlow chooses the ops to be rounded by looking at the whole graph.

    precision: that of the backbone in TensorFlow, 'float32' or 'bfloat16'. Bottlenecks are always float32.
    ends: of the names of fields: PLAIN, BOTH, or (MIRRORED,) for the mirrored pictures only.
    widths: those of the bottlenecks by field (`facts.widths_of`), if not those of the backbone itself.
    models: the int8 models of the backbones, if LiteRT computes (int8.py).
    """

    def __init__(
        self,
        backbone: Backbone,
        precision: str = 'float32',
        ends: Sequence[str] = PLAIN,
        widths: Mapping[str, int] | None = None,
        models: Sequence[Path] = (),
    ):
        memory.keep_freed()
        widths = widths or widths_of(backbone.facts())
        self._fields = [field + end for end in ends for field in widths]
        self._places = np.cumsum([width for _ in ends for width in widths.values()])[:-1]
        self._ends, self._preprocessing = ends, backbone.preprocessing
        self.reader = ImageReader(backbone.graph_def, backbone.preprocessing)
        self._networks: list[tf.Session | Interpreters] = []
        self._runs: list[tuple[Callable[[np.ndarray], np.ndarray], int]] = []
        networks = backbone.joined or [backbone]
        for one, part, model in zip(
            networks, parts_for(backbone), models or repeat(None, len(networks)), strict=True
        ):
            if model:
                network = Interpreters(model, BATCHES_AT_ONCE)
                run = network.run
            else:
                network, run = open_session(one, precision)
            self._networks.append(network)
            self._runs.append((run, part))

    def vectors(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """The bottlenecks of the pixels of N pictures, each [height, width, 3] float32 from `reader`, all
        side by side: [N, width] float32, or [N, 2 * width] if `ends` are BOTH."""
        found, p = [], self._preprocessing
        for end in self._ends:
            seen = (mirrored(one[None], p) if end == MIRRORED else one[None] for one in pixels)
            # Copied once, where taking the pictures out of a batch of pixels would copy them twice.
            by_size = zip(*(pictures_in(one, p) for one in seen), strict=True)
            pictures = [np.concatenate(of_a_size) for of_a_size in by_size]
            found.extend(run(pictures[part]) for run, part in self._runs)
        return found[0] if len(found) == 1 else np.concatenate(found, 1)

    def by_field(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """A row of `vectors` by the fields of the records."""
        return dict(zip(self._fields, np.split(vector, self._places), strict=True))

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_) -> None:
        for held in (self.reader, *self._networks):
            held.close()


def training_image(item: Planned, crop_to_box: bool) -> bytes:
    """The encoded picture of a sample: the file itself, or a JPEG of its crop or augmented copy.

    Raises OSError, and BadImage also for a file that has changed since it was hashed.
    """
    data = bytes_of(item.sample)
    if hashlib.sha256(data).hexdigest() != item.digest:  # the hash decided its split
        raise BadImage('changed during the conversion: convert again with --overwrite')
    box = item.sample.box if crop_to_box else None
    if box is None and not item.sample.copy:
        return data
    header = read_header(data)
    with charged(header):
        pixels = decode_with_pillow(data, header=header)
        if box is not None:
            pixels = crop(pixels, tuple(side // header.least_ratio for side in box))
        if item.sample.copy:
            pixels = COPIES[item.sample.copy](pixels)
        return encode_jpeg(pixels)


# A sample, its encoded picture, and its pixels or bottlenecks, or the BadImage.
Loaded = tuple[Planned, bytes, np.ndarray | BadImage | None]


def extract(items: Iterable[Planned], extractor: Extractor, crop_to_box: bool = False) -> Iterator[Loaded]:
    """Yield each item in order with its encoded picture and its bottlenecks, a row of `Extractor.vectors`, or
    the BadImage."""
    load = partial(_loaded, crop_to_box=crop_to_box, value=extractor.reader.read)
    for (item, data, _), vector in computed(items, load, extractor):
        yield item, data, vector


def computed(
    items: Iterable[Item], load: Callable[[Item], Row], extractor: Extractor
) -> Iterator[tuple[Row, np.ndarray | BadImage]]:
    """Yield in order what `load` makes of each item, a tuple that ends with pixels or a BadImage, and the
    bottlenecks of these pixels or the BadImage.

    Works a limited number of batches and bytes of encoded pictures ahead of the caller, so memory does not
    grow.
    """

    def compute(batch: list[Row]) -> list[tuple[Row, np.ndarray | BadImage]]:
        vectors = map_good(bottlenecks, [row[-1] for row in batch])
        return list(zip(batch, vectors, strict=True))

    def bottlenecks(pixels: list[np.ndarray]) -> Iterable[np.ndarray | BadImage]:
        return map(_finite, extractor.vectors(pixels))

    size = consts.EXTRACTION_BATCH_SIZE
    window = 2 * BATCHES_AT_ONCE * size
    loaded = ahead(load, items, window, CORES, _encoded_bytes, consts.ENCODED_BYTES)
    for batch in ahead(compute, _batches(loaded, size), BATCHES_AT_ONCE, BATCHES_AT_ONCE):
        yield from batch


def _loaded(item: Planned, crop_to_box: bool, value: Callable[[bytes], np.ndarray | None]) -> Loaded:
    """The item with its encoded picture and the `value` of that, or with the BadImage."""
    try:
        data = training_image(item, crop_to_box)
        return item, data, value(data)
    except BadImage as fault:
        return item, b'', without_traceback(fault)
    except OSError as error:
        return item, b'', BadImage(f'cannot be read: {error.strerror}')


def _finite(vector: np.ndarray) -> np.ndarray | BadImage:
    """The bottleneck, or a BadImage when it holds inf or NaN, from an overflow: training could not use it."""
    if np.isfinite(vector).all():
        return vector
    return BadImage('its bottleneck is not finite: the backbone overflows on it')


def checked(items: Iterable[Planned], crop_to_box: bool = False) -> Iterator[Loaded]:
    """As `extract`, but without a backbone: each picture is decoded, and None is in the place of its
    bottleneck."""

    def check(data: bytes) -> None:
        decode_with_pillow(data)

    load = partial(_loaded, crop_to_box=crop_to_box, value=check)
    yield from ahead(load, items, 64 * CORES, CORES, _encoded_bytes, consts.ENCODED_BYTES)


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Batches of `size` rows, and of fewer where encoded pictures are large."""
    batch, held = [], 0
    for row in rows:
        batch.append(row)
        held += _encoded_bytes(row)
        if len(batch) == size or held >= consts.ENCODED_BYTES // 2:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _encoded_bytes(row: tuple) -> int:
    return sum(len(part) for part in row if isinstance(part, bytes))
