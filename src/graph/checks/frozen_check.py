"""Check that a graph is frozen: it contains all its weights and reads no other data."""

from __future__ import annotations

from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.variables import refuse_variables
from src.graph.graph_io import subgraph

# Prefixes of the names of ops that read from a table, a queue, a file or a data set.
OUTSIDE = (
    *('HashTable', 'MutableHashTable', 'MutableDenseHashTable', 'AnonymousHashTable', 'AnonymousMutable'),
    *('Iterator', 'OneShotIterator', 'MultiDeviceIterator', 'AnonymousIterator', 'QueueDequeue', 'FIFOQueue'),
    *('RandomShuffleQueue', 'PaddingFIFOQueue', 'PriorityQueue', 'ReaderRead', 'Restore'),
    *('PyFunc', 'EagerPyFunc'),
)


def frozen_part(graph_def: tf.GraphDef, target: str, path: Path) -> tf.GraphDef:
    """The part of a graph that the tensor `target` depends on.

    Raises UserError, with the names of nodes, when this part reads data from outside the graph (variables,
    tables, an input pipeline).
    """
    graph_def = subgraph(graph_def, [target])
    refuse_variables(graph_def.node, path)
    outside = next((node for node in graph_def.node if node.op.startswith(OUTSIDE)), None)
    if outside is not None:
        raise UserError(
            f'{paths.shown(path)} reads from outside the graph at {outside.name} ({outside.op}): export it '
            'with a placeholder for the images in that place'
        )
    return graph_def
