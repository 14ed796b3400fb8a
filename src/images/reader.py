"""Decode and preprocess pictures as a graph does; conversion, classify and serve share this reader.

TensorFlow decodes plain pictures and Pillow the others (headers.py decides). The graph's own resizing follows
in both cases, so a photo gives the same vector everywhere.

A JPEG much larger than the network's input is decoded at a fraction of its size (ratios.py). A graph that is
fed the encoded image itself always decodes it in full; `as_in_graph` says whether that gives the same pixels.

For joined backbones a picture is decoded once, and resized for each; except where a fraction is enough for
some of them and not for others, as each gets the pixels that it gets alone.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.checks.accepted import import_graph, said
from src.graph.graph_io import node_of, subgraph
from src.graph.preprocessing.find import Preprocessing, parts_of
from src.graph.preprocessing.pictures import as_pixels
from src.graph.rewrites.casts import without_cast_before_resizing
from src.images.decode import DECODING, charged, decode_with_pillow
from src.images.faults import BadImage, map_good, or_fault
from src.images.formats.header import RESIZED
from src.images.headers import Header, read_header
from src.images.ratios import RATIOS, Target, plain_in_full

CORES = os.cpu_count() or 1
BATCH_PIXELS = 1_000_000  # of a picture that is decoded in a batch, as many at once as there are cores


class ImageReader:
    """The preprocessing of a graph in its own session. The methods are thread-safe.

    `shape` is that of the pixels of one picture, (height, width, 3).
    """

    def __init__(self, graph_def: tf.GraphDef, preprocessing: Preprocessing):
        self.shape = (preprocessing.height, preprocessing.width, 3)
        self._preprocessing, self._session_of_many = preprocessing, None
        whole = subgraph(graph_def, [preprocessing.pixels])
        self._whole = whole = without_cast_before_resizing(whole, preprocessing.decoded)
        self._parts = _parts(whole, preprocessing)
        ratios = RATIOS if any(part.target.scalable for part in self._parts) else ()
        with tf.Graph().as_default() as graph:
            import_graph(whole, name='')
            for ratio in ratios:
                import_graph(_decoding_at(ratio, whole, preprocessing), name=f'at_{ratio}')
        # Ops run in the caller's thread, as callers bring several: to hand over the few ops of one picture
        # takes longer than some of them.
        config = tf.ConfigProto(inter_op_parallelism_threads=-1)
        self._session = tf.Session(graph=graph, config=config)
        self._from_pixels = self._session.make_callable(preprocessing.pixels, [preprocessing.decoded])
        self._from_bytes = {1: self._session.make_callable(preprocessing.pixels, [preprocessing.image])}
        for ratio in ratios:
            names = f'at_{ratio}/{preprocessing.pixels}', [f'at_{ratio}/{preprocessing.image}']
            self._from_bytes[ratio] = self._session.make_callable(*names)

    def read(self, data: bytes, header: Header | None = None) -> np.ndarray:
        """Decode and preprocess one encoded picture. Returns [height, width, 3] float32.

        `header` is that of `read_header(data)`, if it is known already. Raises BadImage.
        """
        header = header or read_header(data)
        ratio, *others = sorted(set(self._ratios(header)))
        with charged(header, ratio):
            if others:
                return self._read_parts(data, header)
            if not header.plain or header.least_ratio > 1:
                return self.resize(decode_with_pillow(data, ratio, header))
            with contextlib.suppress(tf.errors.OpError):
                return self._from_bytes[ratio](data)[0]
        # Pillow gives the reason, or reads what TensorFlow does not.
        with charged(header):
            return self.resize(decode_with_pillow(data, header=header))

    def read_many(self, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """Read some tens or hundreds of small pictures; those of up to BATCH_PIXELS that the graph can
        decode, in a single run.

        Returns for each picture its pixels [height, width, 3] float32, or the BadImage. For large pictures
        call `read` in several threads instead.
        """
        rows = [or_fault(self._plain_or_pixels, data) for data in pictures]
        return map_good(self._in_one_run, rows, bytes)

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess a decoded picture [h, w, 3] uint8 as the graph does. Returns [height, width, 3] float32.
        Raises BadImage for a picture of which consts.PICTURE_BYTES would not hold the pixels as float32, and
        for one of a size that the graph does not take."""
        most = consts.PICTURE_BYTES // RESIZED
        if pixels.size > 3 * most:
            raise BadImage(f'more than {most:,} pixels')
        with _refusals():
            return self._from_pixels(pixels)[0]

    def as_in_graph(self, header: Header, most_pixels: int = consts.MAX_IMAGE_PIXELS) -> bool:
        """Whether the graph, fed with the encoded picture itself, computes the pixels that `read` returns,
        and the picture has at most `most_pixels`."""
        return plain_in_full(header, [part.target for part in self._parts], most_pixels)

    def ratio(self, header: Header) -> int:
        """The ratio by which the decoder divides the sides of the picture; the least of several."""
        return min(self._ratios(header))

    @cached_property
    def _from_many(self) -> Callable[[np.ndarray], np.ndarray]:
        """Encoded images [N] to pixels [N, height, width, 3]; built at the first use, as most readers do not
        need it."""
        with tf.Graph().as_default() as graph:
            images = tf.placeholder(tf.string, [None])
            pixels = pixels_of_many(images, self._whole, self._preprocessing)
        self._session_of_many = tf.Session(graph=graph)
        return self._session_of_many.make_callable(pixels, [images])

    def _plain_or_pixels(self, data: bytes) -> bytes | np.ndarray:
        """The data itself if the graph can decode it, else the pixels."""
        header = read_header(data)
        return data if self.as_in_graph(header, BATCH_PIXELS) else self.read(data, header)

    def _in_one_run(self, pictures: list[bytes]) -> Iterable[np.ndarray | BadImage]:
        with contextlib.suppress(tf.errors.OpError), DECODING.held(CORES * RESIZED * BATCH_PIXELS):
            return self._from_many(np.array(pictures, object))
        # At least one is damaged.
        return [or_fault(self.read, data) for data in pictures]

    def close(self) -> None:
        self._session.close()
        if self._session_of_many:
            self._session_of_many.close()

    def _ratios(self, header: Header) -> list[int]:
        """The ratio by which the decoder may divide the sides of the picture, for each part of the pixels."""
        return [part.target.ratio(header) for part in self._parts]

    def _read_parts(self, data: bytes, header: Header) -> np.ndarray:
        """As `read`, with each part of the pixels from a picture decoded at a ratio of its own."""
        pictures: dict[str, np.ndarray] = {}
        ratios = self._ratios(header)
        for ratio in set(ratios):
            tensors = [part.tensor for part, own in zip(self._parts, ratios, strict=True) if own == ratio]
            pictures |= zip(tensors, self._run(tensors, data, header, ratio), strict=True)
        return as_pixels([pictures[part.tensor] for part in self._parts], self._preprocessing)[0]

    def _run(self, tensors: list[str], data: bytes, header: Header, ratio: int) -> list[np.ndarray]:
        """Some tensors of the preprocessing for a picture that is decoded at a ratio."""
        scope = f'at_{ratio}/' if header.plain and header.least_ratio == 1 and ratio > 1 else ''
        if header.plain and header.least_ratio == 1:
            with contextlib.suppress(tf.errors.OpError):
                names = [scope + tensor for tensor in tensors]
                return self._session.run(names, {scope + self._preprocessing.image: data})
            ratio = 1  # as `read` does
        decoded = decode_with_pillow(data, ratio, header)
        with _refusals():
            return self._session.run(tensors, {self._preprocessing.decoded: decoded})


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Inside, a graph's refusal of a decoded picture is raised as BadImage."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        raise BadImage(f'the graph does not take it: {said(error)}') from error


class _Part(NamedTuple):
    """The tensor of the pixels, or of the picture of one size in them, and its size."""

    tensor: str
    target: Target


def _parts(whole: tf.GraphDef, preprocessing: Preprocessing) -> list[_Part]:
    """The parts of the pixels that `whole` computes."""
    decoder = next(node for node in whole.node if node.name == node_of(preprocessing.decoded))
    scalable = decoder.op == 'DecodeJpeg' and decoder.attr['ratio'].i in (0, 1)
    sizes = preprocessing.sizes or ((preprocessing.height, preprocessing.width),)
    tensors = parts_of(whole, preprocessing.pixels) if preprocessing.sizes else [preprocessing.pixels]
    return [
        _Part(tensor, Target(*size, scalable and any(map(_averages, subgraph(whole, [tensor]).node))))
        for tensor, size in zip(tensors, sizes, strict=True)
    ]


def _averages(node: tf.NodeDef) -> bool:
    """Whether a node resizes with averaging (antialiasing) when it shrinks images."""
    return node.op == 'ResizeArea' or (node.op == 'ScaleAndTranslate' and node.attr['antialias'].b)


def _decoding_at(ratio: int, whole: tf.GraphDef, preprocessing: Preprocessing) -> tf.GraphDef:
    """The preprocessing with a decoder that divides the sides by `ratio`."""
    scaled = copy.deepcopy(whole)
    decoder = next(node for node in scaled.node if node.name == node_of(preprocessing.decoded))
    decoder.attr['ratio'].i = ratio
    return scaled
