"""Which weights of a backbone become trainable: by pattern, or those of its last convolutions.

    layers = weighted_layers(backbone)                   # in the order of the forward pass
    chosen = matching(layers, ['block5_*'])              # or last_convolutions(layers, 4)

A layer is a convolution or matrix product with its bias. Both are chosen together.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from src.common import paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.common.tf1 import tf
from src.graph.backbones import Backbone
from src.graph.graph_io import consumers, node_of, nodes_by_name, read_graph

CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative')
KINDS = (*CONVOLUTIONS, 'MatMul')
BIASES = ('BiasAdd', 'Add', 'AddV2')
PASS_ON = ('Identity', 'Cast')  # between a stored constant and its use: weights may be stored as float16


@dataclass(frozen=True)
class Layer:
    """A layer with weights: the name of its node, its op, the names of its constants (kernel, then bias if
    any), and the shape of the kernel."""

    name: str
    op: str
    weights: tuple[str, ...]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f'{self.name:<44} {self.op:<22} {" × ".join(map(str, self.shape))}'


class NoSuchLayer(UserError):
    """A pattern matches no layer that can be thawed; `layers` are those that can."""

    def __init__(self, message: str, layers: Sequence[Layer]):
        super().__init__(message)
        self.layers = layers


def weighted_layers(backbone: Backbone) -> list[Layer]:
    """The layers between pixels and bottleneck whose kernels are constants, in the order of the forward
    pass."""
    nodes = nodes_by_name(backbone.graph_def)
    fed = reached(backbone.graph_def, [node_of(backbone.preprocessing.pixels)])
    found: dict[str, Layer] = {}
    for name in _forward(backbone.graph_def):
        node = nodes[name]
        if name not in fed:
            continue
        if node.op in KINDS and (kernel := constant_behind(nodes, node.input[1])):
            found[name] = Layer(name, node.op, (kernel,), _shape(nodes[kernel]))
        elif node.op in BIASES:
            for data, other in (node.input, reversed(node.input)):
                bias, layer = constant_behind(nodes, other), found.get(node_of(data))
                if layer and bias and sum(_shape(nodes[bias])) > 1:
                    found[layer.name] = replace(layer, weights=(*layer.weights, bias))
    return list(found.values())


def matching(layers: Sequence[Layer], patterns: Sequence[str], backbone: Backbone) -> list[Layer]:
    """The layers that a pattern matches. Raises NoSuchLayer for a pattern that matches none.

    A pattern is matched with the names of a layer's node and constants, and with parts of these between
    slashes: `block5_*` matches `vgg19/block5_conv1/convolution`. `*`, `?` and `[...]` are as in the shell.
    """
    for pattern in patterns:
        if not any(_matches(layer, pattern) for layer in layers):
            raise NoSuchLayer(_no_match(layers, pattern, backbone), layers)
    return [layer for layer in layers if any(_matches(layer, pattern) for pattern in patterns)]


def last_convolutions(layers: Sequence[Layer], number: int, backbone: Backbone) -> list[Layer]:
    """The last `number` convolutions and all dense layers behind them. Raises NoSuchLayer when there are
    fewer."""
    places = [place for place, layer in enumerate(layers) if layer.op in CONVOLUTIONS]
    if len(places) < number:
        having = f'{paths.shown(backbone.path)} has {count(len(places), "convolution")} before its bottleneck'
        raise NoSuchLayer(f'{having}, fewer than {number}', layers)
    return list(layers[places[-number] :])


def reached(graph_def: tf.GraphDef, begin: Sequence[str]) -> set[str]:
    """Names of the nodes `begin` and of all nodes that depend on them."""
    uses = consumers(graph_def)
    found: set[str] = set()
    waiting = list(begin)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(node.name for node in uses.get(name, ()))
    return found


def constant_behind(nodes: dict[str, tf.NodeDef], tensor: str) -> str | None:
    """The name of the floating-point constant that a tensor is, perhaps after a Cast; None for others."""
    node = nodes[node_of(tensor)]
    while node.op in PASS_ON:
        node = nodes[node_of(node.input[0])]
    if node.op != 'Const' or not tf.as_dtype(node.attr['dtype'].type).is_floating:
        return None
    return node.name


def _forward(graph_def: tf.GraphDef) -> Iterator[str]:
    """The names of all nodes, each after its inputs, otherwise in the order of the graph. In a loop of a
    graph, inputs that lead back are ignored."""
    nodes = nodes_by_name(graph_def)
    begun: set[str] = set()
    for first in nodes:
        waiting = [(first, False)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                yield name
            elif name not in begun:
                begun.add(name)
                inputs = [node_of(given) for given in reversed(nodes[name].input)]
                waiting += [(name, True), *((given, False) for given in inputs)]


def _shape(node: tf.NodeDef) -> tuple[int, ...]:
    return tuple(dim.size for dim in node.attr['value'].tensor.tensor_shape.dim)


def _matches(layer: Layer, pattern: str) -> bool:
    return any(fnmatchcase(part, pattern) for name in (layer.name, *layer.weights) for part in _parts(name))


def _parts(name: str) -> Iterator[str]:
    """All runs of the parts of a name: a/b/c, a/b, a, b/c, b, c."""
    parts = name.split('/')
    for begin in range(len(parts)):
        for end in range(len(parts), begin, -1):
            yield '/'.join(parts[begin:end])


def _no_match(layers: Sequence[Layer], pattern: str, backbone: Backbone) -> str:
    where = paths.shown(backbone.path)
    known = {node.name for node in backbone.graph_def.node}
    behind = [
        node.name
        for node in read_graph(backbone.path).node
        if node.op in KINDS
        and node.name not in known
        and any(fnmatchcase(p, pattern) for p in _parts(node.name))
    ]
    if behind:
        return (
            f'{pattern!r} matches only layers of {where} that the bottleneck {backbone.cut} does not depend '
            f'on ({listed(behind, 3)}): choose layers before it'
        )
    parts = {part: None for layer in layers for part in _parts(layer.name)}
    near = difflib.get_close_matches(pattern.strip('*'), list(parts), 3, 0.5)
    similar = f'; similar names: {", ".join(near)}' if near else ''
    return f'{pattern!r} matches none of the {count(len(layers), "layer")} of {where}{similar}'
