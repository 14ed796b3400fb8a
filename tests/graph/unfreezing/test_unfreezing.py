"""Which layers can be thawed, where the graph is cut, and that both parts compute what the whole computes."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from benchmarks import inception_2015
from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.graph_io import write_graph
from src.graph.unfreezing.choice import NoSuchLayer, last_convolutions, matching, weighted_layers
from src.graph.unfreezing.cut import cut_before, import_with_weights
from src.graph.unfreezing.gradients import require_gradients
from tests.graph.residual import CHANNELS, SIDE, loaded, with_residual_block


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    return loaded(with_residual_block(tmp_path_factory.mktemp('graph') / 'residual.pb'))


def cut_at(backbone, layers):
    return cut_before(backbone, [name for layer in layers for name in layer.weights])


def differences(backbone, *cuts, number=3, seed=1):
    """Compare bottlenecks of the whole graph with those of both parts of each cut, with the original
    weights."""
    shape = (number, backbone.preprocessing.height, backbone.preprocessing.width, 3)
    pixels = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        whole = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    for cut in cuts:
        require_parts_equal(whole, cut, pixels)


def require_parts_equal(whole, cut, pixels):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, pixels.shape)
        weights = {name: tf.constant(value) for name, value in cut.weights.items()}
        parts = session.run(cut.attach_tail(cut.attach_frozen(x), weights), {x: pixels})
    np.testing.assert_allclose(parts, whole, atol=1e-4 * np.abs(whole).max())


def test_layers_are_listed_in_the_order_of_the_forward_pass(backbone):
    layers = weighted_layers(backbone)
    assert [layer.weights for layer in layers] == [
        ('first/kernel', 'first/bias'),
        ('block/shared/kernel', 'block/a/bias'),
        ('block/shared/kernel', 'block/b/bias'),
        ('last/kernel', 'last/bias'),
    ]
    assert layers[0].shape == (3, 3, 3, CHANNELS)


def test_two_tensors_cross_a_cut_inside_a_residual_block(backbone):
    chosen = matching(weighted_layers(backbone), ['block/b/bias'], backbone)
    cut = cut_before(backbone, [chosen[0].weights[1]])  # the bias alone: the kernel is shared with block/a
    assert [tensor.name for tensor in cut.crossing] == ['first/relu:0', 'block/b/Conv2D:0']
    assert cut.values == 2 * SIDE * SIDE * CHANNELS
    differences(backbone, cut)


def test_a_shared_constant_is_replaced_wherever_it_is_used(backbone):
    chosen = matching(weighted_layers(backbone), ['block/b'], backbone)
    cut = cut_at(backbone, chosen)
    assert [tensor.name for tensor in cut.crossing] == ['first/relu:0']  # block/a uses the kernel too
    differences(backbone, cut)
    with tf.Graph().as_default():
        weights = {name: tf.constant(value) for name, value in cut.weights.items()}
        import_with_weights(backbone.graph_def, weights, backbone.bottleneck, '')
        kernel = weights['block/shared/kernel']
        assert sum(op.type == 'Conv2D' for op in kernel.consumers()) == 2


def test_a_weight_stored_as_float16_keeps_float32_when_it_changes(backbone):
    cut = cut_at(backbone, last_convolutions(weighted_layers(backbone), 1, backbone))
    assert cut.weights['last/kernel'].dtype == np.float32
    assert [tensor.name for tensor in cut.crossing] == ['block/add:0']
    differences(backbone, cut)
    with tf.Graph().as_default(), tf.Session() as session:
        fine = {name: value + np.float32(1e-6) for name, value in cut.weights.items()}
        weights = {name: tf.constant(value) for name, value in fine.items()}
        x = tf.ones([1, cut.values])
        gained = session.run(
            cut.attach_tail(x, weights)
            - cut.attach_tail(x, {name: tf.constant(value) for name, value in cut.weights.items()})
        )
    assert np.abs(gained).max() > 1e-6  # float16 would round it away


def test_a_pattern_matches_names_and_their_parts(backbone):
    layers = weighted_layers(backbone)
    for pattern, names in {
        'block/*': ['block/a/Conv2D', 'block/b/Conv2D'],
        'b': ['block/b/Conv2D'],
        'last/kernel': ['last/Conv2D'],
        '[fl]*st': ['first/Conv2D', 'last/Conv2D'],
    }.items():
        assert [layer.name for layer in matching(layers, [pattern], backbone)] == names
    assert matching(layers, ['b', 'last'], backbone) == layers[2:]


def test_the_patterns_in_the_readme_match_the_backbone_of_their_example():
    text = (paths.CHECKOUT / 'README.md').read_text(encoding='utf-8')
    (patterns,) = (shlex.split(words) for words in re.findall(r'`--thaw ([^`]*)`', text))
    pocket = load_backbone(paths.POCKET_GRAPH_DEF)
    layers = weighted_layers(pocket)
    assert matching(layers, patterns, pocket) == layers[-6:]


def test_a_pattern_that_matches_nothing_names_what_there_is(backbone):
    layers = weighted_layers(backbone)
    with pytest.raises(NoSuchLayer, match=r"'blok/\*' matches none of the 4 layers of .*: block") as fault:
        matching(layers, ['b', 'blok/*'], backbone)
    assert fault.value.layers == layers
    with pytest.raises(NoSuchLayer, match=r'only layers .* does not depend on \(classifier|MatMul'):
        matching(layers, ['MatMul'], backbone)
    with pytest.raises(NoSuchLayer, match='has 4 convolutions before its bottleneck, fewer than 5'):
        last_convolutions(layers, 5, backbone)


@pytest.mark.parametrize('between', [tf.floor, lambda x: tf.bitcast(tf.bitcast(x, tf.int32), tf.float32)])
def test_an_operation_without_gradient_is_named(tmp_path, between):
    backbone = loaded(with_residual_block(tmp_path / 'blocked.pb', between=between))
    layers = weighted_layers(backbone)
    behind, before = cut_at(backbone, layers[-1:]), cut_at(backbone, layers[:1])

    def require(cut):
        with tf.Graph().as_default():
            weights = {name: tf.get_variable(name, v.shape) for name, v in cut.weights.items()}
            vector = cut.attach_tail(tf.placeholder(tf.float32, [None, cut.values]), weights)
            require_gradients(vector, weights, backbone.path)

    require(behind)
    with pytest.raises(
        UserError, match=r'first/kernel .*blocked.pb cannot be trained: tail/\w+ is (Floor|Bit)'
    ):
        require(before)


def test_the_graph_of_2015_is_cut_where_its_branches_begin(tmp_path):
    backbone = load_backbone(write_graph(inception_2015.graph_def(), tmp_path / 'inception.pb'))
    layers = weighted_layers(backbone)
    assert len(layers) == 94
    cut = cut_at(backbone, matching(layers, ['mixed_10/*'], backbone))
    assert [tensor.shape for tensor in cut.crossing] == [(8, 8, 2048)]
    inside = cut_at(backbone, last_convolutions(layers, 4, backbone))
    assert len(inside.crossing) > 1
    differences(backbone, inside, number=1)


def test_real_backbones_are_cut_anywhere(real_data):
    backbones = [paths.POCKET_GRAPH_DEF]
    names = ('mobilenet_v2_1.0_224', 'efficientnet_lite0_224', 'efficientnet_lite2_260')
    backbones += [real_data / 'backbones' / f'{name}.pb' for name in names]
    for path in backbones:
        backbone = load_backbone(path)
        layers = weighted_layers(backbone)
        cuts = [cut_at(backbone, last_convolutions(layers, number, backbone)) for number in (1, 3, 4, 6)]
        assert all(cut.crossing[0].name != backbone.preprocessing.pixels for cut in cuts)
        differences(backbone, *cuts, number=2)
