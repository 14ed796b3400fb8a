"""The input of all contenders of the bottleneck benchmark: photos, and parts of one graph.

    image ──► preprocessing ──► pixels ──► scaling ──► convolutions ──► bottleneck
    [ released                                                                   ]
    [ preprocessing                             ]
                                [ network                                        ]

The graph is cut in TensorFlow's graph mode, which Keras does not work in, so the parts are written to files.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.backbones import Backbone, load_backbone
from src.graph.batching import feed_batches
from src.graph.graph_io import ancestors, node_of, read_graph, subgraph, write_graph
from src.graph.rewrites.modernize import modernize
from src.graph.rewrites.optimize import optimize
from src.images.reader import ImageReader

BATCH = consts.EXTRACTION_BATCH_SIZE  # of Rootstock, and of others unless another is faster for them
CALIBRATION = 100  # photos that int8 is calibrated on, the first of those measured
PHOTOS_AHEAD = 16  # decoded while the network runs; at least two batches
CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative')


@dataclass(frozen=True)
class Task:
    """The files, names of tensors, and FLOPs of one image."""

    photos: tuple[Path, ...]
    released: Path  # the graph as released
    preprocessing: Path  # from one encoded image to the input of the first convolution, `scaled`
    network: Path  # from pixels to the bottleneck, batch norms not folded
    weights: Path  # of each convolution with its batch norm folded in: kernel_0, bias_0, ...
    image: str
    pixels: str
    scaled: str
    bottleneck: str
    nodes: int
    flops: float
    alone: bool  # the network alone: pixels are decoded before anything is measured

    def data(self) -> list[bytes]:
        return [photo.read_bytes() for photo in self.photos]


def inputs(task: Task) -> tuple[Callable[[Any], np.ndarray], list]:
    """What the bottlenecks are computed from, and the function from one of these to pixels
    [height, width, 3] float32: encoded photos, or decoded ones."""
    backbone = load_backbone(task.released)
    read = ImageReader(backbone.graph_def, backbone.preprocessing).read
    return (lambda pixels: pixels, list(map(read, task.data()))) if task.alone else (read, task.data())


def prepare(released: Path, photos: Sequence[Path], folder: Path, alone: bool = False) -> Task:
    """Write the parts of the graph in the file `released` to `folder`. Raises UserError as
    `load_backbone`."""
    backbone = load_backbone(released)
    preprocessing, target = backbone.preprocessing, backbone.bottleneck
    graph_def = feed_batches(modernize(subgraph(read_graph(released), [target])), preprocessing)
    network = from_placeholder(graph_def, backbone)
    folded, _ = optimize(network, [preprocessing.pixels, target])
    kernels = weights(folded)
    scaled = _first_input(folded)
    task = Task(
        photos=tuple(photos),
        released=Path(released),
        preprocessing=write_graph(subgraph(graph_def, [scaled]), folder / 'preprocessing.pb'),
        network=write_graph(network, folder / 'network.pb'),
        weights=folder / 'weights.npz',
        image=preprocessing.image,
        pixels=preprocessing.pixels,
        scaled=scaled,
        bottleneck=target,
        nodes=len(read_graph(released).node),
        flops=flops(network, target),
        alone=alone,
    )
    np.savez(task.weights, **kernels)
    return task


def from_placeholder(graph_def: tf.GraphDef, backbone: Backbone) -> tf.GraphDef:
    """The part from a placeholder for pixels to the bottleneck, for other tools."""
    preprocessing = backbone.preprocessing
    cut = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name == node_of(preprocessing.pixels):
            node = tf.NodeDef(name=node.name, op='Placeholder')
            node.attr['dtype'].type = tf.float32.as_datatype_enum
            shape = tf.TensorShape([None, preprocessing.height, preprocessing.width, 3])
            node.attr['shape'].shape.CopyFrom(shape.as_proto())
        cut.node.add().CopyFrom(node)
    return subgraph(cut, [backbone.bottleneck])


def weights(folded: tf.GraphDef) -> dict[str, np.ndarray]:
    """Kernels and biases of a graph with folded batch norms, in the order of its nodes."""
    biases = {node.input[0]: node.input[1] for node in folded.node if node.op == 'BiasAdd'}
    found = {}
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(folded, name='')
        for number, node in enumerate(node for node in folded.node if node.op in CONVOLUTIONS):
            operation = graph.get_operation_by_name(node.name)
            found[f'kernel_{number}'] = session.run(operation.inputs[1])
            bias = biases.get(node.name)
            channels = operation.outputs[0].shape[-1]
            found[f'bias_{number}'] = session.run(f'{node_of(bias)}:0') if bias else np.zeros(channels)
    return found


def _first_input(graph_def: tf.GraphDef) -> str:
    """The input of the first convolution: the pixels in the range of the network."""
    convolutions = [node for node in graph_def.node if node.op in CONVOLUTIONS]
    first = min(convolutions, key=lambda node: len(ancestors(graph_def, [node.name])))
    return f'{node_of(first.input[0])}:0'


def flops(graph_def: tf.GraphDef, bottleneck: str) -> float:
    """Floating-point operations of the convolutions and matrix products for one image: two (multiply, add)
    for each weight at each position of the output. Other ops take few."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(subgraph(graph_def, [bottleneck]), name='')
    total = 0.0
    for op in graph.get_operations():
        if op.type in (*CONVOLUTIONS, 'MatMul'):
            places = math.prod(op.outputs[0].shape.as_list()[1:-1])
            total += 2.0 * places * math.prod(op.inputs[1].shape.as_list())
    return total


def decoded(read: Callable[[Any], np.ndarray], data: Sequence, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of pixels, each with the index of its first photo, decoded in threads ahead of the caller."""
    starts = iter(range(0, len(data), size))
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def begin(batches: int) -> list[tuple[int, list[Future]]]:
            return [
                (s, [pool.submit(read, photo) for photo in data[s : s + size]])
                for s in islice(starts, batches)
            ]

        waiting = deque(begin(max(2, PHOTOS_AHEAD // size)))
        while waiting:
            start, photos = waiting.popleft()
            waiting.extend(begin(1))
            yield start, np.stack([pixels.result() for pixels in photos])
