"""Networks imported by layers, gradients through them, and Grad-CAM."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import load_network
from src.graph.gradients.grad_cam import class_scores, grad_cam, last_feature_map
from src.graph.gradients.gradient import gradient
from src.graph.gradients.imported import feature_maps, import_network, main_layers
from tests.interpret.networks import color_classifier


@pytest.fixture(scope='module')
def shipped():
    return load_network(paths.POCKET_DOGS)


def test_the_layers_of_a_network_are_found_by_name(shipped):
    with tf.Graph().as_default():
        layer = import_network(shipped)
        assert layer('student/last/Relu') is layer('student/last/Relu:0')
        pixels, output = layer(shipped.preprocessing.pixels), layer(shipped.output)
        assert output.shape.as_list() == [None, len(shipped.labels)]
        assert last_feature_map(pixels, output).op.name == 'student/last/Relu'
        names = [tensor.op.name for tensor in main_layers(feature_maps(pixels, output))]
        assert names[-1] == 'student/last/Relu' and all(name.endswith('Relu') for name in names)


def test_a_layer_that_does_not_exist_names_similar_ones(shipped):
    with tf.Graph().as_default(), pytest.raises(UserError, match=r"no layer 'last/Relu'.*student/last/Relu"):
        import_network(shipped)('last/Relu')
    with tf.Graph().as_default(), pytest.raises(UserError, match='student/last/Relu'):
        import_network(shipped, end='student/last/relu')


def test_a_network_cut_before_its_head_takes_pixels_of_other_sizes(shipped):
    with tf.Graph().as_default():
        layer = import_network(shipped, tf.zeros([2, 64, 64, 3]), end='student/last/Relu')
        assert layer('student/last/Relu').shape.as_list()[:3] == [2, 4, 4]


def test_gradients_are_those_of_finite_differences(shipped):
    ratios = []
    with tf.Graph().as_default(), tf.Session() as session:
        layer = import_network(shipped)
        given = layer(shipped.preprocessing.pixels)
        score = class_scores(layer(shipped.output))[:, 7]
        slopes = gradient(score, given)
        for seed in range(5):
            draw = np.random.default_rng(seed)
            pixels = draw.uniform(0, 255, (1, 144, 144, 3)).astype(np.float32)
            found = session.run(slopes, {given: pixels})
            # The score changes most in such a direction, so float32 is accurate enough.
            direction = found * draw.uniform(size=found.shape).astype(np.float32)
            direction /= np.linalg.norm(direction)
            step = 0.1
            up, down = (session.run(score, {given: pixels + sign * step * direction})[0] for sign in (1, -1))
            ratios.append((up - down) / (2 * step) / np.vdot(found, direction))
    assert ratios == pytest.approx([1] * 5, rel=0.02)  # some pictures are near the corner of a ReLU
    assert np.median(ratios) == pytest.approx(1, rel=0.002)


@pytest.mark.parametrize(
    'before, op',
    [
        (lambda x: tf.round(x, name='rounded'), 'Round at rounded'),
        (lambda x: tf.cast(tf.cast(255 * x, tf.uint8, name='bytes'), tf.float32) / 255, 'Cast at bytes'),
        (
            lambda x: tf.dequantize(tf.quantization.quantize(x, 0.0, 1.0, tf.quint8)[0], 0.0, 1.0),
            'QuantizeV2 at ',
        ),
    ],
)
def test_an_op_without_a_gradient_is_named(tmp_path, before, op):
    model = load_network(color_classifier(tmp_path / 'colors.pb', before))
    with tf.Graph().as_default():
        layer = import_network(model)
        given, output = layer(model.preprocessing.pixels), layer(model.output)
        with pytest.raises(UserError, match=f'no gradient from output_node:0 to ResizeBilinear:0: {op}'):
            gradient(output, given)


def test_tensors_that_do_not_depend_on_each_other_are_refused():
    with tf.Graph().as_default():
        one, other = tf.constant(1.0, name='one'), tf.constant(2.0, name='other')
        with pytest.raises(UserError, match='one:0 does not depend on other:0'):
            gradient(one, other)


def test_grad_cam_is_the_formula_of_the_paper():
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        maps = tf.constant(features)
        scores = tf.reduce_mean(maps, [1, 2]) @ weights
        found = session.run(grad_cam(maps, scores, tf.constant(2)))
    expected = np.maximum((features * weights[:, 2] / 12).sum(-1), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_network_without_feature_maps_is_refused():
    with tf.Graph().as_default():
        pixels = tf.placeholder(tf.float32, [None, 8, 8, 3])
        output = tf.nn.softmax(tf.reduce_mean(pixels, [1, 2]), name='out')
        with pytest.raises(UserError, match=r'no feature map .* leads to out:0'):
            last_feature_map(pixels, output)


def test_a_backbone_without_classes_is_read():
    model = load_network(paths.POCKET_GRAPH_DEF)
    assert model.labels == [] and model.output == 'pool_3:0'
