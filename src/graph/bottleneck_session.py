"""A session that computes the bottlenecks of batches, for several threads that run it at once."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from src.common.tf1 import tf
from src.graph.backbones import Backbone
from src.graph.precision import session_config

CORES = os.cpu_count() or 1
# Several batches at once, each on few cores, are faster than one batch on all cores: when cores share an op,
# all wait for the slowest. Each batch takes memory, so the number is limited.
BATCHES_AT_ONCE = min(CORES, 8)


def open_session(backbone: Backbone, precision: str) -> tuple[tf.Session, Callable[[np.ndarray], np.ndarray]]:
    """A session of a backbone that computes in `precision`, and the function from its pixels
    [N, height, width, 3] float32 to bottlenecks [N, width] float32."""
    config = session_config(precision)
    config.use_per_session_threads = True
    config.intra_op_parallelism_threads = max(1, CORES // BATCHES_AT_ONCE)
    config.inter_op_parallelism_threads = BATCHES_AT_ONCE
    with tf.Graph().as_default() as graph:
        bottleneck = backbone.attach()
    session = tf.Session(graph=graph, config=config)
    return session, session.make_callable(bottleneck, [backbone.preprocessing.pixels])
