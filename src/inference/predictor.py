"""Run a frozen classifier: encoded pictures in, probabilities out. Only the .pb file is needed.

    model = load_model(Path('frozen/pocket_dogs.pb'))
    for probabilities in model.from_pictures(encoded):
        print(model.labels[probabilities.argmax()])

For a picture that cannot be read a BadImage is returned in the place of its probabilities.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from src.common.ahead import ahead
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.gradients.grad_cam import (
    class_scores,
    grad_cam,
    joined_grad_cam,
    last_feature_map,
    last_feature_maps,
)
from src.graph.graph_io import free_name
from src.graph.joined.facts import members
from src.graph.weights import import_with_variables, put_weights
from src.images.faults import BadImage, map_good, or_fault
from src.images.reader import ImageReader

BATCH = 32


class Predictor:
    """A frozen classifier in a session. The methods are thread-safe.

    weights_as_variables: True makes the model load fast (graph/weights.py). False takes up to some seconds
        longer to load and is faster for a few pictures at a time, as in a server.

    `labels` are the class names in output order, `info` is the `model_info` of the file, and `reader` decodes
    and preprocesses pictures for the model.
    """

    def __init__(self, model: FrozenGraph, weights_as_variables: bool = True):
        self.labels, self.info = model.labels, model.info
        self.reader = ImageReader(model.graph_def, model.preprocessing)
        with tf.Graph().as_default() as graph:
            # Not with the reader's session: two runs take 3 to 20 % longer than one.
            scope = free_name('encoded_images', {node.name for node in model.graph_def.node})
            with tf.name_scope(scope):
                images = tf.placeholder(tf.string, [None])
                decoded = pixels_of_many(images, model.graph_def, model.preprocessing)
                pixels = tf.placeholder_with_default(decoded, decoded.shape)
            given = {model.preprocessing.pixels: pixels}
            if weights_as_variables:
                initialize = import_with_variables(model.graph_def, model.weights, given)
            else:
                tf.import_graph_def(put_weights(model.graph_def, model.weights), given, name='')
            self._rows = rows = graph.get_tensor_by_name(model.output)
            self._output = tf.reshape(rows, [tf.shape(rows)[0], rows.shape[-1]])
        self._pixels = pixels
        self._session, self._grad_cam, self._building = tf.Session(graph=graph), None, threading.Lock()
        if weights_as_variables:
            initialize(self._session)
        self._from_pixels = self._session.make_callable(self._output, [pixels])
        self._from_images = self._session.make_callable(self._output, [images])

    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities [N, classes] float32 of pixels [N, height, width, 3] float32 from `reader`."""
        return self._from_pixels(pixels)

    def from_pictures(self, pictures: Iterable[bytes]) -> Iterator[np.ndarray | BadImage]:
        """Yield for each encoded picture, in order, its probabilities [classes] float32, or the BadImage.

        Works in batches; threads decode the next batch while the graph runs.
        """
        rows = ahead(partial(or_fault, self.reader.read), pictures, BATCH, os.cpu_count() or 1)
        while batch := list(islice(rows, BATCH)):
            yield from map_good(self._from_rows, batch)

    def from_mixed(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        """Probabilities [classes] float32, or the BadImage, for each item of a batch: an encoded picture that
        `reader.as_in_graph` accepts, or pixels [height, width, 3] float32 from `reader`."""
        return map_good(self._from_encoded, map_good(self._from_rows, rows), bytes)

    def from_bottlenecks(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Probabilities [N, classes] float32 of bottlenecks [N, width] float32 of the model's own backbone,
        or [N, views, width] if the model averages several `views` of a picture.

        Raises UserError when the file does not name its bottleneck, or has a bottleneck of another width.
        """
        backbone = self.info.get('backbone') or {}
        name = backbone.get('vector') or backbone.get('bottleneck')
        width = bottlenecks.shape[-1]
        if not name or backbone.get('width') != width:
            raise UserError(
                f'the model takes bottlenecks of width {backbone.get("width")}, '
                f'and these records hold {width}: they belong to another backbone'
            )
        tensor = self._session.graph.get_tensor_by_name(name)
        middle = [1] * (tensor.shape.rank - 2)  # without `vector` a feature map may be fed
        chunks = [
            self._session.run(self._output, {tensor: part.reshape(-1, *middle, width)})
            for part in np.array_split(bottlenecks, max(1, -(-len(bottlenecks) // 1024)))
        ]
        return np.concatenate(chunks)

    def grad_cam(self, pixels: np.ndarray, class_index: int) -> np.ndarray:
        """Grad-CAM [h, w] float32 of one picture [height, width, 3] float32 from `reader`.

        The gradients join the graph at the first use, as most predictors never need them.

        Raises UserError for a network without feature maps, or with an op that has no gradient.
        """
        with self._building:
            self._grad_cam = self._grad_cam or self._with_gradients()
        return self._grad_cam(pixels[None], class_index)[0]  # of several views the first: the picture itself

    def _with_gradients(self) -> Callable[[np.ndarray, int], np.ndarray]:
        with self._session.graph.as_default():
            class_index, scores = tf.placeholder(tf.int32, []), class_scores(self._rows)
            if len(members(self.info.get('backbone'))) > 1:
                maps = joined_grad_cam(last_feature_maps(self._pixels, self._rows), scores, class_index)
            else:
                maps = grad_cam(last_feature_map(self._pixels, self._rows), scores, class_index)
        return self._session.make_callable(maps, [self._pixels, class_index])

    def close(self) -> None:
        self._session.close()
        self.reader.close()

    def _from_encoded(self, pictures: list[bytes]) -> Iterable[np.ndarray | BadImage]:
        try:
            return self._from_images(np.array(pictures, object))
        except tf.errors.OpError:  # at least one is damaged
            return map_good(self._from_rows, [or_fault(self.reader.read, data) for data in pictures])

    def _from_rows(self, pixels: list[np.ndarray]) -> np.ndarray:
        return self.from_pixels(np.stack(pixels))


def load_model(path: Path, weights_as_variables: bool = True) -> Predictor:
    """Load a frozen classifier into a session. Accepts and raises what `load_graph` does; `Predictor`
    explains `weights_as_variables`."""
    return Predictor(load_graph(path), weights_as_variables)
