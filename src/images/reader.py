"""Encoded bytes to the pixels that a network sees: what conversion, classify and serve share.

TensorFlow's decoder does the plain pictures, Pillow the others (decode.py decides from the header),
and the graph's own resizing follows in both cases, so a photo gives the same vector everywhere.
"""

from __future__ import annotations

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.fronts import Front
from src.graph.graph_io import subgraph
from src.images.decode import BadImage, decode_with_pillow, read_header


class ImageReader:
    """The front of a graph in a session of its own. Its methods may be called from many threads."""

    def __init__(self, graph_def: tf.GraphDef, front: Front):
        self.shape = (front.height, front.width, 3)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(subgraph(graph_def, [front.pixels]), name='')
        self._session = tf.Session(graph=graph)
        self._from_bytes = self._session.make_callable(front.pixels, [front.image])
        self._from_pixels = self._session.make_callable(front.pixels, [front.decoded])

    def read(self, data: bytes) -> np.ndarray:
        """One encoded image as [height, width, 3] float32. Raises BadImage with the reason."""
        if not read_header(data).plain:
            return self.resize(decode_with_pillow(data))
        try:
            return self._from_bytes(data)[0]
        except tf.errors.OpError:
            # Pillow names the reason, or reads what TensorFlow would not.
            return self.resize(decode_with_pillow(data))

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """[h, w, 3] uint8 as [height, width, 3] float32, resized as the graph does it."""
        if pixels.size > 3 * consts.MAX_IMAGE_PIXELS:
            raise BadImage(f'more than {consts.MAX_IMAGE_PIXELS:,} pixels')
        return self._from_pixels(pixels)[0]

    def close(self) -> None:
        self._session.close()
