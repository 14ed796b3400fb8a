"""A small backbone with a residual block, weights stored as float16, and one constant that two layers share.

first ─► relu ─► block/a ─► relu ─► block/b ─► add ─► last ─► pool_3
           └──────────── shortcut ─────────────┘

with_residual_block(path)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common.tf1 import tf
from src.graph.backbones import Backbone, load_backbone
from src.graph.graph_io import write_graph

SIDE, CHANNELS, WIDTH = 12, 8, 128  # the last kernel is so large that its Cast is not folded
RANGE = (0, 255)


def _kernel(name: str, *shape: int, half: bool = False) -> tf.Tensor:
    value = np.random.default_rng(len(name)).normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
    if not half:
        return tf.constant(value.astype(np.float32), name=f'{name}/kernel')
    return tf.cast(tf.constant(value.astype(np.float16), name=f'{name}/kernel'), tf.float32, f'{name}/wide')


def _bias(name: str, size: int) -> tf.Tensor:
    value = np.random.default_rng(size).normal(0, 0.1, size).astype(np.float32)
    return tf.constant(value, name=f'{name}/bias')


def _convolution(x: tf.Tensor, kernel: tf.Tensor, name: str) -> tf.Tensor:
    with tf.name_scope(name):
        y = tf.nn.conv2d(x, kernel, 1, 'SAME', name='Conv2D')
    return tf.nn.bias_add(y, _bias(name, int(kernel.shape[-1])), name=f'{name}/BiasAdd')


def graph_with_block(between=lambda x: x) -> tf.GraphDef:
    """`between` is put before the last layer, and a classifier is behind the bottleneck."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input') / 255
        x = tf.nn.relu(_convolution(x, _kernel('first', 3, 3, 3, CHANNELS), 'first'), 'first/relu')
        shared = _kernel('block/shared', 3, 3, CHANNELS, CHANNELS)
        y = tf.nn.relu(_convolution(x, shared, 'block/a'), 'block/a/relu')
        y = _convolution(y, shared, 'block/b')
        x = between(tf.add(x, y, 'block/add'))
        x = tf.nn.relu(_convolution(x, _kernel('last', 3, 3, CHANNELS, WIDTH, half=True), 'last'))
        pooled = tf.reduce_mean(x, [1, 2], name='pool_3')
        tf.nn.softmax(tf.matmul(pooled, _kernel('classifier', WIDTH, 5)), name='softmax')
        return graph.as_graph_def()


def with_residual_block(path: Path, **options) -> Path:
    return write_graph(graph_with_block(**options), path)


def loaded(path: Path) -> Backbone:
    return load_backbone(path, pixel_range=RANGE)
