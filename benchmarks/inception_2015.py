"""A graph with the structure of the 2015 release of Inception v3 and random weights.

    python -m benchmarks.inception_2015 inception_like.pb

It has the layers (Szegedy et al. 2015, https://arxiv.org/abs/1512.00567), ops, names, GraphDef version (8)
and size (95 MB) of `classify_image_graph_def.pb`, so it takes the same time. Its vectors are finite and
differ between photos, but have no meaning.

A block is a line of text: branches separated by ';', steps of a branch by spaces. `64:1x7` is a convolution
of 64 filters, 1 high and 7 wide; `avg` and `max` are 3x3 pools; `/2` means stride 2 without padding, `v`
stride 1 without padding; `a+b` are two parallel convolutions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.common import cli, errors, files, paths
from src.common.files import count
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.graph_io import write_graph

SIZE = 299
CLASSES = 1008
EPSILON = 0.001
VERSION = 8  # of the GraphDef, as in the release

STEM = '32:3x3/2 32:3x3v 64:3x3 max/2 80:1x1v 192:3x3v max/2'
FIGURE_5 = '64:1x1; 48:1x1 64:5x5; 64:1x1 96:3x3 96:3x3; avg {}:1x1'
FIGURE_6 = '192:1x1; {0}:1x1 {0}:1x7 192:7x1; {0}:1x1 {0}:7x1 {0}:1x7 {0}:7x1 192:1x7; avg 192:1x1'
FIGURE_7 = '320:1x1; 384:1x1 384:1x3+384:3x1; 448:1x1 384:3x3 384:1x3+384:3x1; {} 192:1x1'
BLOCKS = (
    *(FIGURE_5.format(pooled) for pooled in (32, 64, 64)),
    '384:3x3/2; 64:1x1 96:3x3 96:3x3/2; max/2',
    *(FIGURE_6.format(inner) for inner in (128, 160, 160, 192)),
    '192:1x1 320:3x3/2; 192:1x1 192:1x7 192:7x1 192:3x3/2; max/2',
    *(FIGURE_7.format(pool) for pool in ('avg', 'max')),
)


def graph_def(seed: int = 0) -> tf.GraphDef:
    """The whole graph, from one encoded image at DecodeJpeg/contents:0 to softmax:0 [1, 1008]."""
    made = _Graph(seed)
    end = _preprocessing(made)
    for step in STEM.split():
        end = made.step(end, step, '')
    for number, block in enumerate(BLOCKS):
        end = _block(made, end, 'mixed' + (f'_{number}' if number else ''), block)
    _classifier(made, end)
    return made.graph_def


def _preprocessing(made: _Graph) -> str:
    """Preprocessing: from one encoded image to pixels from -1 to 1."""
    made.const('DecodeJpeg/contents', b'')
    made.node('DecodeJpeg', 'DecodeJpeg', ['DecodeJpeg/contents'], channels=3)
    made.node('Cast', 'Cast', ['DecodeJpeg'], SrcT=tf.uint8, DstT=tf.float32)
    made.node('ExpandDims', 'ExpandDims', ['Cast', made.const('ExpandDims/dim', np.int32(0))], T=tf.float32)
    size = made.const('ResizeBilinear/size', np.int32([SIZE, SIZE]))
    made.node('ResizeBilinear', 'ResizeBilinear', ['ExpandDims', size], T=tf.float32)
    made.node('Sub', 'Sub', ['ResizeBilinear', made.const('Sub/y', np.float32(128))], T=tf.float32)
    made.depth['Mul'] = 3
    return made.node('Mul', 'Mul', ['Sub', made.const('Mul/y', np.float32(1 / 128))], T=tf.float32)


def _block(made: _Graph, start: str, name: str, block: str) -> str:
    """Parallel branches, concatenated along the channels. Branches of several steps are called towers."""
    ends, towers = [], 0
    for branch in block.split(';'):
        scope, steps = name + '/', branch.split()
        if len(steps) > 1:
            scope += 'tower' + (f'_{towers}/' if towers else '/')
            towers += 1
        last = [start]
        for step in steps:
            inner = scope + 'mixed/' if '+' in step else scope
            last = [made.step(last[0], part, inner) for part in step.split('+')]
        ends += last
    axis = made.const(f'{name}/join/concat_dim', np.int32(3))
    made.depth[f'{name}/join'] = sum(made.depth[end] for end in ends)
    return made.node(f'{name}/join', 'Concat', [axis, *ends], T=tf.float32, N=len(ends))


def _classifier(made: _Graph, end: str) -> None:
    """From the last block to the classes."""
    width = made.depth[end]
    made.pool('pool_3', 'AvgPool', end, 8, 1, 'VALID')
    shape = made.const('pool_3/_reshape/shape', np.int32([1, width]))
    made.node('pool_3/_reshape', 'Reshape', ['pool_3', shape], T=tf.float32, Tshape=tf.int32)
    weights = made.const('softmax/weights', made.normal((width, CLASSES), 0.05))
    made.node('softmax/logits/MatMul', 'MatMul', ['pool_3/_reshape', weights], T=tf.float32)
    biases = made.const('softmax/biases', made.normal((CLASSES,), 0.05))
    made.node('softmax/logits', 'BiasAdd', ['softmax/logits/MatMul', biases], T=tf.float32)
    made.node('softmax', 'Softmax', ['softmax/logits'], T=tf.float32)


class _Graph:
    """A GraphDef under construction. `depth` holds the number of channels of each layer."""

    def __init__(self, seed: int):
        self.graph_def = tf.GraphDef()
        self.graph_def.versions.producer = VERSION
        self.depth: dict[str, int] = {}
        self._names: set[str] = set()
        self._random = np.random.default_rng(seed)

    def node(self, name: str, op: str, inputs: Sequence[str], **attributes) -> str:
        node = self.graph_def.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            _set(node.attr[key], value)
        self._names.add(name)
        return name

    def const(self, name: str, value) -> str:
        tensor = tf.make_tensor_proto(value)
        return self.node(name, 'Const', [], dtype=tf.as_dtype(tensor.dtype), value=tensor)

    def normal(self, shape: tuple[int, ...], deviation: float) -> np.ndarray:
        return deviation * self._random.standard_normal(shape, np.float32)

    def step(self, start: str, step: str, scope: str) -> str:
        """One convolution or pool, as the module's docstring describes them."""
        what, strided, unpadded = re.fullmatch(r'(\w+?(?::\dx\d)?)(/2)?(v)?', step).groups()
        stride, padding = 2 if strided else 1, 'VALID' if strided or unpadded else 'SAME'
        if what in ('avg', 'max'):
            op = {'avg': 'AvgPool', 'max': 'MaxPool'}[what]
            return self.pool(self._fresh(scope + 'pool'), op, start, 3, stride, padding)
        filters, height, width = map(int, re.split('[:x]', what))
        return self.convolution(self._fresh(scope + 'conv'), start, (height, width), filters, stride, padding)

    def pool(self, name: str, op: str, start: str, size: int, stride: int, padding: str) -> str:
        self.depth[name] = self.depth[start]
        sizes, strides = [1, size, size, 1], [1, stride, stride, 1]
        return self.node(name, op, [start], T=tf.float32, ksize=sizes, strides=strides, padding=padding)

    def convolution(
        self, name: str, start: str, size: tuple[int, int], filters: int, stride: int, padding: str
    ) -> str:
        """Convolution, batch norm, a check for NaN as control dependency, and ReLU."""
        shape = (*size, self.depth[start], filters)
        # With this scale values neither vanish nor explode over the layers. Filters with mean 0 respond to
        # differences between photos, not to the positive mean that ReLUs have.
        weights = self.normal(shape, math.sqrt(3 / math.prod(shape[:3])))
        params = self.const(f'{name}/conv2d_params', weights - weights.mean((0, 1, 2)))
        strides = [1, stride, stride, 1]
        out = self.node(
            f'{name}/Conv2D', 'Conv2D', [start, params], T=tf.float32, strides=strides, padding=padding
        )
        out = self._batch_norm(f'{name}/batchnorm', out, filters)
        check = self.node(f'{name}/CheckNumerics', 'CheckNumerics', [out], T=tf.float32, message='NaN or Inf')
        out = self.node(f'{name}/control_dependency', 'Identity', [out, '^' + check], T=tf.float32)
        self.depth[name] = filters
        return self.node(name, 'Relu', [out], T=tf.float32)

    def _batch_norm(self, name: str, start: str, filters: int) -> str:
        parts = {
            'moving_mean': self.normal((filters,), 0.1),
            'moving_variance': 1 + abs(self.normal((filters,), 0.1)),
            'beta': self.normal((filters,), 0.1),
            'gamma': np.ones(filters, np.float32),  # unused, as scale_after_normalization is false
        }
        inputs = [start, *(self.const(f'{name}/{part}', value) for part, value in parts.items())]
        attributes = {'variance_epsilon': EPSILON, 'scale_after_normalization': False}
        return self.node(name, 'BatchNormWithGlobalNormalization', inputs, T=tf.float32, **attributes)

    def _fresh(self, name: str) -> str:
        """The name, with the next free number if it is taken: conv, conv_1, conv_2."""
        taken = sum(re.fullmatch(re.escape(name) + r'(_\d+)?', other) is not None for other in self._names)
        return f'{name}_{taken}' if taken else name


def _set(attribute: tf.AttrValue, value) -> None:
    """Fill an AttrValue from a Python value."""
    if isinstance(value, tf.DType):
        attribute.type = value.as_datatype_enum
    elif isinstance(value, bool):
        attribute.b = value
    elif isinstance(value, int):
        attribute.i = value
    elif isinstance(value, float):
        attribute.f = value
    elif isinstance(value, str):
        attribute.s = value.encode()
    elif isinstance(value, list):
        attribute.list.i.extend(value)
    else:
        attribute.tensor.CopyFrom(value)


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.inception_2015', __doc__)
    made.add_argument('pb', type=Path, help='file to write')
    args = made.parse_args(argv)
    graph = graph_def()
    write_graph(graph, args.pb)
    size = files.human_size(files.size_of(args.pb))
    say(f'{paths.shown(args.pb)}  {size}, {count(len(graph.node), "node")}')


if __name__ == '__main__':
    errors.run(main)
