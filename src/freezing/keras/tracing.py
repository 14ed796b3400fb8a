"""A Keras model as a frozen GraphDef that begins with pixels. Runs in the process of Keras (child.py).

ResizeBilinear:0 [N, height, width, 3] float32, 0 to 255 ──► pool_3:0, output_node:0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from src.common import consts
from src.common.tf1 import tf, variables_to_constants
from src.graph.graph_io import node_of, renamed, subgraph

PIXELS = node_of(consts.PIXELS_TENSOR)
# Keras appends this to the names of layers when it calls a model.
CALL_SUFFIX = '_1'
# From pixels [N, height, width, 3] float32 to tensors by the names that they get.
Function = Callable[[Any], dict[str, Any]]


def concrete(function: Callable, size: Sequence[int]) -> Any:
    """The concrete tf.function of a Python function of pixels [N, height, width, 3] float32."""
    pixels = tf.TensorSpec([None, *size, 3], tf.float32, name=PIXELS)
    return tf.compat.v2.function(function, input_signature=[pixels]).get_concrete_function()


def freeze(function: Function, size: Sequence[int], model: Any) -> tf.GraphDef:
    """The frozen graph of a function that calls `model`, with the returned tensors under their names.

    Constants are named as the variables of Keras (`block5_conv1/kernel`), other nodes after their layer
    (`block5_conv1/convolution`).
    """
    traced = concrete(function, size)
    graph_def = variables_to_constants(traced)
    outputs = traced.structured_outputs
    names = {_end(graph_def, node_of(tensor.name)): name for name, tensor in outputs.items()}
    graph_def = subgraph(graph_def, [f'{end}:0' for end in names])
    names[PIXELS] = PIXELS
    taken = set(names.values())
    variables, layers = _variables(traced, model), {layer.name for layer in layers_of(model)}
    for node in graph_def.node:
        if node.name not in names:
            name = variables.get(node.name) or _plain(node.name, layers)
            while name in taken:
                name += '_'
            taken.add(name)
            names[node.name] = name
    return renamed(graph_def, names)


def layers_of(model: Any) -> Iterator[Any]:
    """All layers of a model and of the models and wrappers in it, outer ones first."""
    for layer in getattr(model, 'layers', ()):
        yield layer
        yield from layers_of(layer)
        if hasattr(layer, 'layer'):  # a wrapper, such as TimeDistributed
            yield layer.layer


def _variables(traced: Any, model: Any) -> dict[str, str]:
    """For the constant of each variable, the path of the variable in Keras."""
    paths = {id(variable.value.handle): variable.path for variable in model.variables}
    return {inner.op.name: paths[id(outer)] for outer, inner in traced.graph.captures if id(outer) in paths}


def _end(graph_def: tf.GraphDef, name: str) -> str:
    """The node whose value the node `name` returns: TensorFlow adds an Identity for each output."""
    nodes = {node.name: node for node in graph_def.node}
    while nodes[name].op == 'Identity' and nodes[node_of(nodes[name].input[0])].op != 'Const':
        name = node_of(nodes[name].input[0])
    return name


def _plain(name: str, layers: set[str]) -> str:
    """The name of a node after its layer: 'block1_conv1/add' of 'vgg19_1/block1_conv1_1/add'."""
    parts = name.split('/')
    named = [part.removesuffix(CALL_SUFFIX) in layers for part in parts]
    if True not in named:
        return name
    last = len(parts) - 1 - named[::-1].index(True)
    return '/'.join([parts[last].removesuffix(CALL_SUFFIX), *parts[last + 1 :]])


def ending(traced: Any) -> str:
    """The activation that a concrete function ends in: 'Softmax', 'Sigmoid', or another op."""
    op = traced.outputs[0].op
    while op.type in ('Identity', 'Cast', 'Reshape', 'Squeeze') and op.inputs:
        op = op.inputs[0].op
    return op.type
