"""A backbone that is run on each picture and on its mirror image, in one batch.

                                          ┌► pixels ────────────┐
image ──► pixels [N, height, width, 3] ───┤                     ├► [2 N, ...] ──► backbone ──► [2 N, width]
                                          └► left ◄──► right ───┘
"""

from __future__ import annotations

from src.common.tf1 import tf
from src.graph.backbones import Backbone, flat
from src.graph.graph_io import ancestors, free_name, node_of, with_nodes
from src.graph.preprocessing.pictures import mirrored

BOTH_VIEWS = 2  # the picture, then its mirror image


def attach_mirrored(backbone: Backbone) -> tf.Tensor:
    """Import a backbone into the default graph under its own names, as `Backbone.attach` does.

    Returns bottlenecks [2 N, width] float32 of N images: rows 2 i and 2 i + 1 are those of image i and of its
    mirror image.
    """
    graph_def, preprocessing = backbone.graph_def, backbone.preprocessing
    before = ancestors(graph_def, [preprocessing.pixels])
    (pixels,) = tf.import_graph_def(
        with_nodes(graph_def, (node for node in graph_def.node if node.name in before)),
        name='',
        return_elements=[preprocessing.pixels],
    )
    with tf.name_scope(free_name('both_views', {node.name for node in graph_def.node})):
        views = tf.stack([pixels, mirrored(pixels, preprocessing)], 1)
        batch = tf.reshape(views, [-1, *pixels.shape[1:]])
    rest = with_nodes(graph_def, (node for node in graph_def.node if node.name not in before))
    given = {
        tensor: _imported(tensor) for node in rest.node for tensor in node.input if node_of(tensor) in before
    }
    given |= {name: batch for name in (preprocessing.pixels, node_of(preprocessing.pixels)) if name in given}
    (tensor,) = tf.import_graph_def(rest, given, name='', return_elements=[backbone.bottleneck])
    return flat(tensor, backbone.channel_axis)


def _imported(name: str) -> tf.Tensor:
    """The tensor of a node's input, or the first one of the op of a control input."""
    return tf.get_default_graph().get_tensor_by_name(name.lstrip('^') + ('' if ':' in name else ':0'))
