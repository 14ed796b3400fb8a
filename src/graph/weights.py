"""Frozen graphs thawed: weights as arrays beside the graph, and as variables when it is imported.

    weights = take_weights(graph_def)                  # the graph is light now: rewrite and copy it freely
    initialize = import_with_variables(graph_def, weights)     # into the default graph
    initialize(session)

As constants in the graph, weights are copied whenever it is: by us, by its import, and several times
by Grappler when a session first runs it. To name one picture with a graph of 96 MB took 2.1 s beyond
TensorFlow's import with constants, and takes 0.6 s with variables (`python -m benchmarks.startup`).
Batches run as fast; one image at a time a network of many small layers is a quarter slower (MobileNet
V2: 10 ms instead of 7.6), as oneDNN then orders the weights anew in each run: a server keeps constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import node_of
from src.graph.node_names import free_name

LEAST_BYTES = 16_384  # smaller constants (biases, shapes) stay in the graph, where Grappler may use them
SCOPE = 'thawed'

Weights = Mapping[str, np.ndarray]


def take_weights(graph_def: tf.GraphDef) -> dict[str, np.ndarray]:
    """Take the large constants of floating point out of a graph, which is changed: they keep their
    type and shape there, but no values. Returns the values by the names of the nodes."""
    weights = {}
    for node in graph_def.node:
        if node.op != 'Const':
            continue
        tensor = node.attr['value'].tensor
        dtype = tf.as_dtype(tensor.dtype)
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        # Of a damaged constant the content does not fit the shape, which is TensorFlow's to complain of.
        whole = len(tensor.tensor_content) == math.prod(shape) * dtype.size
        if dtype.is_floating and whole and len(tensor.tensor_content) >= LEAST_BYTES:
            weights[node.name] = np.frombuffer(tensor.tensor_content, dtype.as_numpy_dtype).reshape(shape)
            tensor.ClearField('tensor_content')
    return weights


def put_weights(graph_def: tf.GraphDef, weights: Weights) -> tf.GraphDef:
    """A copy of a graph with its weights in their constants again."""
    whole = tf.GraphDef()
    whole.CopyFrom(graph_def)
    for node in whole.node:
        if node.name in weights:
            node.attr['value'].tensor.tensor_content = weights[node.name].tobytes()
    return whole


def import_with_variables(
    graph_def: tf.GraphDef, weights: Weights, given: Mapping[str, tf.Tensor] | None = None
) -> Callable[[tf.Session], None]:
    """Import a graph into the default graph under its own names, its weights as variables `thawed/...`
    and the tensors `given` in the place of its own.

    Weights that are only cast, as those stored in float16 are, are cast once and for all. Returns the
    function that gives the variables their values in a session.
    """
    held = {node.name: weights[node.name] for node in graph_def.node if node.name in weights}
    light = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.op == 'Cast' and (half := node_of(node.input[0])) in weights:
            held[node.name] = weights[half].astype(tf.as_dtype(node.attr['DstT'].type).as_numpy_dtype)
        elif node.name not in weights:
            # A node can only stand where a variable stands, not where a constant was.
            light.node.add().CopyFrom(node)
            light.node[-1].attr.pop('_class', None)
    for node in light.node:  # nothing need wait for a weight
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
    tf.import_graph_def(light, input_map=reads | dict(given or {}), name='')
    initialisers = [variable.initializer for variable in variables]

    def initialize(session: tf.Session) -> None:
        session.run(initialisers, {fed[name]: value for name, value in values.items()})

    return initialize
