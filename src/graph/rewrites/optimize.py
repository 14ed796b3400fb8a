"""Optimize a graph for inference: remove ops without effect, fold constants and batch norms.

    rewritten, rewrites = optimize(graph_def, ['pool_3:0', 'ResizeBilinear:0'])
    print(rewrites)  # 994 → 518 nodes, 94 batch norms folded

Outputs stay equal up to float32 rounding. TensorFlow's own tools each cover a part:
`optimize_for_inference` folds batch norms that are one op, but not those of Keras, which are several;
Grappler, which runs in every session anyway, folds the latter, but not after depthwise convolutions or
CheckNumerics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.common.files import count
from src.common.tf1 import tf
from src.graph.graph_io import node_of, nodes_by_name, subgraph
from src.graph.rewrites.constants import fold_constants
from src.graph.rewrites.folding import BATCH_NORMS, fold_batch_norms

PASS_THROUGH = ('Identity', 'StopGradient', 'PreventGradient', 'CheckNumerics', 'Snapshot')
# A graph with one of these is left as it is, as removing control edges could change which branch runs.
CONTROL_FLOW = ('Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'LoopCond')


@dataclass(frozen=True)
class Rewrites:
    """Summary of an optimization: the number of nodes before and after, and of folded batch norms."""

    before: int
    after: int
    folded: int

    def __str__(self) -> str:
        return f'{self.before:,} → {count(self.after, "node")}, {count(self.folded, "batch norm")} folded'


def optimize(graph_def: tf.GraphDef, keep: Sequence[str]) -> tuple[tf.GraphDef, Rewrites]:
    """The part of a graph that the tensors `keep` depend on, with as few nodes as possible; and a summary.

    Tensors in `keep` stay under their names and may be fetched or fed; other placeholders with a default
    become their default. Batch norms of 2015 must have been converted by `modernize`.
    """
    names = {node_of(tensor) for tensor in keep}
    light, folded = subgraph(_without_pass_through(graph_def, names), keep), 0
    if any(node.op in CONTROL_FLOW for node in light.node):
        light = subgraph(graph_def, keep)
    else:
        light, folded = fold_batch_norms(fold_constants(light, names), names)
        light = subgraph(light, keep)
    return light, Rewrites(len(graph_def.node), len(light.node), folded)


def leaves_to_rewrite(graph_def: tf.GraphDef) -> bool:
    """Whether a graph has ops that `optimize` removes, as any graph has that was never optimized."""
    return any(node.op in PASS_THROUGH or node.op in BATCH_NORMS for node in graph_def.node)


def _without_pass_through(graph_def: tf.GraphDef, keep: set[str]) -> tf.GraphDef:
    """A copy without control edges and without nodes that return their first input unchanged."""
    nodes = nodes_by_name(graph_def)

    def source(tensor: str) -> str:
        while (node := nodes[node_of(tensor)]).op in PASS_THROUGH and node.name not in keep:
            tensor = node.input[0]
        return tensor.removesuffix(':0')

    light = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.op in PASS_THROUGH and node.name not in keep:
            continue
        copy = light.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [source(tensor) for tensor in node.input if not tensor.startswith('^')]
    return light
