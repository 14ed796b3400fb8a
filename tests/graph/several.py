"""Several backbones to join."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common import paths
from src.graph.graph_io import write_graph
from tests.graph.graphs import graph_of_2015


def several(folder: Path) -> list[Path]:
    """The pocket backbone, that of 2015 in small, and this with other weights and the same file name."""
    other = graph_of_2015()
    (beta,) = (node for node in other.node if node.name == 'conv/batchnorm/beta')
    tensor = beta.attr['value'].tensor
    tensor.tensor_content = (np.frombuffer(tensor.tensor_content, np.float32) + 1).tobytes()
    small = write_graph(graph_of_2015(), folder / 'small.pb')
    return [paths.POCKET_GRAPH_DEF, small, write_graph(other, folder / 'other' / 'small.pb')]
