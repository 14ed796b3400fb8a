"""Decode and preprocess pictures as a graph does; conversion, classify and serve share this reader.

TensorFlow decodes plain pictures and Pillow the others (headers.py decides). The graph's own resizing follows
in both cases, so a photo gives the same vector everywhere.

A JPEG much larger than the network's input is decoded at a half, a quarter or an eighth of its size, which
takes libjpeg less than half of the time; the graph then resizes the result. This is done only if the graph
averages when it resizes: bilinear resizing without antialiasing, as in the graph of 2015, would sample other
pixels (docs/scale.md has the figures). JPEGs with more pixels than consts.MAX_IMAGE_PIXELS are decoded at a
fraction for every graph. A graph that is fed the encoded image itself always decodes it in full;
`as_in_graph` says whether that gives the same pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.graph_io import node_of, subgraph
from src.graph.preprocessing.find import Preprocessing
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage, map_good, or_fault
from src.images.headers import Header, read_header

RATIOS = (8, 4, 2)  # by which libjpeg can divide the sides while it decodes
# Both sides of a JPEG decoded at a ratio stay at least this many times those of the network's input: there is
# still detail to resize, and the photos of common data sets are small enough to be decoded in full.
LEAST_OVERSAMPLING = 2


class ImageReader:
    """The preprocessing of a graph in its own session. The methods are thread-safe.

    `shape` is that of the pixels of one picture, (height, width, 3).
    """

    def __init__(self, graph_def: tf.GraphDef, preprocessing: Preprocessing):
        self.shape = (preprocessing.height, preprocessing.width, 3)
        self._preprocessing, self._session_of_many = preprocessing, None
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

    def read(self, data: bytes, header: Header | None = None) -> np.ndarray:
        """Decode and preprocess one encoded picture. Returns [height, width, 3] float32.

        `header` is that of `read_header(data)`, if it is known already. Raises BadImage.
        """
        header = header or read_header(data)
        ratio = self._ratio(header)
        if not header.plain or header.least_ratio > 1:
            return self.resize(decode_with_pillow(data, ratio, header))
        try:
            return self._from_bytes[ratio](data)[0]
        except tf.errors.OpError:
            # Pillow gives the reason, or reads what TensorFlow does not.
            return self.resize(decode_with_pillow(data, header=header))

    def read_many(self, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """Read some tens or hundreds of small pictures; those that the graph can decode, in a single run.

        Returns for each picture its pixels [height, width, 3] float32, or the BadImage. For large pictures
        call `read` in several threads instead.
        """
        rows = [or_fault(self._plain_or_pixels, data) for data in pictures]
        return map_good(self._in_one_run, rows, bytes)

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess a decoded picture [h, w, 3] uint8 as the graph does. Returns [height, width, 3] float32.
        Raises BadImage for more than consts.MAX_IMAGE_PIXELS."""
        if pixels.size > 3 * consts.MAX_IMAGE_PIXELS:
            raise BadImage(f'more than {consts.MAX_IMAGE_PIXELS:,} pixels')
        return self._from_pixels(pixels)[0]

    def as_in_graph(self, header: Header, most_pixels: int = consts.MAX_IMAGE_PIXELS) -> bool:
        """Whether the graph, fed with the encoded picture itself, computes the pixels that `read` returns,
        and the picture has at most `most_pixels`."""
        return header.plain and header.width * header.height <= most_pixels and self._ratio(header) == 1

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
        return data if self.as_in_graph(header) else self.read(data, header)

    def _in_one_run(self, pictures: list[bytes]) -> Iterable[np.ndarray | BadImage]:
        try:
            return self._from_many(np.array(pictures, object))
        except tf.errors.OpError:  # at least one is damaged
            return [or_fault(self.read, data) for data in pictures]

    def close(self) -> None:
        self._session.close()
        if self._session_of_many:
            self._session_of_many.close()

    def _ratio(self, header: Header) -> int:
        """The ratio by which the decoder may divide the sides of the picture."""
        if header.format != 'JPEG':
            return 1
        height, width = self.shape[:2]
        spare = min(header.height / height, header.width / width) / LEAST_OVERSAMPLING
        offered = RATIOS if header.least_ratio > 1 else self._from_bytes
        return next((ratio for ratio in RATIOS if ratio <= spare and ratio in offered), header.least_ratio)

    @staticmethod
    def _ratios(whole: tf.GraphDef, preprocessing: Preprocessing) -> tuple[int, ...]:
        decoder = next(node for node in whole.node if node.name == node_of(preprocessing.decoded))
        scalable = decoder.op == 'DecodeJpeg' and decoder.attr['ratio'].i in (0, 1)
        return RATIOS if scalable and any(map(_averages, whole.node)) else ()


def _averages(node: tf.NodeDef) -> bool:
    """Whether a node resizes with averaging (antialiasing) when it shrinks images."""
    return node.op == 'ResizeArea' or (node.op == 'ScaleAndTranslate' and node.attr['antialias'].b)


def _decoding_at(ratio: int, whole: tf.GraphDef, preprocessing: Preprocessing) -> tf.GraphDef:
    """The preprocessing with a decoder that divides the sides by `ratio`."""
    scaled = copy.deepcopy(whole)
    decoder = next(node for node in scaled.node if node.name == node_of(preprocessing.decoded))
    decoder.attr['ratio'].i = ratio
    return scaled
