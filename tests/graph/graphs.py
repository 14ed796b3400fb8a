"""Graphs made in memory: one of 2015's kind in small, and one that begins with pixels.

graph_def = graph_of_2015()
path = write_graph(graph_of_pixels(), tmp_path / 'pixels.pb')
"""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf

SIDE, DEPTH, CLASSES = 12, 6, 5
EPSILON = 0.001
NORM = ('mean', 'variance', 'beta', 'gamma')  # the inputs of the old op behind the first, in its order

_draw = np.random.default_rng(2015)
WEIGHTS = {
    'kernel': _draw.normal(0, 1, (3, DEPTH)),
    'mean': _draw.normal(0, 0.3, DEPTH),
    'variance': _draw.uniform(0.5, 2, DEPTH),
    'beta': _draw.normal(0, 0.3, DEPTH),
    'gamma': _draw.uniform(0.5, 2, DEPTH),
    'softmax': _draw.normal(0, 1, (DEPTH, CLASSES)),
}
WEIGHTS = {name: value.astype(np.float32) for name, value in WEIGHTS.items()}


def bottleneck_of(pixels: np.ndarray, scale: bool = True) -> np.ndarray:
    """The bottlenecks [N, DEPTH] of all graphs here for pixels [N, SIDE, SIDE, 3], 0 to 255, in NumPy."""
    w = WEIGHTS
    x = ((pixels - 128) / 128) @ w['kernel']
    x = (x - w['mean']) / np.sqrt(w['variance'] + EPSILON) * (w['gamma'] if scale else 1) + w['beta']
    return np.maximum(x, 0).mean((1, 2))


def probabilities_of(bottlenecks: np.ndarray) -> np.ndarray:
    powers = np.exp(bottlenecks @ WEIGHTS['softmax'])
    return powers / powers.sum(1, keepdims=True)


def graph_of_2015(scale: bool = True) -> tf.GraphDef:
    """A small graph with the structure of the 2015 Inception: version 8, old batch norm, a constant as the
    image, and pixels, pool_3/_reshape and softmax for one image only."""
    graph_def = _today()
    by_name = {node.name: node for node in graph_def.node}
    norm = by_name['conv/batchnorm']
    norm.op = 'BatchNormWithGlobalNormalization'
    norm.attr.clear()
    norm.attr['T'].type = tf.float32.as_datatype_enum
    norm.attr['variance_epsilon'].f = EPSILON
    norm.attr['scale_after_normalization'].b = scale
    norm.input[1:] = [f'conv/batchnorm/{name}' for name in NORM]
    image = by_name['DecodeJpeg/contents']
    image.op = 'Const'
    image.attr.clear()
    image.attr['dtype'].type = tf.string.as_datatype_enum
    image.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(b'no picture yet'))
    graph_def.versions.Clear()
    graph_def.versions.producer = 8
    return graph_def


def _today() -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, name='DecodeJpeg')
        batch = tf.expand_dims(tf.cast(decoded, tf.float32, 'Cast'), 0, 'ExpandDims')
        resized = tf.image.resize_bilinear(batch, [SIDE, SIDE], name='ResizeBilinear')
        bottleneck = _network((resized - 128) / 128)
        flat = tf.reshape(bottleneck, [1, DEPTH], 'pool_3/_reshape')
        tf.nn.softmax(tf.matmul(flat, tf.constant(WEIGHTS['softmax'])), name='softmax')
        return graph.as_graph_def()


def graph_in_nchw() -> tf.GraphDef:
    """`graph_of_pixels` for pixels of 0 to 255 with its channels on axis 1 after `to_nchw`: the maps
    `conv`, `concat` and `padded` [N, DEPTH, h, w], and `pool_3` [N, DEPTH, 1, 1]."""
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        x = tf.transpose((pixels - 128) / 128, [0, 3, 1, 2], name='to_nchw')
        kernel = tf.constant(WEIGHTS['kernel'])[None, None]
        x = tf.nn.conv2d(x, kernel, 1, 'SAME', data_format='NCHW', name='conv/Conv2D')
        facts = {name: tf.reshape(tf.constant(WEIGHTS[name]), [1, DEPTH, 1, 1]) for name in NORM}
        x = (x - facts['mean']) / tf.sqrt(facts['variance'] + EPSILON) * facts['gamma'] + facts['beta']
        x = tf.nn.relu(x, 'conv')
        tf.pad(x, [[0, 0], [0, 0], [1, 2], [0, 0]], name='padded')
        tf.concat([x, 2 * x], 1, name='concat')
        tf.reshape(tf.reshape(x, [-1, DEPTH * SIDE * SIDE]), [-1, DEPTH, SIDE, SIDE], name='reshaped')
        tf.transpose(x, [0, 2, 3, 1], name='to_nhwc')
        tf.add(x, tf.nn.conv2d(pixels, tf.ones([1, 1, 3, SIDE]), 1, 'SAME')[:, :DEPTH], name='both')
        tf.reduce_mean(x, [2, 3], keepdims=True, name='pool_3')
        return graph.as_graph_def()


def graph_of_pixels(
    shape=(None, SIDE, SIDE, 3), low: float = -1, high: float = 1, name: str = 'input', dtype='float32'
) -> tf.GraphDef:
    """The same network after a placeholder for pixels in the range `low` to `high`."""
    with tf.Graph().as_default() as graph:
        pixels = tf.cast(tf.placeholder(dtype, shape, name), tf.float32)
        levels = (pixels - low) * (255 / (high - low))
        tf.nn.softmax(
            tf.matmul(tf.squeeze(_network((levels - 128) / 128), [1, 2]), tf.constant(WEIGHTS['softmax'])),
            name='softmax',
        )
        return graph.as_graph_def()


def _network(x: tf.Tensor) -> tf.Tensor:
    x = tf.nn.conv2d(x, tf.constant(WEIGHTS['kernel'])[None, None], 1, 'SAME', name='conv/Conv2D')
    facts = {name: tf.constant(WEIGHTS[name], name=f'conv/batchnorm/{name}') for name in NORM}
    x, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=facts['gamma'],
        offset=facts['beta'],
        mean=facts['mean'],
        variance=facts['variance'],
        epsilon=EPSILON,
        is_training=False,
        name='conv/batchnorm',
    )
    return tf.nn.avg_pool(tf.nn.relu(x, 'conv'), SIDE, SIDE, 'VALID', name='pool_3')


def answer(graph_def: tf.GraphDef, tensor: str, feed: dict) -> np.ndarray:
    """The value of one session call."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        return session.run(tensor, feed)
