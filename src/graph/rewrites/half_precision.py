"""Store weights in float16, which halves a file; the graph goes on computing in float32."""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import free_name, with_nodes
from src.graph.rewrites.constants import constant, value_of

LEAST_VALUES = 64  # of a constant that is stored in float16


def in_half_precision(graph_def: tf.GraphDef) -> tf.GraphDef:
    """A copy in which each float32 constant of at least LEAST_VALUES values is a float16 constant followed by
    a Cast, which has the old name. Constants that exceed the range of float16 stay."""
    names = {node.name for node in graph_def.node}
    made = []
    for node in graph_def.node:
        value = value_of({node.name: node}, node.name)
        if value is None or value.dtype != np.float32 or value.size < LEAST_VALUES:
            made.append(node)
            continue
        with np.errstate(over='ignore'):
            half = value.astype(np.float16)
        if not np.isfinite(half).all():
            made.append(node)
            continue
        stored = constant(free_name(f'{node.name}/float16', names), half)
        cast = tf.NodeDef(name=node.name, op='Cast', input=[stored.name])
        cast.attr['SrcT'].type = tf.float16.as_datatype_enum
        cast.attr['DstT'].type = tf.float32.as_datatype_enum
        made += [stored, cast]
    return with_nodes(graph_def, made)
