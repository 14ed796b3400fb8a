"""Run a frozen graph (.pb) in a TensorFlow session."""

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
from src.graph.checks.accepted import faults_named, import_graph, names_faults
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.gradients.grad_cam import (
    class_scores,
    grad_cam,
    has_feature_map,
    joined_grad_cam,
    last_feature_map,
    last_feature_maps,
)
from src.graph.graph_io import free_name
from src.graph.joined.facts import members
from src.graph.weights import import_with_variables, put_weights
from src.images.faults import BadImage, map_good, or_fault
from src.images.reader import ImageReader
from src.inference.runtimes.base import BATCH, Predictor
from src.inference.views import mean_probabilities, require_pictures, require_validated
from src.models.test_time_augmentation import all_views


class TensorFlowPredictor(Predictor):
    """A frozen classifier in a session.

    weights_as_variables: True makes the model load fast (graph/weights.py). False takes up to some seconds
        longer to load and is faster for a few pictures at a time, as in a server.

    Raises UserError for views of a model that does not take pictures.
    """

    gains_by_batches = takes_bottlenecks = True

    def __init__(self, model: FrozenGraph, weights_as_variables: bool = True, views: int = 1):
        require_pictures(model, views)
        self._path = model.path
        self.labels, self.info, self.views = model.labels, model.info, views
        self.batch = max(1, BATCH // views)
        self.reader = ImageReader(model.graph_def, model.preprocessing)
        with tf.Graph().as_default() as graph:
            # Not with the reader's session: two runs take 3 to 20 % longer than one.
            scope = free_name('encoded_images', {node.name for node in model.graph_def.node})
            with tf.name_scope(scope):
                images = tf.placeholder(tf.string, [None])
                decoded = pixels_of_many(images, model.graph_def, model.preprocessing)
                pixels = tf.placeholder_with_default(decoded, decoded.shape)
                given = {model.preprocessing.pixels: all_views(pixels, views)}
            if weights_as_variables:
                initialize = import_with_variables(model.graph_def, model.weights, given)
            else:
                import_graph(put_weights(model.graph_def, model.weights), given, name='')
            self._rows = rows = graph.get_tensor_by_name(model.output)
            self._of_views = tf.reshape(rows, [tf.shape(rows)[0], rows.shape[-1]])
            self._output = mean_probabilities(self._of_views, views)
        self._pixels = pixels
        self._session, self._grad_cam, self._building = tf.Session(graph=graph), None, threading.Lock()
        self._has_gradients: bool | None = None  # not known yet
        if weights_as_variables:
            initialize(self._session)
        self._from_pixels = self._session.make_callable(self._output, [pixels])
        self._from_images = self._session.make_callable(self._output, [images])

    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        with faults_named(self._path):
            return self._from_pixels(pixels)

    def from_pictures(self, pictures: Iterable[bytes]) -> Iterator[np.ndarray | BadImage]:
        """Works in batches; threads decode the next batch while the graph runs."""
        rows = ahead(partial(or_fault, self.reader.read), pictures, self.batch, os.cpu_count() or 1)
        with faults_named(self._path):
            while batch := list(islice(rows, self.batch)):
                yield from map_good(self._from_rows, batch)

    def from_mixed(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        return map_good(self._from_encoded, map_good(self._from_rows, rows), bytes)

    def from_bottlenecks(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Raises UserError when the file does not name its bottleneck, or has a bottleneck of another
        width."""
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
        with faults_named(self._path):
            chunks = [
                self._session.run(self._of_views, {tensor: part.reshape(-1, *middle, width)})
                for part in np.array_split(bottlenecks, max(1, -(-len(bottlenecks) // 1024)))
            ]
        return np.concatenate(chunks)

    @property
    def has_gradients(self) -> bool:
        """Whether a feature map leads to the output. An op without a gradient is found by `grad_cam` only, as
        building the gradients takes seconds: after that it is False."""
        with self._building:
            if self._has_gradients is None:
                self._has_gradients = has_feature_map(self._pixels, self._rows)
            return self._has_gradients

    def grad_cam(self, pixels: np.ndarray, class_index: int) -> np.ndarray:
        """The gradients join the graph at the first use, as most predictors never need them.

        Raises UserError for a network without feature maps, or with an op that has no gradient.
        """
        with self._building:
            try:
                self._grad_cam = self._grad_cam or self._with_gradients()
            except UserError:
                self._has_gradients = False
                raise
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
        return self._from_pixels(np.stack(pixels))


@names_faults
def load(path: Path, weights_as_variables: bool = True, views: int = 1) -> TensorFlowPredictor:
    """Load a frozen classifier into a session. Accepts and raises what `load_graph` does. Raises UserError
    also for a model that was not validated with so many views."""
    model = load_graph(path)
    require_validated(model, path, views)
    return TensorFlowPredictor(model, weights_as_variables, views)
