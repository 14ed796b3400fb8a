"""Optimized graphs give the same outputs: small graphs made here, and real ones on real photos."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import paths
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.batching import feed_batches
from src.graph.graph_io import nodes_by_name, read_graph, write_graph
from src.graph.preprocessing.find import find_preprocessing
from src.graph.rewrites.modernize import modernize
from src.graph.rewrites.optimize import optimize
from src.images.reader import ImageReader
from tests.graph.graphs import SIDE, answer, bottleneck_of, graph_of_2015
from tests.graph.real import dogs_and_cats
from tests.pictures import encoded, photo

PIXELS = photo(SIDE, SIDE, seed=4)[None].astype(np.float32)


def fed_graph_of_2015(scale=True):
    graph_def = modernize(graph_of_2015(scale))
    preprocessing = find_preprocessing(graph_def, 'pool_3:0', paths.ROOT / 'made.pb')
    return feed_batches(graph_def, preprocessing), preprocessing


def ops(graph_def):
    return [node.op for node in graph_def.node if node.op != 'Const']


@pytest.mark.parametrize('scale', [True, False])
def test_the_batch_norm_of_2015_is_folded(scale):
    graph_def, preprocessing = fed_graph_of_2015(scale)
    after, rewrites = optimize(graph_def, ['pool_3:0', preprocessing.image, preprocessing.pixels])
    assert rewrites.folded == 1
    assert str(rewrites) == f'{len(graph_def.node)} → {len(after.node)} nodes, 1 batch norm folded'
    network = ops(after)[ops(after).index('PlaceholderWithDefault') + 1 :]
    assert network == ['Sub', 'RealDiv', 'Conv2D', 'BiasAdd', 'Relu', 'AvgPool']
    got = answer(after, 'pool_3:0', {preprocessing.pixels: PIXELS}).reshape(1, -1)
    np.testing.assert_allclose(got, bottleneck_of(PIXELS.astype(float), scale), rtol=1e-5, atol=1e-5)


def test_everything_in_keep_can_be_fed_and_fetched():
    graph_def, preprocessing = fed_graph_of_2015()
    wanted = [
        'softmax:0',
        'pool_3:0',
        'conv/batchnorm:0',
        preprocessing.image,
        preprocessing.decoded,
        preprocessing.pixels,
    ]
    after, _ = optimize(graph_def, wanted)
    pixels = PIXELS[0].astype(np.uint8)
    for feed in (
        {preprocessing.image: encoded(pixels, 'PNG')},
        {preprocessing.decoded: pixels},
        {preprocessing.pixels: PIXELS},
    ):
        for tensor in wanted[:3]:
            expected = answer(graph_def, tensor, feed)
            np.testing.assert_allclose(answer(after, tensor, feed), expected, rtol=1e-5, atol=1e-5)
    inner = np.random.default_rng(0).normal(0, 1, (1, SIDE, SIDE, 6)).astype(np.float32)
    for tensor in ('conv/batchnorm:0', 'pool_3:0'):
        feed = {tensor: inner[:, :1, :1] if tensor == 'pool_3:0' else inner, preprocessing.image: b''}
        expected = answer(graph_def, 'softmax:0', feed)
        np.testing.assert_allclose(answer(after, 'softmax:0', feed), expected, rtol=1e-5, atol=1e-6)


def test_the_given_graph_is_unchanged():
    graph_def, preprocessing = fed_graph_of_2015()
    before = graph_def.SerializeToString(deterministic=True)
    optimize(graph_def, ['pool_3:0', preprocessing.pixels])
    assert graph_def.SerializeToString(deterministic=True) == before


def test_no_node_has_attributes_that_its_op_lacks():
    """Other readers of GraphDefs refuse unknown attributes."""
    graph_def, preprocessing = fed_graph_of_2015()
    after, _ = optimize(graph_def, ['softmax:0', preprocessing.pixels])
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(after, name='')
    for node in after.node:
        allowed = {attribute.name for attribute in graph.get_operation_by_name(node.name).op_def.attr}
        assert {name for name in node.attr if not name.startswith('_')} <= allowed, node.name


def test_optimizing_twice_changes_nothing():
    graph_def, preprocessing = fed_graph_of_2015()
    once, _ = optimize(graph_def, ['softmax:0', preprocessing.pixels])
    twice, rewrites = optimize(once, ['softmax:0', preprocessing.pixels])
    assert twice == once
    assert rewrites.folded == 0


def test_checks_copies_and_control_edges_are_removed():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], 'x')
        positive = tf.debugging.assert_greater(x, 0.0)
        with tf.control_dependencies([positive]):
            checked = tf.debugging.check_numerics(tf.identity(x), 'no number')
        tf.identity(tf.stop_gradient(checked) * 2, 'twice')
    after, _ = optimize(graph.as_graph_def(), ['twice:0', 'x:0'])
    assert ops(after) == ['Placeholder', 'Mul', 'Identity']  # the last one has a name in `keep`
    np.testing.assert_array_equal(answer(after, 'twice:0', {'x:0': [-1, 2]}), [-2, 4])


def test_constants_are_folded():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], 'x')
        table = tf.transpose(tf.reshape(tf.sqrt(tf.constant([1.0, 4.0, 9.0, 16.0])), [2, 2]))
        training = tf.placeholder_with_default(False, [], 'training')
        tf.add(x @ table, tf.cast(training, tf.float32), 'sum')
    before = graph.as_graph_def()
    after, _ = optimize(before, ['sum:0'])
    assert ops(after) == ['Placeholder', 'MatMul', 'BiasAdd']
    np.testing.assert_allclose(answer(after, 'sum:0', {'x:0': [[1, 1]]}), [[3, 7]])
    assert 'PlaceholderWithDefault' in ops(optimize(before, ['sum:0', 'training:0'])[0])


def test_random_numbers_are_not_folded():
    with tf.Graph().as_default() as graph:
        tf.multiply(tf.placeholder(tf.float32, [], 'x'), tf.random.uniform([3]), 'noise')
    after, _ = optimize(graph.as_graph_def(), ['noise:0'])
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(after, name='')
        one, other = (session.run('noise:0', {'x:0': 1}) for _ in range(2))
    assert (one != other).any()


def test_constants_that_would_grow_are_not_folded():
    weights = np.random.default_rng(0).normal(0, 1, (200, 200)).astype(np.float16)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 200], 'x')
        y = tf.matmul(x, tf.cast(tf.constant(weights), tf.float32))
        tf.multiply(tf.reduce_sum(y) * tf.ones([1000, 1000]), 1 / tf.sqrt(4.0), 'filled')
    before = graph.as_graph_def()
    after, _ = optimize(before, ['filled:0'])
    assert after.ByteSize() < before.ByteSize() + 1000
    assert nodes_by_name(after).keys() < nodes_by_name(before).keys()
    assert {'Cast', 'Fill'} & set(ops(after)) and 'Sqrt' not in ops(after)
    feed = {'x:0': np.ones((1, 200), np.float32)}
    np.testing.assert_array_equal(answer(after, 'filled:0', feed), answer(before, 'filled:0', feed))


def test_nodes_with_several_outputs_are_not_folded():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2], 'x')
        first, second = tf.split(tf.constant([1.0, 2.0, 3.0, 4.0]) * 2, 2)
        tf.add(x * first, second, 'sum')
    after, _ = optimize(graph.as_graph_def(), ['sum:0'])
    np.testing.assert_array_equal(answer(after, 'sum:0', {'x:0': [1, 1]}), [8, 12])


def test_a_graph_with_branches_is_unchanged():
    """Only control edges decide between two constants."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], 'x')
        chosen = tf.cond(x > 0, lambda: tf.constant(1.0), lambda: tf.constant(-1.0))
        tf.identity(chosen, 'sign')
    before = graph.as_graph_def()
    assert 'Merge' in ops(before)
    after, _ = optimize(before, ['sign:0'])
    for x in (-3, 3):
        assert answer(after, 'sign:0', {'x:0': x}) == np.sign(x)


def assert_same_bottlenecks(path, photos):
    """Assert that the vectors of a backbone differ by less than 1e-4 from those of the released graph."""
    backbone, released = load_backbone(path), load_backbone(path, faster=False)
    assert backbone.rewrites.before == len(read_graph(path).node)
    assert backbone.rewrites.after == len(backbone.graph_def.node) <= len(released.graph_def.node)
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    pixels = np.stack([reader.read(data) for data in photos])
    wanted, got = (
        answer(graph_def, backbone.bottleneck, {backbone.preprocessing.pixels: pixels})
        for graph_def in (released.graph_def, backbone.graph_def)
    )
    assert wanted.std() > 0.1
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


def test_backbones_are_optimized_unless_requested_as_released(tmp_path):
    path = write_graph(graph_of_2015(), tmp_path / '2015.pb')
    assert_same_bottlenecks(path, [encoded(photo(40, 30, seed=n), 'PNG') for n in range(3)])
    backbone, released = load_backbone(path), load_backbone(path, faster=False)
    assert backbone.rewrites.folded == 1
    assert released.rewrites is None
    assert 'FusedBatchNormV3' in ops(released.graph_def) and 'FusedBatchNormV3' not in ops(backbone.graph_def)


def test_pocket_backbone_on_drawn_pictures_and_its_file_stays_small():
    path = paths.POCKET_GRAPH_DEF
    backbone = load_backbone(path)
    assert backbone.graph_def.ByteSize() < path.stat().st_size * 1.02
    assert_same_bottlenecks(path, [encoded(photo(120, 90, seed=n)) for n in range(6)])


@pytest.mark.parametrize('name', ['mobilenet_v2_1.0_224.pb', 'pocket_96.pb'])
def test_real_backbones_on_real_photos(real_data, name):
    assert_same_bottlenecks(real_data / 'backbones' / name, dogs_and_cats(real_data, 12).values())


def with_batch_norms(graph_def, spelled):
    """The graph with a batch norm before each BiasAdd after a convolution, as one op or several."""
    nodes, made = nodes_by_name(graph_def), tf.GraphDef(versions=graph_def.versions)
    draw = np.random.default_rng(5)
    norms = 0
    for node in graph_def.node:
        copy = made.node.add()
        copy.CopyFrom(node)
        if node.op != 'BiasAdd' or nodes[node.input[0]].op not in ('Conv2D', 'DepthwiseConv2dNative'):
            continue
        channels = nodes[node.input[1]].attr['value'].tensor.tensor_shape.dim[0].size
        facts = [draw.uniform(0.9, 1.1, channels), *draw.normal(0, 0.05, (2, channels))]
        facts = [*facts, draw.uniform(0.9, 1.1, channels)]
        copy.input[0] = norm = f'{node.name}/norm'
        made.node.extend(spelled(norm, node.input[0], [fact.astype(np.float32) for fact in facts]))
        norms += 1
    return made, norms


def as_one_op(name, x, facts):
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.float32, [None] * 3 + [len(facts[0])], 'given')
        gamma, beta, mean, variance = (tf.constant(f, name=f'{name}/{i}') for i, f in enumerate(facts))
        tf.raw_ops.FusedBatchNormV3(
            x=given, scale=gamma, offset=beta, mean=mean, variance=variance, is_training=False, name=name
        )
    return behind(graph, x)


def as_keras(name, x, facts):
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.float32, [None] * 3 + [len(facts[0])], 'given')
        gamma, beta, mean, variance = (tf.constant(f, name=f'{name}/{i}') for i, f in enumerate(facts))
        with tf.name_scope(f'{name}/'):
            factor = tf.math.rsqrt(variance + 1e-4) * gamma
            scaled, summand = given * factor, beta - mean * factor
        tf.add(scaled, summand, name)
    return behind(graph, x)


def behind(graph, x):
    """Import a graph with `x` in the place of its placeholder `given`."""
    nodes = [node for node in graph.as_graph_def().node if node.name != 'given']
    for node in nodes:
        node.input[:] = [x if given == 'given' else given for given in node.input]
    return nodes


@pytest.mark.parametrize('spelled', [as_one_op, as_keras])
def test_a_deep_network_of_batch_norms_on_real_photos(real_data, spelled):
    """MobileNet V2 with its 52 batch norms, as before they were folded."""
    backbone = load_backbone(real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb')
    before, norms = with_batch_norms(backbone.graph_def, spelled)
    after, rewrites = optimize(before, [backbone.bottleneck, backbone.preprocessing.pixels])
    assert rewrites.folded == norms == 52
    assert len(after.node) <= len(backbone.graph_def.node)
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    pixels = np.stack([reader.read(data) for data in dogs_and_cats(real_data, 6).values()])
    wanted, got = (
        answer(graph_def, backbone.bottleneck, {backbone.preprocessing.pixels: pixels})
        for graph_def in (before, after)
    )
    assert wanted.std() > 0.1
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)
