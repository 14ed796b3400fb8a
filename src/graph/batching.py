"""Batches for a graph that was made for one image: its pixels, and its preprocessing, accept any number.

In the graph of 2015 the pixels have the fixed shape [1, height, width, 3], and `pool_3/_reshape` has
[1, 2048]. Here the first axis of both becomes unknown; nothing else changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from src.common.tf1 import tf
from src.graph.checks.accepted import import_graph
from src.graph.checks.constants import array_of
from src.graph.graph_io import ancestors, node_of, nodes_by_name, subgraph
from src.graph.preprocessing.find import Preprocessing
from src.graph.rewrites.casts import without_cast_before_resizing


def feed_batches(graph_def: tf.GraphDef, preprocessing: Preprocessing) -> tf.GraphDef:
    """A copy of the graph in which `preprocessing.pixels` can be fed with [N, height, width, 3].

    The encoded image, which is a constant in the graph of 2015, becomes a placeholder.
    """
    name, image = node_of(preprocessing.pixels), node_of(preprocessing.image)
    before, nodes = ancestors(graph_def, [name]), nodes_by_name(graph_def)
    fed = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name == image:
            fed.node.append(_placeholder(image, tf.string, []))
            continue
        copy = fed.node.add()
        copy.CopyFrom(node)
        if node.name == name and node.op != 'PlaceholderWithDefault':
            copy.name = name + '/of_image'
            free = _placeholder(name, tf.float32, [None, preprocessing.height, preprocessing.width, 3])
            free.op = 'PlaceholderWithDefault'
            free.input.append(copy.name)
            fed.node.append(free)
        elif node.op == 'Reshape' and node.name not in before:
            fed.node.extend(_free_batch(copy, nodes))
    return fed


def pixels_of_many(
    images: tf.Tensor,
    graph_def: tf.GraphDef,
    preprocessing: Preprocessing,
    decode: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tf.Tensor:
    """Pixels [N, height, width, 3] float32 of encoded images [N], by the preprocessing of `graph_def`; as
    many images in parallel as there are cores.

    `decode`, from an encoded image to [h, w, 3] uint8, replaces the decoder of the graph.
    """
    whole = subgraph(graph_def, [preprocessing.pixels])
    whole = without_cast_before_resizing(whole, preprocessing.decoded)

    def one(image: tf.Tensor) -> tf.Tensor:
        given = {preprocessing.decoded: decode(image)} if decode else {preprocessing.image: image}
        (pixels,) = import_graph(whole, given, [preprocessing.pixels], name='preprocessing')
        return tf.reshape(pixels, [preprocessing.height, preprocessing.width, 3])

    return tf.map_fn(one, images, fn_output_signature=tf.float32, parallel_iterations=os.cpu_count() or 1)


def _placeholder(name: str, dtype: tf.DType, shape: list[int | None]) -> tf.NodeDef:
    made = tf.NodeDef(name=name, op='Placeholder')
    made.attr['dtype'].type = dtype.as_datatype_enum
    made.attr['shape'].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return made


def _free_batch(reshape: tf.NodeDef, nodes: dict[str, tf.NodeDef]) -> list[tf.NodeDef]:
    """Change a Reshape to [1, ...] into one to [-1, ...], in place. Returns the new constant for its shape,
    if any."""
    shape = nodes.get(node_of(reshape.input[1]))
    if shape is None or shape.op != 'Const':
        return []
    sizes = array_of(shape).ravel()
    if len(sizes) < 2 or sizes[0] != 1 or -1 in sizes:
        return []
    sizes = sizes.copy()
    sizes[0] = -1
    free = tf.NodeDef(name=reshape.name + '/any_batch', op='Const')
    free.attr['dtype'].type = shape.attr['dtype'].type
    free.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(sizes))
    reshape.input[1] = free.name
    return [free]
