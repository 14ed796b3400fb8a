"""A backbone is tested when it is loaded; --inference-mode repairs graphs saved in training mode."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.learners.head import backbone_of
from src.graph import backbones
from src.graph.backbone_flags import Changes
from src.graph.backbones import load_as, load_backbone, load_tried
from src.graph.graph_io import write_graph
from src.graph.rewrites.inference_mode import in_inference_mode
from tests.graph.graphs import EPSILON, SIDE, WEIGHTS, bottleneck_of, graph_of_2015
from tests.graph.real import dogs_and_cats
from tests.pictures import photo

PIXELS = np.stack([photo(SIDE, SIDE, seed=n) for n in range(3)]).astype(np.float32)
RIGHT = bottleneck_of(PIXELS)
REPAIRED = Changes(inference_mode=True)


def graph_with(layer, moving=True, pooled=None):
    """The network of tests.graph.graphs for pixels of 0 to 255 with `layer` in the place of its batch norm,
    and `pooled` after its pooling."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        x = tf.nn.conv2d((x - 128) / 128, tf.constant(WEIGHTS['kernel'])[None, None], 1, 'SAME')
        names = {'gamma': 'gamma', 'beta': 'beta'}
        if moving:
            names |= {'mean': 'moving_mean', 'variance': 'moving_variance'}
        facts = {
            key: tf.identity(tf.constant(WEIGHTS[key], name=f'norm/{name}'), f'norm/{name}/read')
            for key, name in names.items()
        }
        x = tf.reduce_mean(tf.nn.relu(layer(x, facts)), [1, 2])
        tf.identity(pooled(x) if pooled else x, 'pool_3')
        return graph.as_graph_def()


def fused(x, facts, training=True, **others):
    none = [] if training else [facts['mean'], facts['variance']]
    mean, variance = none or ([], [])
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=facts['gamma'],
        offset=facts['beta'],
        mean=mean,
        variance=variance,
        epsilon=EPSILON,
        is_training=training,
        **({'name': 'norm/FusedBatchNormV3'} | others),
    ).y


def with_averages_given(x, facts):
    given = dict(scale=facts['gamma'], offset=facts['beta'], mean=facts['mean'], variance=facts['variance'])
    return tf.raw_ops.FusedBatchNormV3(
        x=x, **given, epsilon=EPSILON, is_training=True, exponential_avg_factor=0.9
    ).y


def written_out(x, facts):
    with tf.name_scope('norm/'):
        mean, variance = tf.nn.moments(x, [0, 1, 2], name='moments')
    return tf.nn.batch_normalization(x, mean, variance, facts['beta'], facts['gamma'], EPSILON)


def written_out_keeping_axes(x, facts):
    with tf.name_scope('norm_1/'):
        mean, variance = tf.nn.moments(x, [0, 1, 2], name='moments', keep_dims=True)
    return tf.nn.batch_normalization(x, mean, variance, facts['beta'], facts['gamma'], EPSILON)


def switched_by(flag):
    return lambda x, facts: tf.cond(flag(), lambda: fused(x, facts), lambda: fused(x, facts, False))


def by_constant():
    return tf.constant(True, name='is_training')


def by_default():
    return tf.placeholder_with_default(True, [], 'keras_learning_phase')


def by_default_negated():
    return tf.logical_not(tf.logical_not(tf.placeholder_with_default(True, [], 'phase_train')))


def with_moving_averages(x, facts):
    return fused(x, facts, False)


def drop_by_floor(x):
    keep = tf.constant(0.4)
    drawn = tf.random_uniform(tf.shape(x), 0, 1, seed=None)
    return (x / keep) * tf.floor(keep + drawn)


def drop_by_comparison(x):
    rate = tf.constant(0.6)
    kept = tf.cast(tf.random_uniform(tf.shape(x)) >= rate, tf.float32)
    return x * (1 / (1 - rate)) * kept


def drop_by_less(x):
    return tf.where_v2(tf.random_uniform(tf.shape(x)) < 0.5, x / 0.5, 0.0)


def drop_today(x):
    return tf.nn.dropout(x, rate=0.5)


def drop_stateless(x):
    seed = tf.cast(tf.random_uniform([2]) * 1e9, tf.int32)
    return tf.nn.experimental.stateless_dropout(x, rate=0.5, seed=seed)


def noise(x):
    return x + tf.random_normal(tf.shape(x), stddev=0.3)


TRAINING = {
    'fused': (fused, None),
    'averages given': (with_averages_given, None),
    'written out': (written_out, None),
    'written out, keeping axes': (written_out_keeping_axes, None),
    'cond of a constant': (switched_by(by_constant), None),
    'cond of a default': (switched_by(by_default), None),
    'cond of a default, negated': (switched_by(by_default_negated), None),
    'floor': (with_moving_averages, drop_by_floor),
    'comparison': (with_moving_averages, drop_by_comparison),
    'less': (with_moving_averages, drop_by_less),
    'dropout of today': (with_moving_averages, drop_today),
    'noise': (with_moving_averages, noise),
    'all at once': (fused, lambda x: noise(drop_by_floor(x))),
}


def vectors(backbone):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(backbone.attach(), {backbone.preprocessing.pixels: PIXELS})


@pytest.mark.parametrize('name', TRAINING)
def test_training_mode_is_detected_and_repaired(tmp_path, name):
    path = write_graph(graph_with(*TRAINING[name][:1], pooled=TRAINING[name][1]), tmp_path / 'g.pb')
    with pytest.raises(
        UserError, match=r'different vector .*, because .* \(\w+\) .*add --inference-mode, which'
    ):
        load_tried(path, 'pool_3', (0, 255))
    backbone = load_tried(path, 'pool_3', (0, 255), REPAIRED)
    np.testing.assert_allclose(vectors(backbone), RIGHT, rtol=1e-4, atol=1e-5)


def test_training_mode_in_a_cond_of_version_2_is_repaired(tmp_path):
    tf.enable_control_flow_v2()
    try:
        path = write_graph(graph_with(switched_by(by_default)), tmp_path / 'g.pb')
    finally:
        tf.disable_control_flow_v2()
    with pytest.raises(UserError, match=r'because \S+ \((Stateless)?If\) .*add --inference-mode, which'):
        load_tried(path, 'pool_3', (0, 255))
    backbone = load_tried(path, 'pool_3', (0, 255), REPAIRED)
    np.testing.assert_allclose(vectors(backbone), RIGHT, rtol=1e-4, atol=1e-5)


def test_the_node_is_named(tmp_path):
    for build, node in [
        (graph_with(fused), 'norm/FusedBatchNormV3 .FusedBatchNormV3. is a batch norm in training mode'),
        (graph_with(written_out), 'norm/moments/mean .Mean. runs over all images'),
        (
            graph_with(with_moving_averages, pooled=drop_today),
            'RandomUniform .RandomUniform. draws random numbers',
        ),
    ]:
        with pytest.raises(UserError, match=node):
            load_tried(write_graph(build, tmp_path / 'g.pb'), 'pool_3', (0, 255))


@pytest.mark.parametrize('layer', [fused, written_out])
def test_a_batch_norm_without_moving_averages_cannot_be_repaired(tmp_path, layer):
    path = write_graph(graph_with(layer, moving=False), tmp_path / 'g.pb')
    words = 'the file holds no moving averages to use instead: freeze the graph again in inference mode'
    with pytest.raises(UserError, match=f'--inference-mode does not help: .*{words}'):
        load_tried(path, 'pool_3', (0, 255))
    with pytest.raises(UserError, match=f'^(?!.*does not help).*{words}'):
        load_tried(path, 'pool_3', (0, 255), REPAIRED)


def test_random_numbers_other_than_dropout_are_refused(tmp_path):
    def scaled(x):
        return x * tf.random_uniform(tf.shape(x), 0.5, 1.5)

    path = write_graph(graph_with(with_moving_averages, pooled=scaled), tmp_path / 'g.pb')
    with pytest.raises(UserError, match=r'does not help: draws random numbers at .*, which is not dropout'):
        load_tried(path, 'pool_3', (0, 255))


def test_inference_mode_changes_nothing_else(tmp_path):
    path = write_graph(graph_of_2015(), tmp_path / 'g.pb')
    with pytest.raises(UserError, match='is in inference mode already: leave --inference-mode out'):
        load_backbone(path, changes=REPAIRED)
    before = graph_with(with_moving_averages, pooled=drop_today)
    kept = before.SerializeToString()
    in_inference_mode(before, 'pool_3:0', path)
    assert before.SerializeToString() == kept


def one_by_one(kind):
    """Graphs made for one image at a time."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [1, SIDE, SIDE, 3], 'input')
        x = tf.nn.relu(tf.nn.conv2d(x / 255, tf.constant(WEIGHTS['kernel'])[None, None], 1, 'SAME'))
        last = int(x.shape[-1])
        if kind == 'Reshape':
            x = tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [1, SIDE * SIDE * last])
        elif kind == 'Mean':
            x = tf.reduce_max(x - tf.reduce_mean(x, [0, 1, 2], keepdims=True), [1, 2])
        elif kind == 'Max':
            x = tf.reduce_mean(x / tf.reduce_max(x), [1, 2])
        tf.identity(x, 'pool_3')
        return graph.as_graph_def()


@pytest.mark.parametrize('kind', ['Reshape', 'Mean', 'Max'])
def test_a_graph_for_one_image_is_refused_with_the_node(tmp_path, kind):
    path = write_graph(one_by_one(kind), tmp_path / 'g.pb')
    with pytest.raises(
        UserError, match=rf'a different vector in a batch with other images, because \w+ \({kind}\)'
    ):
        load_tried(path, 'pool_3', (0, 255))


def test_ranges_taken_from_the_batch_are_refused(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        low, high = tf.reduce_min(x), tf.reduce_max(x)
        quantized = tf.quantization.quantize(x, low, high, tf.quint8)
        x = tf.quantization.dequantize(*quantized)
        tf.reduce_mean(tf.nn.conv2d(x, tf.ones([1, 1, 3, 4]), 1, 'SAME'), [1, 2], name='pool_3')
        path = write_graph(graph.as_graph_def(), tmp_path / 'g.pb')
    with pytest.raises(
        UserError, match=r'because M\w+ \(M\w+\) takes the range of its numbers from the whole'
    ):
        backbones.main([str(path), '--bottleneck', 'pool_3', '--pixel-range=0,255'])


def test_a_graph_that_always_overflows_is_refused(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.cast(tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input'), tf.float16)
        x = tf.nn.conv2d(x, tf.ones([1, 1, 3, 4], tf.float16) * 9000, 1, 'SAME', name='large')
        tf.cast(tf.reduce_max(x, [1, 2]), tf.float32, name='pool_3')
        path = write_graph(graph.as_graph_def(), tmp_path / 'g.pb')
    words = r'no finite number for any of 3 test pictures, first at large \(Conv2D, float16\)'
    with pytest.raises(UserError, match=words):
        load_tried(path, 'pool_3', (0, 255))


def test_the_same_backbone_is_loaded_from_its_facts(tmp_path):
    path = write_graph(graph_with(fused), tmp_path / 'g.pb')
    facts = load_tried(path, 'pool_3', (0, 255), REPAIRED).facts()
    assert facts['changes'] == {'inference_mode': True}
    np.testing.assert_array_equal(vectors(load_as(facts, path)), vectors(backbone_of(facts)))
    np.testing.assert_allclose(vectors(backbone_of(facts, optimized=False)), RIGHT, rtol=1e-4, atol=1e-5)


def test_facts_without_changes_are_those_of_earlier_versions(tmp_path):
    facts = load_backbone(write_graph(graph_of_2015(), tmp_path / 'g.pb')).facts()
    names = ['file', 'path', 'sha256', 'bottleneck', 'width', 'input_size', 'pixel_range']
    assert list(facts) == names
    assert Changes.of(facts) == Changes()


def test_real_backbones_pass(real_data):
    for name in ('mobilenet_v2_1.0_224', 'efficientnet_lite0_224'):
        path = real_data / 'backbones' / f'{name}.pb'
        assert load_tried(path).width == 1280
    assert dogs_and_cats(real_data, 1)
