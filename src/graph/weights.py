"""Load frozen graphs fast: keep their weights as arrays beside the graph and import them as variables.

    weights = take_weights(graph_def)                       # the graph is small now: fast to copy and rewrite
    initialize = import_with_variables(graph_def, weights)  # into the default graph
    initialize(session)

Constants are copied with the graph: by each rewrite, by its import, and several times by Grappler when a
session first runs it. With a graph of 96 MB, classifying one picture took 2.1 s after the import of
TensorFlow with constants, and takes 0.6 s with variables (`python -m benchmarks.startup`). Batches are
equally fast. Single images are slower in networks of many small layers (MobileNet V2: 10 ms instead of 7.6),
as oneDNN then reorders the weights in each run; so a server keeps constants.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping

import numpy as np

from src.common.tf1 import tf
from src.graph.checks.accepted import import_graph
from src.graph.graph_io import free_name, node_of

LEAST_BYTES = 16_384  # smaller constants (biases, shapes) stay in the graph, for Grappler's constant folding
SCOPE = 'weights'

Weights = Mapping[str, np.ndarray]


def take_weights(graph_def: tf.GraphDef) -> dict[str, np.ndarray]:
    """Remove the values of the large floating-point constants from a graph, in place; dtype and shape stay.
    Returns the values by node name."""
    weights = {}
    for node in graph_def.node:
        if node.op != 'Const':
            continue
        tensor = node.attr['value'].tensor
        dtype = tf.as_dtype(tensor.dtype)
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        size = math.prod(shape) * dtype.size
        if not dtype.is_floating or size < LEAST_BYTES:
            continue
        content = tensor.tensor_content  # a copy
        if len(content) == size:  # a damaged constant is left for TensorFlow to report
            weights[node.name] = np.frombuffer(content, dtype.as_numpy_dtype).reshape(shape)
            tensor.ClearField('tensor_content')
    return weights


def put_weights(graph_def: tf.GraphDef, weights: Weights) -> tf.GraphDef:
    """A copy of a graph with the values that `take_weights` removed."""
    whole = copy.deepcopy(graph_def)
    for node in whole.node:
        if node.name in weights:
            node.attr['value'].tensor.tensor_content = weights[node.name].tobytes()
    return whole


def import_with_variables(
    graph_def: tf.GraphDef, weights: Weights, given: Mapping[str, tf.Tensor] | None = None
) -> Callable[[tf.Session], None]:
    """Import a graph into the default graph under its own names, with its weights as variables `weights/...`,
    and with the tensors `given` in the place of those of these names.

    Weights that are only used through a Cast, such as those stored as float16, are cast once, here. Returns a
    function that initializes the variables in a session.
    """
    held = {node.name: weights[node.name] for node in graph_def.node if node.name in weights}
    light = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.op == 'Cast' and (half := node_of(node.input[0])) in weights:
            held[node.name] = weights[half].astype(tf.as_dtype(node.attr['DstT'].type).as_numpy_dtype)
        elif node.name not in weights:
            # Colocation may name a constant that is not in the graph anymore.
            light.node.add().CopyFrom(node)
            light.node[-1].attr.pop('_class', None)
    for node in light.node:  # control inputs from weights have no effect
        node.input[:] = [i for i in node.input if not (i.startswith('^') and node_of(i) in held)]
    needed = {node_of(name) for node in light.node for name in node.input}
    values = {name: value for name, value in held.items() if name in needed}
    scope = free_name(SCOPE, {node.name for node in graph_def.node})
    with tf.variable_scope(scope):
        fed = {name: tf.placeholder(value.dtype, value.shape) for name, value in values.items()}
        variables = [
            tf.Variable(value, name=name, trainable=False, use_resource=True) for name, value in fed.items()
        ]
    reads = {name: variable.value() for name, variable in zip(fed, variables, strict=True)}
    import_graph(light, input_map=reads | dict(given or {}), name='')
    initializers = [variable.initializer for variable in variables]

    def initialize(session: tf.Session) -> None:
        session.run(initializers, {fed[name]: value for name, value in values.items()})

    return initialize
