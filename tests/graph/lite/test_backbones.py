"""Backbones as .tflite models in int8."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.graph_io import write_graph
from src.graph.lite.backbones import int8_backbone
from src.graph.lite.interpreters import Interpreters
from tests.graph.graphs import graph_in_nchw, graph_of_2015

pytest.importorskip('ai_edge_litert')


@pytest.mark.parametrize(
    'graph, bottleneck, pixel_range',
    [
        (graph_of_2015, 'pool_3', None),
        (graph_of_2015, 'conv', None),  # a feature map, which is averaged
        (graph_in_nchw, 'pool_3', (0.0, 255.0)),
        (graph_in_nchw, 'conv', (0.0, 255.0)),  # a feature map with its channels on axis 1
    ],
)
def test_the_model_gives_about_what_the_backbone_gives(tmp_path, graph, bottleneck, pixel_range):
    backbone = load_backbone(write_graph(graph(), tmp_path / 'a.pb'), bottleneck, pixel_range)
    size = backbone.preprocessing.height, backbone.preprocessing.width
    pixels = np.random.default_rng(0).uniform(0, 255, (8, *size, 3)).astype(np.float32)
    made = int8_backbone(backbone, pixels)
    assert int8_backbone(backbone, pixels) == made  # the same photos, the same bytes
    path = tmp_path / 'a.tflite'
    path.write_bytes(made)
    network = Interpreters(path)
    assert (network.shape, network.width) == ((*size, 3), backbone.width)
    with tf.Graph().as_default(), tf.Session() as session:
        expected = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    moved = np.linalg.norm(network.run(pixels) - expected) / np.linalg.norm(expected)
    assert 0 < moved < 0.05
