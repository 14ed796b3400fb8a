"""Several backbones to join."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common import paths
from src.graph.graph_io import write_graph
from tests.graph.graphs import graph_of_2015


def several(folder: Path) -> list[Path]:
    """The pocket backbone, that of 2015 in small, and this with other weights and the same file name. All
    decode JPEGs alike: joined backbones decode as the first does."""
    small, other = graph_of_2015(), graph_of_2015()
    for graph_def in small, other:
        (decode,) = (node for node in graph_def.node if node.op == 'DecodeJpeg')
        decode.attr['dct_method'].s = b'INTEGER_ACCURATE'
    (beta,) = (node for node in other.node if node.name == 'conv/batchnorm/beta')
    tensor = beta.attr['value'].tensor
    tensor.tensor_content = (np.frombuffer(tensor.tensor_content, np.float32) + 1).tobytes()
    return [
        paths.POCKET_GRAPH_DEF,
        write_graph(small, folder / 'small.pb'),
        write_graph(other, folder / 'other' / 'small.pb'),
    ]
