"""A backbone in two parts: a frozen one, and a tail whose chosen constants are replaced by variables.

    cut = cut_before(backbone, [name for layer in chosen for name in layer.weights])

The cut is the set of tensors that do not depend on the chosen weights and are used by nodes that do. Several
tensors cross it where a shortcut of a residual block, or a branch, begins before the first chosen layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.common.tf1 import tf
from src.graph.backbones import Backbone, flat
from src.graph.checks.constants import array_of
from src.graph.graph_io import free_name, inferred, node_of, nodes_by_name, subgraph, with_nodes
from src.graph.unfreezing.choice import KINDS, PASS_ON, constant_behind, reached


@dataclass(frozen=True)
class Crossing:
    """A tensor that crosses the cut: its name, the shape of one example's values, and its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: tf.DType

    @property
    def values(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Cut:
    """A backbone cut before its chosen weights.

    frozen: the graph from `preprocessing.pixels` to the crossing tensors.
    tail: the nodes from the crossing tensors to the bottleneck, which are not in it themselves.
    crossing: in the order of the graph.
    weights: the chosen constants by node name, float32.
    """

    backbone: Backbone
    frozen: tf.GraphDef
    tail: tf.GraphDef
    crossing: tuple[Crossing, ...]
    weights: Mapping[str, np.ndarray]

    @property
    def values(self) -> int:
        """Values of all crossing tensors of one example."""
        return sum(tensor.values for tensor in self.crossing)

    def attach_frozen(self, pixels: tf.Tensor) -> tf.Tensor:
        """The crossing tensors of pixels [N, height, width, 3] float32, side by side: [N, values]
        float32."""
        given = {self.backbone.preprocessing.pixels: pixels}
        names = [tensor.name for tensor in self.crossing]
        tensors = tf.import_graph_def(self.frozen, given, names, name='frozen')
        rows = [
            tf.reshape(tf.cast(tensor, tf.float32), [-1, crossing.values])
            for tensor, crossing in zip(tensors, self.crossing, strict=True)
        ]
        return tf.concat(rows, 1)

    def attach_tail(self, activations: tf.Tensor, weights: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The bottlenecks [N, width] float32 of activations as `attach_frozen` returns them, of any float
        dtype, with `weights` by node name in the place of the constants."""
        parts = tf.split(activations, [tensor.values for tensor in self.crossing], axis=1)
        given = {
            tensor.name: tf.cast(tf.reshape(part, [-1, *tensor.shape]), tensor.dtype)
            for tensor, part in zip(self.crossing, parts, strict=True)
        }
        backbone = self.backbone
        bottleneck = import_with_weights(self.tail, weights, backbone.bottleneck, 'tail', given)
        return flat(bottleneck, backbone.channel_axis)


def cut_before(backbone: Backbone, weights: Sequence[str]) -> Cut:
    """Cut a backbone before the first uses of the constants named `weights`."""
    graph_def, nodes = backbone.graph_def, nodes_by_name(backbone.graph_def)
    learned = reached(graph_def, weights)
    fed = reached(graph_def, [node_of(backbone.preprocessing.pixels)])
    symbolic = inferred(graph_def, backbone.bottleneck, backbone.path).graph
    tail: set[str] = set()
    names: set[str] = set()

    def add(name: str) -> None:
        """Add a node to the tail, and what it needs."""
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in tail:
                continue
            tail.add(name)
            for given in nodes[name].input:
                source = node_of(given)
                if source in fed and source not in learned and _storable(symbolic, _tensor(given)):
                    names.add(_tensor(given))
                else:  # learned, constant, or something like the number of rows, which is computed again
                    waiting.append(source)

    def spare() -> str | None:
        """A crossing tensor that follows from others without a convolution, such as a pool of one."""
        for tensor in names:
            node = nodes[node_of(tensor)]
            before = {_tensor(given) for given in node.input if node_of(given) in fed}
            if before and before <= names and node.op not in KINDS:
                return tensor
        return None

    add(node_of(backbone.bottleneck))
    while tensor := spare():
        names.discard(tensor)
        add(node_of(tensor))
    order = {name: place for place, name in enumerate(nodes)}
    names_in_order = sorted(names, key=lambda tensor: (order[node_of(tensor)], tensor))
    crossing = tuple(_crossing(symbolic, name) for name in names_in_order)
    return Cut(
        backbone,
        subgraph(graph_def, names_in_order),
        with_nodes(graph_def, (node for node in graph_def.node if node.name in tail)),
        crossing,
        {name: weight_of(nodes[name]) for name in dict.fromkeys(weights)},
    )


def import_with_weights(
    graph_def: tf.GraphDef,
    weights: Mapping[str, tf.Tensor],
    output: str,
    scope: str,
    given: Mapping[str, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Import a graph under `scope` with `weights`, float32 by node name, in the place of its constants; the
    tensors `given` are replaced too. Returns the tensor `output`.

    A constant that is stored in another type is replaced behind its Cast, so its values keep float32.
    """
    nodes = nodes_by_name(graph_def)
    replaced = {}
    with tf.name_scope(free_name('weights', nodes)):  # no name of the graph
        for node in graph_def.node:
            if node.op in ('Const', *PASS_ON) and (name := _constant(nodes, node)) in weights:
                kind = node.attr[{'Const': 'dtype', 'Cast': 'DstT'}.get(node.op, 'T')].type
                replaced[node.name] = tf.cast(weights[name], tf.as_dtype(kind))
    light = with_nodes(graph_def, (node for node in graph_def.node if node.name not in replaced))
    used = {given for node in light.node for given in node.input}
    for node in light.node:  # a weight may be used as NAME or NAME:0
        node.input[:] = [
            name.removesuffix(':0') if node_of(name) in replaced else name for name in node.input
        ]
    needed = {name: tensor for name, tensor in replaced.items() if {name, f'{name}:0'} & used}
    (tensor,) = tf.import_graph_def(light, {**needed, **(given or {})}, [output], name=scope)
    return tensor


def weight_of(node: tf.NodeDef) -> np.ndarray:
    """The value of a constant as float32."""
    return array_of(node).astype(np.float32)


def _constant(nodes: dict[str, tf.NodeDef], node: tf.NodeDef) -> str | None:
    # In a tail, an Identity may stand behind a tensor that is not in it.
    while node.op in PASS_ON:
        if node_of(node.input[0]) not in nodes:
            return None
        node = nodes[node_of(node.input[0])]
    return constant_behind(nodes, node.name)


def _tensor(given: str) -> str:
    """The tensor of a node's input: 'a:0' of 'a'."""
    return given if ':' in given else f'{given}:0'


def _crossing(graph: tf.Graph, name: str) -> Crossing:
    tensor = graph.get_tensor_by_name(name)
    return Crossing(name, tuple(tensor.shape[1:].as_list()), tensor.dtype)


def _storable(graph: tf.Graph, name: str) -> bool:
    """Whether a tensor holds float values of a fixed shape for each example."""
    tensor = graph.get_tensor_by_name(name)
    shape = tensor.shape
    return bool(
        tensor.dtype.is_floating
        and shape.rank
        and shape.dims[0].value is None
        and shape[1:].is_fully_defined()
    )
