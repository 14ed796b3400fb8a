"""Encoded bytes to the pixels that a network sees: what conversion, classify and serve share.

TensorFlow's decoder does the plain pictures, Pillow the others (headers.py decides),
and the graph's own resizing follows in both cases, so a photo gives the same vector everywhere.

A JPEG much larger than the network's input is decoded at a half, a quarter or an eighth of its size,
which libjpeg does in less than half of the time, before the rest is left to the resizing. That is done
only where the graph's own resizing averages over what it leaves out; resizing that picks single pixels,
as in the graph of 2015, would see other ones (docs/scale.md has the figures). JPEGs with more pixels than
consts.MAX_IMAGE_PIXELS are decoded at a fraction for every graph. The graph fed with the
encoded image itself always decodes in full; `as_in_graph` says where it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.graph_io import node_of, subgraph
from src.graph.preprocessing.find import Preprocessing
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage
from src.images.headers import Header, read_header

RATIOS = (8, 4, 2)  # what libjpeg can divide sizes by while it decodes
# Decoded at a ratio, both sides keep at least so many times the pixels of the network's input: then
# resizing still has something to choose from, and photos of the usual data sets are left alone.
ROOM = 2


class ImageReader:
    """The front of a graph in a session of its own. Its methods may be called from many threads."""

    def __init__(self, graph_def: tf.GraphDef, preprocessing: Preprocessing):
        self.shape = (preprocessing.height, preprocessing.width, 3)
        self._front, self._session_of_many = preprocessing, None
        self._whole = whole = subgraph(graph_def, [preprocessing.pixels])
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(whole, name='')
            for ratio in self._ratios(whole, preprocessing):
                tf.import_graph_def(_decoding_at(ratio, whole, preprocessing), name=f'at_{ratio}')
        self._session = tf.Session(graph=graph)
        self._from_pixels = self._session.make_callable(preprocessing.pixels, [preprocessing.decoded])
        self._from_bytes = {1: self._session.make_callable(preprocessing.pixels, [preprocessing.image])}
        for ratio in self._ratios(whole, preprocessing):
            names = f'at_{ratio}/{preprocessing.pixels}', [f'at_{ratio}/{preprocessing.image}']
            self._from_bytes[ratio] = self._session.make_callable(*names)

    def read(self, data: bytes) -> np.ndarray:
        """One encoded image as [height, width, 3] float32. Raises BadImage with the reason."""
        header = read_header(data)
        ratio = self._ratio(header)
        if not header.plain or header.least_ratio > 1:
            return self.resize(decode_with_pillow(data, ratio))
        try:
            return self._from_bytes[ratio](data)[0]
        except tf.errors.OpError:
            # Pillow names the reason, or reads what TensorFlow would not.
            return self.resize(decode_with_pillow(data))

    def read_many(self, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """The same of some tens or hundreds of small pictures, or why there is none, in one run of the graph
        where it can be. Large ones belong to threads that call `read`."""
        plain = [data for data in pictures if self._is_plain(data)]
        try:
            found = dict(zip(plain, self._from_many(np.array(plain, object)), strict=True)) if plain else {}
        except tf.errors.OpError:  # one at least is damaged
            found = {}
        return [found[data] if data in found else self._or_fault(data) for data in pictures]

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """[h, w, 3] uint8 as [height, width, 3] float32, resized as the graph does it."""
        if pixels.size > 3 * consts.MAX_IMAGE_PIXELS:
            raise BadImage(f'more than {consts.MAX_IMAGE_PIXELS:,} pixels')
        return self._from_pixels(pixels)[0]

    def as_in_graph(self, data: bytes, most_pixels: int = consts.MAX_IMAGE_PIXELS) -> bool:
        """Whether the graph, fed the encoded image itself, sees the pixels that `read` gives, and the image
        has at most so many. Raises BadImage for what is none."""
        header = read_header(data)
        return header.plain and header.width * header.height <= most_pixels and self._ratio(header) == 1

    @cached_property
    def _from_many(self) -> Callable[[np.ndarray], np.ndarray]:
        """From encoded images [N] to pixels; made when it is first wanted, as most readers never do."""
        with tf.Graph().as_default() as graph:
            images = tf.placeholder(tf.string, [None])
            pixels = pixels_of_many(images, self._whole, self._front)
        self._session_of_many = tf.Session(graph=graph)
        return self._session_of_many.make_callable(pixels, [images])

    def _is_plain(self, data: bytes) -> bool:
        try:
            return self.as_in_graph(data)
        except BadImage:
            return False

    def _or_fault(self, data: bytes) -> np.ndarray | BadImage:
        try:
            return self.read(data)
        except BadImage as fault:
            return fault

    def close(self) -> None:
        self._session.close()
        if self._session_of_many:
            self._session_of_many.close()

    def _ratio(self, header: Header) -> int:
        """By how much the decoder may divide the picture's sides."""
        if header.format != 'JPEG':
            return 1
        height, width = self.shape[:2]
        spare = min(header.height / height, header.width / width) / ROOM
        offered = RATIOS if header.least_ratio > 1 else self._from_bytes
        return next((ratio for ratio in RATIOS if ratio <= spare and ratio in offered), header.least_ratio)

    @staticmethod
    def _ratios(whole: tf.GraphDef, preprocessing: Preprocessing) -> tuple[int, ...]:
        decoder = next(node for node in whole.node if node.name == node_of(preprocessing.decoded))
        scalable = decoder.op == 'DecodeJpeg' and decoder.attr['ratio'].i in (0, 1)
        return RATIOS if scalable and any(map(_averages, whole.node)) else ()


def _averages(node: tf.NodeDef) -> bool:
    """Whether a node makes images smaller by averaging."""
    return node.op == 'ResizeArea' or (node.op == 'ScaleAndTranslate' and node.attr['antialias'].b)


def _decoding_at(ratio: int, whole: tf.GraphDef, preprocessing: Preprocessing) -> tf.GraphDef:
    """The front with a decoder that divides sizes by `ratio`."""
    scaled = tf.GraphDef()
    scaled.CopyFrom(whole)
    decoder = next(node for node in scaled.node if node.name == node_of(preprocessing.decoded))
    decoder.attr['ratio'].i = ratio
    return scaled
