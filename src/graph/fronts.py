"""The front of a graph: the way from an encoded image to the pixels that the network sees.

    DecodeJpeg/contents:0 ──► decoded [h, w, 3] ──► resized, pixels [N, H, W, 3] ──► network
       string scalar           uint8                 fed for batches

Graphs of 2015's kind bring a front of their own, and its way of resizing is part of what their
network learned, so it is kept. A graph that begins with a placeholder for pixels gets one here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import ancestors, node_of, nodes_by_name

DECODERS = ('DecodeJpeg', 'DecodePng', 'DecodeImage', 'DecodeAndCropJpeg', 'DecodeBmp')
RESIZERS = ('ResizeBilinear', 'ResizeBicubic', 'ResizeArea', 'ResizeNearestNeighbor', 'ScaleAndTranslate')


@dataclass(frozen=True)
class Front:
    """Tensor names along the front, and the size [height, width] of the pixels it ends in."""

    image: str
    decoded: str
    pixels: str
    height: int
    width: int


def ensure_front(
    graph_def: tf.GraphDef, target: str, path: Path, pixel_range: tuple[float, float] | None = None
) -> tuple[tf.GraphDef, Front]:
    """A graph, and its front, in which `target` can be computed from one encoded image or from
    a batch of pixels.

    `pixel_range` is the range of values at the placeholder of a graph that begins with pixels.
    Raises UserError when no way from an image to `target` is found.
    """
    needed = ancestors(graph_def, [target])
    decoders = [n for n in graph_def.node if n.name in needed and n.op in DECODERS]
    if not decoders:
        graph_def = _with_front(graph_def, _pixel_placeholder(graph_def, needed, path), path, pixel_range)
        return graph_def, find_front(graph_def, target, path)
    if pixel_range:
        raise UserError(f'{paths.shown(path)} decodes images itself: leave --pixel-range out')
    return graph_def, find_front(graph_def, target, path)


def find_front(graph_def: tf.GraphDef, target: str, path: Path) -> Front:
    """The front that leads to `target`. Raises UserError when there is none."""
    nodes = nodes_by_name(graph_def)
    needed = ancestors(graph_def, [target])
    decoder = next((n for n in graph_def.node if n.name in needed and n.op in DECODERS), None)
    pixels = _resized(graph_def, needed, decoder)
    if decoder is None or pixels is None:
        raise UserError(f'{paths.shown(path)}: no decoded and resized image leads to {target}')
    image = decoder.input[0]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name='')
        shape = graph.get_tensor_by_name(pixels + ':0').shape.as_list()
    if len(shape) != 4 or None in shape[1:3] or shape[3] != 3:
        raise UserError(f'{paths.shown(path)}: {pixels}:0 is {shape}, not [N, height, width, 3]')
    return Front(
        image=f'{node_of(image)}:0',
        decoded=f'{nodes[decoder.name].name}:0',
        pixels=f'{pixels}:0',
        height=shape[1],
        width=shape[2],
    )


def feed_batches(graph_def: tf.GraphDef, front: Front) -> tf.GraphDef:
    """A copy of the graph whose `front.pixels` may be fed with any number of images.

    In the graph as released that tensor is [1, height, width, 3], and a session refuses others.
    The encoded image, a constant in 2015's graph, becomes a placeholder.
    """
    name = node_of(front.pixels)
    fed = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        copy = fed.node.add()
        if node.name == node_of(front.image):
            copy.name, copy.op = node.name, 'Placeholder'
            copy.attr['dtype'].type = tf.string.as_datatype_enum
            copy.attr['shape'].shape.SetInParent()
            continue
        copy.CopyFrom(node)
        if node.name == name and node.op != 'PlaceholderWithDefault':
            copy.name = name + '/of_image'
            free = fed.node.add(name=name, op='PlaceholderWithDefault', input=[copy.name])
            free.attr['dtype'].type = tf.float32.as_datatype_enum
            for size in (-1, front.height, front.width, 3):
                free.attr['shape'].shape.dim.add(size=size)
    return fed


def _resized(graph_def: tf.GraphDef, needed: set[str], decoder: tf.NodeDef | None) -> str | None:
    """The node where resizing ends: the tensor of 2015's name, or the last resizer behind the decoder."""
    if decoder is None:
        return None
    if node_of(consts.PIXELS_TENSOR) in needed:
        return node_of(consts.PIXELS_TENSOR)
    behind = [
        node.name
        for node in graph_def.node
        if node.name in needed and node.op in RESIZERS and decoder.name in ancestors(graph_def, [node.name])
    ]
    return max(behind, key=lambda name: len(ancestors(graph_def, [name])), default=None)


def _pixel_placeholder(graph_def: tf.GraphDef, needed: set[str], path: Path) -> str:
    found = [
        node.name
        for node in graph_def.node
        if node.name in needed
        and node.op in ('Placeholder', 'PlaceholderWithDefault')
        and node.attr['dtype'].type == tf.float32.as_datatype_enum
    ]
    if len(found) != 1:
        raise UserError(
            f'{paths.shown(path)} has neither an image decoder nor one placeholder for float32 pixels'
        )
    return found[0]


def _with_front(
    graph_def: tf.GraphDef, placeholder: str, path: Path, pixel_range: tuple[float, float] | None
) -> tf.GraphDef:
    """Put decoding, resizing and scaling to `pixel_range` before a placeholder for pixels."""
    if pixel_range is None:
        raise UserError(
            f'{paths.shown(path)} takes pixels at {placeholder}:0, and the file does not say in which range: '
            'add --pixel-range=-1,1 (as for Inception and MobileNet), 0,1 or 0,255'
        )
    low, high = pixel_range
    with tf.Graph().as_default() as graph:
        shape = _shape_of(graph_def, placeholder)
        if len(shape) != 4 or None in shape[1:3] or shape[3] not in (3, None):
            raise UserError(
                f'{paths.shown(path)}: {placeholder}:0 is {shape}, not [N, height, width, 3]: '
                'export the graph with a fixed height and width'
            )
        image = tf.placeholder(tf.string, [], name=node_of(consts.IMAGE_TENSOR))
        # Accurate as Pillow and as fast as the default, which rounds more.
        decoded = tf.image.decode_jpeg(image, channels=3, dct_method='INTEGER_ACCURATE', name='DecodeJpeg')
        resized = tf.compat.v2.image.resize(decoded[None], shape[1:3], antialias=True)
        pixels = tf.placeholder_with_default(
            resized, [None, *shape[1:3], 3], name=node_of(consts.PIXELS_TENSOR)
        )
        scaled = pixels * ((high - low) / 255) + low
        tf.import_graph_def(_without(graph_def, placeholder), input_map={f'{placeholder}:0': scaled}, name='')
        return graph.as_graph_def()


def _shape_of(graph_def: tf.GraphDef, placeholder: str) -> list[int | None]:
    shape = nodes_by_name(graph_def)[placeholder].attr['shape'].shape
    return [] if shape.unknown_rank else [None if d.size < 0 else d.size for d in shape.dim]


def _without(graph_def: tf.GraphDef, name: str) -> tf.GraphDef:
    rest = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    rest.node.extend(node for node in graph_def.node if node.name != name)
    return rest
