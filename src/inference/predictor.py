"""A frozen graph, loaded: image bytes in, probabilities out. It needs nothing but the .pb.

    model = load_model(Path('frozen/pocket_dogs.pb'))
    for probabilities in model.from_pictures(encoded):
        print(model.labels[probabilities.argmax()])

A picture that cannot be read gives a BadImage in its place instead of probabilities.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.node_names import free_name
from src.graph.weights import import_with_variables, put_weights
from src.images.faults import BadImage
from src.images.reader import ImageReader

BATCH = 32


class Predictor:
    """A frozen classifier in a session. Its methods may be called from many threads.

    It is ready soonest when its weights are variables (graph/thaw.py); not thawed, it takes up to some
    seconds longer and then needs less for a few pictures at a time, which is for servers.
    """

    def __init__(self, model: FrozenGraph, thaw: bool = True):
        self.labels, self.info = model.labels, model.info
        self.reader = ImageReader(model.graph_def, model.preprocessing)
        with tf.Graph().as_default() as graph:
            # A name that the graph does not use, as its nodes keep theirs.
            scope = free_name('encoded_images', {node.name for node in model.graph_def.node})
            with tf.name_scope(scope):
                images = tf.placeholder(tf.string, [None])
                decoded = pixels_of_many(images, model.graph_def, model.preprocessing)
                pixels = tf.placeholder_with_default(decoded, decoded.shape)
            if thaw:
                initialize = import_with_variables(
                    model.graph_def, model.weights, {model.preprocessing.pixels: pixels}
                )
            else:
                whole = put_weights(model.graph_def, model.weights)
                tf.import_graph_def(whole, {model.preprocessing.pixels: pixels}, name='')
            rows = graph.get_tensor_by_name(model.output)
            self._output = tf.reshape(rows, [tf.shape(rows)[0], rows.shape[-1]])
        self._session = tf.Session(graph=graph)
        if thaw:
            initialize(self._session)
        self._from_pixels = self._session.make_callable(self._output, [pixels])
        self._from_images = self._session.make_callable(self._output, [images])

    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """[N, classes] float32 of pixels [N, height, width, 3] float32 as the reader gives them."""
        return self._from_pixels(pixels)

    def from_pictures(self, pictures: Iterable[bytes]) -> Iterator[np.ndarray | BadImage]:
        """For each encoded picture, in order, its probabilities [classes] float32, or why it is none.
        Works in batches; threads decode the next one meanwhile."""
        pictures = iter(pictures)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            reading = pool.map(self._read, list(islice(pictures, BATCH)))
            while batch := list(reading):
                reading = pool.map(self._read, list(islice(pictures, BATCH)))
                yield from self._answers(batch)

    def from_mixed(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        """For each encoded picture, or pixels [height, width, 3] float32 as the reader gives them, its
        probabilities [classes] float32, or why it is none. The graph decodes the encoded ones by itself,
        so only those that it sees as the reader does (`reader.as_in_graph`) should be given that way."""
        encoded = [row for row in rows if isinstance(row, bytes)]
        pixels = [row for row in rows if not isinstance(row, bytes)]
        of_encoded = iter(self._decoded_in_graph(encoded) if encoded else ())
        of_pixels = iter(self.from_pixels(np.stack(pixels)) if pixels else ())
        return [next(of_encoded if isinstance(row, bytes) else of_pixels) for row in rows]

    def from_bottlenecks(self, bottlenecks: np.ndarray) -> np.ndarray:
        """[N, classes] float32 of bottlenecks [N, width] float32 of the model's own backbone.

        Raises UserError when the model does not know its bottleneck, or is cut at another width.
        """
        backbone = self.info.get('backbone') or {}
        name = backbone.get('vector') or backbone.get('bottleneck')
        if not name or backbone.get('width') != bottlenecks.shape[1]:
            raise UserError(
                f'the model takes bottlenecks of width {backbone.get("width")}, '
                f'and these records hold {bottlenecks.shape[1]}: they belong to another backbone'
            )
        tensor = self._session.graph.get_tensor_by_name(name)
        middle = [1] * (tensor.shape.rank - 2)  # files without `vector` are fed at the tensor of the cut
        chunks = [
            self._session.run(self._output, {tensor: part.reshape(len(part), *middle, part.shape[1])})
            for part in np.array_split(bottlenecks, max(1, -(-len(bottlenecks) // 1024)))
        ]
        return np.concatenate(chunks)

    def close(self) -> None:
        self._session.close()
        self.reader.close()

    def _decoded_in_graph(self, encoded: list[bytes]) -> Iterable[np.ndarray | BadImage]:
        try:
            return self._from_images(np.array(encoded, object))
        except tf.errors.OpError:  # one at least is damaged: which, and is there a way to read it?
            return self._answers([self._read(data) for data in encoded])

    def _read(self, data: bytes) -> np.ndarray | BadImage:
        try:
            return self.reader.read(data)
        except BadImage as fault:
            return fault

    def _answers(self, batch: list[np.ndarray | BadImage]) -> Iterator[np.ndarray | BadImage]:
        good = [pixels for pixels in batch if not isinstance(pixels, BadImage)]
        rows = iter(self.from_pixels(np.stack(good)) if good else ())
        for pixels in batch:
            yield pixels if isinstance(pixels, BadImage) else next(rows)


def load_model(path: Path, thaw: bool = True) -> Predictor:
    """Load a frozen classifier into a session; see `load_graph` for what is taken and raised, and
    `Predictor` for `thaw`."""
    return Predictor(load_graph(path), thaw)
