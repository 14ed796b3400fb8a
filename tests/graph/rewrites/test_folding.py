"""Folding of every kind of batch norm into every kind of convolution, compared with the original graph."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.graph_io import nodes_by_name
from src.graph.rewrites.optimize import optimize
from tests.graph.graphs import answer

SIDE, DEPTH, CHANNELS, EPSILON = 7, 4, 8, 0.01

draw = np.random.default_rng(3)
KERNELS = {
    'Conv2D': draw.normal(0, 1, (3, 3, DEPTH, CHANNELS)),
    'Conv2D of groups': draw.normal(0, 1, (3, 3, DEPTH // 2, CHANNELS)),
    'DepthwiseConv2dNative': draw.normal(0, 1, (3, 3, DEPTH, CHANNELS // DEPTH)),
    'MatMul': draw.normal(0, 1, (DEPTH, CHANNELS)),
    'MatMul, transposed': draw.normal(0, 1, (CHANNELS, DEPTH)),
}
MEAN, BETA = draw.normal(0, 1, (2, CHANNELS)).astype(np.float32)
VARIANCE, GAMMA = draw.uniform(0.5, 2, (2, CHANNELS)).astype(np.float32)
IMAGES = draw.normal(0, 1, (3, SIDE, SIDE, DEPTH)).astype(np.float32)


def convolved(x: tf.Tensor, kind: str) -> tf.Tensor:
    weights = tf.constant(KERNELS[kind], tf.float32, name='weights')
    if kind.startswith('MatMul'):
        return tf.matmul(x, weights, transpose_b='transposed' in kind, name='conv')
    if kind == 'DepthwiseConv2dNative':
        return tf.nn.depthwise_conv2d_native(x, weights, [1, 1, 1, 1], 'SAME', name='conv')
    return tf.nn.conv2d(x, weights, 2, 'SAME', name='conv')


def fused(op) -> callable:
    def norm(x: tf.Tensor) -> tf.Tensor:
        facts = {'scale': GAMMA, 'offset': BETA, 'mean': MEAN, 'variance': VARIANCE}
        return op(x=x, **facts, epsilon=EPSILON, is_training=False, name='norm')[0]

    return norm


def as_frozen_from_keras(x: tf.Tensor) -> tf.Tensor:
    """Frozen by TensorFlow 2: scale and offset are computed from constants when the graph runs."""
    factor = tf.math.rsqrt(tf.constant(VARIANCE, name='moving_variance') + EPSILON) * GAMMA
    return x * factor + (BETA - factor * MEAN)


def as_frozen_from_keras_without_scale(x: tf.Tensor) -> tf.Tensor:
    factor = tf.math.rsqrt(tf.constant(VARIANCE) + EPSILON)
    return x * factor - factor * MEAN


FUSED = {
    'FusedBatchNorm': fused(tf.raw_ops.FusedBatchNorm),
    'FusedBatchNormV2': fused(tf.raw_ops.FusedBatchNormV2),
    'FusedBatchNormV3': fused(tf.raw_ops.FusedBatchNormV3),
}
SPELLED = {
    'Keras': as_frozen_from_keras,
    'Keras without scale': as_frozen_from_keras_without_scale,
    'textbook': lambda x: (x - MEAN) / tf.sqrt(tf.constant(VARIANCE) + EPSILON) * GAMMA + BETA,
    'factor': lambda x: GAMMA * x,
    'one factor for all': lambda x: x * 0.3,
    'turned round': lambda x: BETA - x,
    'old Add': lambda x: tf.raw_ops.Add(x=x * GAMMA, y=tf.constant(BETA)),
}
EVERY = [(kernel, norm) for kernel in KERNELS for norm in SPELLED] + [
    (kernel, norm) for kernel in KERNELS if not kernel.startswith('MatMul') for norm in FUSED
]


def graph_of(kind: str, norm: callable, bias: bool = False) -> tf.GraphDef:
    """x ──► conv [──► bias] ──► norm ──► relu."""
    with tf.Graph().as_default() as graph:
        shape = [None, DEPTH] if kind.startswith('MatMul') else [None, SIDE, SIDE, DEPTH]
        y = convolved(tf.placeholder(tf.float32, shape, 'x'), kind)
        y = tf.nn.bias_add(y, tf.constant(MEAN - 1)) if bias else y
        tf.nn.relu(tf.identity(norm(y), 'normed'), 'relu')
        return graph.as_graph_def()


def assert_same(one: tf.GraphDef, other: tf.GraphDef, tensor: str = 'relu:0', **feed) -> None:
    rank = nodes_by_name(one)['x'].attr['shape'].shape.dim
    feed = {'x:0': IMAGES if len(rank) == 4 else IMAGES[:, 0, 0], **feed}
    before, after = (answer(graph_def, tensor, feed) for graph_def in (one, other))
    assert np.abs(before).max() > 0.1
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-5)


def ops(graph_def: tf.GraphDef) -> list[str]:
    return [node.op for node in graph_def.node if node.op not in ('Const', 'Placeholder')]


@pytest.mark.parametrize('bias', [False, True], ids=['', 'after a BiasAdd'])
@pytest.mark.parametrize(('kind', 'norm'), EVERY, ids=str)
def test_each_kind_is_folded_with_the_same_result(kind, norm, bias):
    before = graph_of(kind, (FUSED | SPELLED)[norm], bias)
    after, rewrites = optimize(before, ['relu:0'])
    assert rewrites.folded == 1
    assert ops(after) == [kind.split()[0].strip(','), 'BiasAdd', 'Relu']
    assert_same(before, after)


def test_an_offset_alone_becomes_a_bias():
    before = graph_of('Conv2D', lambda x: x + BETA.reshape(1, 1, 1, -1))
    after, rewrites = optimize(before, ['relu:0'])
    assert ops(after) == ['Conv2D', 'BiasAdd', 'Relu']
    assert rewrites.folded == 0
    assert_same(before, after)


def test_a_folded_graph_keeps_its_nodes():
    before = graph_of('Conv2D', lambda x: tf.nn.bias_add(x, BETA))
    names = {node.name for node in before.node} - {'normed'}
    assert {node.name for node in optimize(before, ['relu:0'])[0].node} == names


def with_batch(x: tf.Tensor, **options) -> tf.Tensor:
    """A batch norm with mean and variance of the batch."""
    return tf.raw_ops.FusedBatchNormV3(x=x, scale=GAMMA, offset=BETA, mean=[], variance=[], **options)[0]


LEFT_ALONE = {
    'mean and variance of the batch': lambda x: with_batch(x, is_training=True),
    'a factor by place': lambda x: x * draw.normal(0, 1, (4, 4, 1)),
    'a factor by image': lambda x: x * np.arange(1.0, 4.0).reshape(3, 1, 1, 1),
    'a factor by channel and place': lambda x: x * draw.normal(0, 1, (4, 1, CHANNELS)),
    'a factor that is not constant': lambda x: x * tf.reduce_mean(x, [1, 2], keepdims=True),
    'one more dimension': lambda x: x * GAMMA.reshape(1, 1, 1, 1, -1),
    'itself': lambda x: x * x,
    'divided by': lambda x: GAMMA / (x + 0.0),
}


@pytest.mark.parametrize('norm', LEFT_ALONE)
def test_other_operations_stay(norm):
    before = graph_of('Conv2D', LEFT_ALONE[norm])
    after, rewrites = optimize(before, ['relu:0'])
    assert rewrites.folded == 0
    assert_same(before, after)


def test_a_batch_norm_is_in_training_mode_by_default():
    before = graph_of('Conv2D', FUSED['FusedBatchNormV3'])
    norm = nodes_by_name(before)['norm']
    del norm.attr['is_training']
    assert optimize(before, ['relu:0'])[1].folded == 0


def test_a_broadcast_to_more_channels_stays():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, DEPTH], 'x')
        y = tf.nn.conv2d(x, tf.constant(KERNELS['Conv2D'][..., :1], tf.float32), 1, 'SAME', name='conv')
        tf.nn.relu(y * GAMMA, 'relu')
    before = graph.as_graph_def()
    after, rewrites = optimize(before, ['relu:0'])
    assert rewrites.folded == 0
    assert_same(before, after)


def test_weights_that_are_fed_are_not_folded():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, DEPTH], 'x')
        weights = tf.placeholder(tf.float32, KERNELS['Conv2D'].shape, 'weights')
        tf.nn.relu(FUSED['FusedBatchNormV3'](tf.nn.conv2d(x, weights, 1, 'SAME')), 'relu')
    before = graph.as_graph_def()
    after, rewrites = optimize(before, ['relu:0'])
    assert rewrites.folded == 0
    assert_same(before, after, **{'weights:0': KERNELS['Conv2D']})


@pytest.mark.parametrize('tensor', ['conv', 'scaled'])
def test_a_value_with_several_uses_is_right(tensor):
    """Used by another node, or named in `keep`: ops after it are not folded across it."""

    def norm(x: tf.Tensor) -> tf.Tensor:
        return tf.multiply(x, GAMMA, 'scaled') + BETA

    used = graph_of('Conv2D', norm)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(used, name='')
        add = graph.get_tensor_by_name('relu:0') + 3 * graph.get_tensor_by_name(f'{tensor}:0')
        tf.identity(add, 'both')
    before = graph.as_graph_def()
    after, rewrites = optimize(before, ['both:0'])
    assert rewrites.folded == (tensor == 'scaled')
    assert_same(before, after, 'both:0')
    wanted, rewrites = optimize(used, ['relu:0', f'{tensor}:0'])
    assert rewrites.folded == (tensor == 'scaled')
    for name in ('relu:0', f'{tensor}:0'):
        assert_same(used, wanted, name)


def test_weights_shared_by_two_convolutions():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, DEPTH], 'x')
        weights = tf.constant(KERNELS['Conv2D'], tf.float32)
        one, other = (tf.nn.conv2d(x, weights, 1, 'SAME') for _ in range(2))
        tf.add(one * GAMMA, tf.exp(-(other**2)), 'both')
    before = graph.as_graph_def()
    after, rewrites = optimize(before, ['both:0'])
    assert rewrites.folded == 1
    assert_same(before, after, 'both:0')


def test_folding_again_for_another_tensor():
    """A frozen graph may be cut again elsewhere; the names of the first folding are taken then."""
    before = graph_of('Conv2D', lambda x: tf.multiply(tf.multiply(x, GAMMA, 'scaled') + BETA, 2, 'doubled'))
    once, _ = optimize(before, ['relu:0', 'scaled:0'])
    twice, rewrites = optimize(once, ['relu:0'])
    assert rewrites.folded == 1
    assert ops(twice) == ['Conv2D', 'BiasAdd', 'Relu']
    assert_same(before, twice)


def test_channels_first():
    """CPUs may not support NCHW, so the rewritten graph is converted to NHWC to compare."""
    before = graph_of('Conv2D', FUSED['FusedBatchNormV3'])
    first = tf.GraphDef()
    first.CopyFrom(before)
    for name in ('conv', 'norm'):
        nodes_by_name(first)[name].attr['data_format'].s = b'NCHW'
    after, rewrites = optimize(first, ['relu:0'])
    assert rewrites.folded == 1
    formats = {node.op: node.attr['data_format'].s for node in after.node if 'data_format' in node.attr}
    assert formats == {'Conv2D': b'NCHW', 'BiasAdd': b'NCHW'}
    for node in after.node:
        if 'data_format' in node.attr:
            node.attr['data_format'].s = b'NHWC'
    assert_same(before, after)
    nodes_by_name(first)['norm'].attr['data_format'].s = b'NHWC'  # axis 3, which is not the channel axis here
    assert optimize(first, ['relu:0'])[1].folded == 0
