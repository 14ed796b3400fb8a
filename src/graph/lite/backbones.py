"""A backbone as a .tflite model in int8, from pixels to the bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.common.tf1 import tf
from src.graph.backbones import Backbone
from src.graph.lite.convert import convert
from src.graph.precision import INT8


def int8_backbone(backbone: Backbone, calibration: Sequence[np.ndarray]) -> bytes:
    """A .tflite model from pixels [1, height, width, 3] float32 to the bottleneck [1, width] float32, which
    computes in int8.

    calibration: pixels [height, width, 3] float32 of some 100 photos. The same ones give the same bytes.

    Raises UserError for a graph with an op that the converter does not know.
    """
    with tf.Graph().as_default() as graph:
        vector = backbone.attach()  # averages feature maps
        graph_def = graph.as_graph_def()
    return convert(graph_def, backbone.preprocessing, vector.name, backbone.path, INT8, calibration)
