"""Frozen classifiers of a few nodes: of the brightest half of a picture, and a small graph as of 2015."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import write_graph
from src.graph.model_info import with_facts
from tests.graph.graphs import CLASSES, graph_of_2015

SIDES = ['top', 'bottom', 'left', 'right']
SHARPNESS = 0.05


def brightest_side(
    path: Path, labels=SIDES, output: str = 'output_node', sides: int = 4, sharpness=SHARPNESS, **info
) -> Path:
    """Write a model that predicts the brightest of the first `sides` halves of a picture; it carries `labels`
    if given, and `info`."""
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], 'DecodeJpeg/contents')
        decoded = tf.image.decode_jpeg(image, channels=3, dct_method='INTEGER_ACCURATE', name='DecodeJpeg')
        pixels = tf.image.resize_bilinear(tf.cast(decoded, tf.float32)[None], [8, 8], name='ResizeBilinear')
        grey = tf.reduce_mean(pixels, 3)
        halves = [grey[:, :4], grey[:, 4:], grey[:, :, :4], grey[:, :, 4:]][:sides]
        means = tf.stack([tf.reduce_mean(half, [1, 2]) for half in halves], 1, 'pool_3')
        tf.nn.softmax(means * sharpness, name=output)
        graph_def = graph.as_graph_def()
    info = {'backbone': {'bottleneck': 'pool_3:0', 'width': sides}} | info
    return write_graph(with_facts(graph_def, labels, info) if labels else graph_def, path)


def somebody_elses(path: Path, labels=None) -> Path:
    """Write a classifier that Rootstock did not make, and NAME.txt beside it if there are labels."""
    if labels is not None:
        path.with_suffix('.txt').write_text('\n'.join(labels) + '\n', encoding='utf-8')
    return write_graph(graph_of_2015(), path)


NAMES = [f'Klasse {n}' for n in range(CLASSES)]


def bright_above(width: int = 64, height: int = 48) -> np.ndarray:
    """[height, width, 3] uint8: light above, dark below, in a warm color."""
    levels = np.linspace(230, 20, height)[:, None, None] * np.array([1, 0.9, 0.8])
    return np.repeat(levels, width, 1).astype(np.uint8)
