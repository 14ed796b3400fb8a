"""Small classifiers that are mutated: each with other ops and another way to its pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache

import numpy as np

from src.common import paths
from src.common.tf1 import tf

SIDE, CLASSES = 8, 5
LABELS = '\n'.join('abcde')
NORM = {'gamma': 1.5, 'beta': 0.1, 'moving_mean': 0.2, 'moving_variance': 0.8}
NAMES = ('pocket', 'old', 'training', 'cond')


@cache
def base(name: str) -> tuple[bytes, str, str]:
    """A GraphDef, the name of its bottleneck, and its labels as text ('': they are in the graph)."""
    if name == 'pocket':
        return (paths.CHECKOUT / 'frozen' / 'pocket_dogs.pb').read_bytes(), 'pool_3', ''
    draw = np.random.default_rng(1)

    def weights(*shape: int) -> tf.Tensor:
        return tf.constant(draw.normal(0, 0.3, shape).astype(np.float32))

    with tf.Graph().as_default() as graph, control_flow_of_tensorflow_1():
        _classifier(name, weights)
        graph_def = graph.as_graph_def()
    if name == 'old':
        _as_of_2015(graph_def)
    return graph_def.SerializeToString(deterministic=True), 'pool_3', LABELS


@contextlib.contextmanager
def control_flow_of_tensorflow_1() -> Iterator[None]:
    """Inside, a cond becomes Switch and Merge."""
    was = tf.control_flow_v2_enabled()
    tf.disable_control_flow_v2()
    try:
        yield
    finally:
        if was:
            tf.enable_control_flow_v2()


def _as_of_2015(graph_def: tf.GraphDef) -> None:
    """Make the batch norm, and the version, those of 2015."""
    norm = next(node for node in graph_def.node if node.name == 'bn/norm')
    norm.op = 'BatchNormWithGlobalNormalization'
    norm.attr.clear()
    norm.attr['T'].type = tf.float32.as_datatype_enum
    norm.attr['variance_epsilon'].f = 0.001
    norm.attr['scale_after_normalization'].b = True
    norm.input[1:] = [f'bn/{word}' for word in ('moving_mean', 'moving_variance', 'beta', 'gamma')]
    graph_def.versions.producer = 8


def _classifier(name: str, weights) -> None:
    image = tf.placeholder(tf.string, [], 'contents')
    if name == 'cond':
        jpeg = tf.equal(tf.strings.substr(image, 0, 2), b'\xff\xd8')
        decoded = tf.cond(jpeg, lambda: tf.image.decode_jpeg(image, 3), lambda: tf.image.decode_png(image, 3))
    else:
        decoded = tf.image.decode_jpeg(image, channels=3)
    batch = tf.cast(decoded, tf.float32)[None]
    x = tf.image.resize_bilinear(batch, [SIDE, SIDE], name='ResizeBilinear') / 128 - 1
    x = tf.nn.conv2d(x, weights(3, 3, 3, 8), 2, 'SAME')
    facts = [tf.constant(np.full(8, value, np.float32), name=f'bn/{word}') for word, value in NORM.items()]
    x, *_ = tf.nn.fused_batch_norm(x, *facts, is_training=name == 'training', name='bn/norm')
    x = tf.nn.relu(x)
    x = tf.nn.depthwise_conv2d(x, weights(3, 3, 8, 1), [1, 1, 1, 1], 'SAME') * tf.ones(8) + weights(8)
    x = tf.concat([tf.nn.relu6(x), tf.nn.max_pool2d(x, 3, 1, 'SAME')], 3)
    x = tf.reduce_mean(x, [1, 2], name='pool_3')
    if name == 'training':
        flag = tf.placeholder_with_default(False, [], 'is_training')
        x = tf.cond(flag, lambda: tf.nn.dropout(x, rate=0.4), lambda: tf.identity(x))
    tf.nn.softmax(tf.matmul(tf.reshape(x, [-1, 16]), weights(16, CLASSES)), name='softmax')
