"""Contenders that use TensorFlow.

Each builder returns a function that computes the bottlenecks [N, width] of all photos of a task.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.task import BATCH, CALIBRATION, Task, inputs
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.conversion.bottlenecks import Extractor, computed, extract
from src.data_preparation.samples import Planned, Sample
from src.data_preparation.splits import digest_of
from src.graph.backbones import load_backbone
from src.graph.graph_io import read_graph
from src.graph.lite.backbones import int8_backbone
from src.graph.precision import INT8, in_tensorflow

Vectors = Callable[[], np.ndarray]

PEAK_SIDE, PEAK_TIMES = 2048, 8  # size of the matrices, and products in a round


def reference(task: Task) -> Vectors:
    """The graph as released, with one session call for each image."""
    data = [one[None] for one in inputs(task)[1]] if task.alone else task.data()
    fed = task.pixels if task.alone else task.image
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(read_graph(task.released), name='')
    session = tf.Session(graph=graph)

    def run() -> np.ndarray:
        vectors = [session.run(task.bottleneck, {fed: one}) for one in data]
        return np.concatenate(vectors).reshape(len(data), -1)

    return run


def planned(photo: Path) -> Planned:
    """A photo as a conversion plans it."""
    sample = Sample(photo.name, photo, None)
    return Planned(sample, 'train', digest_of(sample)[0])


def ours(task: Task, precision: str) -> Vectors:
    """The extraction of a conversion, from files that are in the page cache after the warm-up."""
    backbone = load_backbone(task.released)
    with tempfile.TemporaryDirectory() as scratch:
        models = []
        if precision == INT8:
            read, data = inputs(task)
            models = [Path(scratch, 'int8.tflite')]
            models[0].write_bytes(int8_backbone(backbone, [read(one) for one in data[:CALIBRATION]]))
        extractor = Extractor(backbone, in_tensorflow(precision), models=models)
    items = [planned(photo) for photo in task.photos]
    pixels = [(one,) for one in inputs(task)[1]] if task.alone else []

    def run() -> np.ndarray:
        if task.alone:
            return np.stack([vector for _, vector in computed(pixels, tuple, extractor)])
        return np.stack([vector for _, _, vector in extract(items, extractor)])

    return run


def keras(task: Task) -> Vectors:
    """`predict` of the keras.applications model with the weights of the graph; tf.data runs the preprocessing
    of the graph."""
    import tensorflow as tf2  # not src.common.tf1: Keras does not work in graph mode

    model = _keras_model(np.load(task.weights))
    preprocessing = tf2.compat.v1.GraphDef.FromString(task.preprocessing.read_bytes())

    def decode(image):
        made = {task.image: image}
        return tf2.graph_util.import_graph_def(preprocessing, made, [task.scaled], name='')[0][0]

    size = model.input_shape[1:]
    photos = tf2.data.Dataset.from_tensor_slices(task.data()).map(decode, tf2.data.AUTOTUNE)
    photos = photos.map(lambda pixels: tf2.ensure_shape(pixels, size)).batch(BATCH)
    photos = photos.cache() if task.alone else photos.prefetch(2)
    return lambda: model.predict(photos, verbose=0)


def _keras_model(weights: dict[str, np.ndarray]):
    """InceptionV3 or MobileNetV2, by the number of convolutions, with these weights."""
    import keras

    number = len(weights) // 2
    made = {94: keras.applications.InceptionV3, 52: keras.applications.MobileNetV2}.get(number)
    if made is None:
        raise UserError(
            f'keras.applications has no network of {number} convolutions that this benchmark knows'
        )
    model = made(weights=None, include_top=False, pooling='avg')
    if number == 94:
        pools = [layer.name for layer in _in_order(model, keras.layers.AveragePooling2D)]

        def as_released(layer):  # the last pool of 2015 is a max pool, in Keras an average pool
            config = layer.get_config()
            config.pop('quantization_config', None)
            swap = layer.name == pools[-1]
            return keras.layers.MaxPooling2D.from_config(config) if swap else type(layer).from_config(config)

        model = keras.models.clone_model(model, clone_function=as_released)
    _set_weights(model, weights)
    return model


def _set_weights(model, weights: dict[str, np.ndarray]) -> None:
    """Set kernels, and batch norms that only add the biases, as the rest is folded into the kernels."""
    import keras

    convolutions = _in_order(model, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))
    norms = _in_order(model, keras.layers.BatchNormalization)
    for number, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        convolution.set_weights([weights[f'kernel_{number}']])
        norm.beta.assign(weights[f'bias_{number}'])
        norm.moving_mean.assign(np.zeros(norm.beta.shape))
        norm.moving_variance.assign(np.full(norm.beta.shape, 1 - norm.epsilon))
        if norm.gamma is not None:
            norm.gamma.assign(np.ones(norm.beta.shape))


def _in_order(model, kind) -> list:
    """Layers in order of creation: those of Inception are numbered (conv2d_7), MobileNet is a chain."""

    def number(layer) -> int:
        found = re.fullmatch(r'[a-z_]+2d_(\d+)|batch_normalization_(\d+)', layer.name)
        return int(found[1] or found[2]) if found else 0

    return sorted((layer for layer in model.layers if isinstance(layer, kind)), key=number)


def matrix_product(precision: str) -> Callable[[], None]:
    """Products of two large matrices: the peak FLOP/s of TensorFlow on this machine."""
    dtype = tf.as_dtype(precision)
    with tf.Graph().as_default() as graph:
        matrices = [tf.Variable(tf.cast(tf.random.normal([PEAK_SIDE, PEAK_SIDE]), dtype)) for _ in range(2)]
        product = tf.matmul(*matrices).op
        begin = tf.global_variables_initializer()
    session = tf.Session(graph=graph)
    session.run(begin)

    def run() -> None:
        for _ in range(PEAK_TIMES):
            session.run(product)

    return run


def peak_flops() -> float:
    """Floating-point operations in one call of `matrix_product`'s function."""
    return 2.0 * PEAK_SIDE**3 * PEAK_TIMES
