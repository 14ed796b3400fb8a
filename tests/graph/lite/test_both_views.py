"""One .tflite model for a picture and its mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import paths
from src.graph.backbones import load_backbone
from src.graph.lite.backbones import int8_backbone
from src.graph.lite.both_views import both_views
from src.graph.lite.interpreters import Interpreters

pytest.importorskip('ai_edge_litert')


def test_it_gives_what_the_backbone_gives_for_both(tmp_path):
    pixels = np.random.default_rng(3).uniform(0, 255, (4, 144, 144, 3)).astype(np.float32)
    one, both = tmp_path / 'one.tflite', tmp_path / 'both.tflite'
    one.write_bytes(int8_backbone(load_backbone(paths.POCKET_GRAPH_DEF), pixels))
    both.write_bytes(both_views(one.read_bytes()))
    backbone = Interpreters(one)
    views = [backbone.run(pixels), backbone.run(pixels[:, :, ::-1])]
    found = Interpreters(both).run(pixels)
    assert np.array_equal(found, np.concatenate(views, 1))
    assert np.abs(views[0] - views[1]).max() > 0.01
    assert both.stat().st_size < 1.2 * one.stat().st_size  # the weights are there once
