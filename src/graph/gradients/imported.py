"""Import a frozen network into a TensorFlow graph, and get its layers by name.

    with tf.Graph().as_default(), tf.Session() as session:
        layer = import_network(model)
        maps = session.run(layer('student/last/Relu'), {layer(model.preprocessing.pixels): pixels})

After `import_graph` of Lucid (https://github.com/tensorflow/lucid/blob/master/lucid/optvis/render.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import FrozenGraph
from src.graph.graph_io import node_of, nodes_by_name, subgraph
from src.graph.layer_list import ops_between
from src.graph.weights import put_weights

ACTIVATIONS = ('Relu', 'Relu6', 'Elu', 'Selu', 'LeakyRelu', 'Softplus', 'Tanh')
CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative')

Layers = Callable[[str], 'tf.Tensor']


def import_network(
    model: FrozenGraph,
    pixels: tf.Tensor | None = None,
    end: str | None = None,
    gradients: dict[str, str] | None = None,
) -> Layers:
    """Import `model` into the default graph. Returns a function from the name of a layer to its tensor.

    pixels: [N, height, width, 3] float32, used as the input of the network; without it the tensor
        `model.preprocessing.pixels` is fed.
    end: the last layer to import (default: the output). A network that is cut before its first layer of a
        fixed size takes pixels of other sizes.
    gradients: names of registered gradients, by the type of the ops that use them.

    Raises UserError, with similar names, when there is no layer `end`, and when TensorFlow does not accept
    pixels of this size. The function raises UserError for a name that the graph does not have.
    """
    if end is not None:
        require_layer(model, end)
    whole = put_weights(subgraph(model.graph_def, [end or model.output]), model.weights)
    for node in whole.node:
        if node.op in (gradients or {}):
            node.attr['_gradient_op_type'].s = gradients[node.op].encode()
    given = {} if pixels is None else {model.preprocessing.pixels: pixels}
    with tf.name_scope('network') if given else nullcontext('') as scope:  # network_1/ of a second import
        prefix = scope
    if pixels is not None and node_of(model.preprocessing.pixels) not in nodes_by_name(whole):
        raise UserError(f'{end or model.output} does not depend on the pixels: choose another layer')
    try:
        tf.import_graph_def(whole, given, name=prefix)
    except ValueError as error:
        size = 'x'.join(map(str, pixels.shape[1:3].as_list())) if given else 'its own'
        raise UserError(f'the network does not take pixels of size {size}: {error}') from error
    graph = tf.get_default_graph()

    def layer(name: str) -> tf.Tensor:
        require_layer(model, name)
        if given and node_of(name) == node_of(model.preprocessing.pixels):
            return pixels
        try:
            return graph.get_tensor_by_name(f'{prefix}{name if ":" in name else name + ":0"}')
        except (KeyError, ValueError) as error:
            raise UserError(
                f'the layer {node_of(name)!r} has no output {name!r}: leave the number out'
            ) from error

    return layer


def require_layer(model: FrozenGraph, name: str) -> None:
    """Raise UserError, with similar names, unless the network has the layer `name` (a node or a tensor)."""
    nodes = nodes_by_name(model.graph_def)
    if node_of(name) in nodes and not name.startswith('^'):
        return
    names = [node.name for node in model.graph_def.node if node.op != 'Const']
    near = difflib.get_close_matches(name, names, 5, 0.4) or names[-5:]
    raise UserError(f'the network has no layer {name!r}; similar names: {", ".join(near)}')


def feature_maps(pixels: tf.Tensor, output: tf.Tensor) -> list[tf.Tensor]:
    """All tensors [N, height, width, channels] between `pixels` and `output`, in the order of the graph, of
    more than one position."""
    between = ops_between(pixels, output)
    ops = (op for op in pixels.graph.get_operations() if op in between and op is not pixels.op)
    return [op.outputs[0] for op in ops if is_feature_map(op.outputs[0])]


def is_feature_map(tensor: tf.Tensor) -> bool:
    """Whether a tensor is float [N, height, width, channels] with more than one position."""
    return tensor.dtype.is_floating and tensor.shape.rank == 4 and tensor.shape[1:3].as_list() != [1, 1]


def main_layers(maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The feature maps behind an activation function; the convolutions of a network without any."""
    active = [tensor for tensor in maps if tensor.op.type in ACTIVATIONS or _is_swish(tensor.op)]
    return active or [tensor for tensor in maps if tensor.op.type in CONVOLUTIONS]


def _is_swish(op: tf.Operation) -> bool:
    """Whether an op multiplies a feature map by a sigmoid of the same size."""
    same = op.type == 'Mul' and all(tensor.shape.rank == 4 for tensor in op.inputs)
    return same and any(t.op.type == 'Sigmoid' and is_feature_map(t) for t in op.inputs)
