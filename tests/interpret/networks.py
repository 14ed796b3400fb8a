"""Small frozen classifiers made in memory, and the shipped one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import write_graph
from src.graph.model_info import with_facts

COLORS = ['red', 'green', 'blue']
SIDE = 32


def color_classifier(
    path: Path,
    before: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    labels: list[str] | None = COLORS,
    after: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> Path:
    """Write a model that predicts the color of the brightest spot: a convolution that finds pixels of each
    color, ReLU, mean, softmax. `before` is applied to the pixels, `after` to the mean."""
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, dct_method='INTEGER_ACCURATE', name='DecodeJpeg')
        sized = tf.image.resize_bilinear(
            tf.cast(decoded, tf.float32)[None], [SIDE, SIDE], name='ResizeBilinear'
        )
        kernel = np.full((4, 4, 3, 4), -1.0, np.float32)
        kernel[:, :, [0, 1, 2], [0, 1, 2]] = 1.0  # each of three channels finds one color
        conv = tf.nn.conv2d(before(sized / 255.0), tf.constant(kernel, name='kernel'), 4, 'SAME', name='conv')
        # The fourth channel is below 0 for every input: its ReLU is dead.
        maps = tf.nn.relu(conv + np.float32([0, 0, 0, -1]), name='Relu')
        pooled = after(tf.reduce_mean(maps, [1, 2], name='pool_3'))
        weights = np.concatenate([np.eye(3), np.zeros((1, 3))]).astype(np.float32)
        tf.nn.softmax(10 * (pooled @ weights), name='output_node')
        graph_def = graph.as_graph_def()
    return write_graph(with_facts(graph_def, labels, {}) if labels else graph_def, path)


def spot(color: tuple[int, int, int], corner: tuple[int, int] = (0, 0), side: int = 64) -> np.ndarray:
    """[side, side, 3] uint8: black, with a square of a quarter of the side in a color at a corner (1: down
    or right)."""
    picture = np.zeros((side, side, 3), np.uint8)
    size = side // 4
    top, left = (place * (side - size) for place in corner)
    picture[top : top + size, left : left + size] = color
    return picture
