"""The classifier behind a bottleneck."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.class_tail import class_tail
from src.graph.graph_io import write_graph
from tests.graph.residual import RANGE, SIDE, WIDTH, loaded, with_residual_block


def test_it_computes_the_classes_of_bottlenecks(tmp_path):
    path = with_residual_block(tmp_path / 'teacher.pb')
    backbone, whole = loaded(path), load_backbone(path, 'softmax:0', RANGE)
    tail = class_tail(backbone)
    pixels = np.random.default_rng(1).uniform(0, 255, (4, SIDE, SIDE, 3))
    with tf.Graph().as_default(), tf.Session() as session:
        vectors = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(whole.attach(), {whole.preprocessing.pixels: pixels})
    with tf.Graph().as_default(), tf.Session() as session:
        given = tf.placeholder(tf.float32, [None, WIDTH])
        logits = tail.attach(given)
        assert tf.gradients(logits, given) != [None]
        found = session.run(tf.nn.softmax(logits), {given: vectors})
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert len(tail.graph_def.node) < 6


@pytest.mark.parametrize('end', ['nothing', 'skip'])
def test_a_graph_without_classes_or_with_a_way_around_the_bottleneck_has_none(tmp_path, end):
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, 8, 8, 3], 'input')
        pooled = tf.reduce_mean(tf.nn.relu(pixels * 2), [1, 2], name='pool_3')
        if end == 'skip':
            tf.nn.softmax(pooled + tf.reduce_max(pixels, [1, 2]), name='softmax')
    path = write_graph(graph.as_graph_def(), tmp_path / 'teacher.pb')
    assert class_tail(load_backbone(path, pixel_range=RANGE)) is None


def test_the_tail_of_a_real_backbone(real_data):
    backbone = load_backbone(real_data / 'backbones' / 'efficientnet_lite0_224.pb')
    tail = class_tail(backbone)
    with tf.Graph().as_default():
        assert tail.attach(tf.zeros([3, 1280])).shape.as_list() == [3, 1000]
