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
from src.graph.graph_io import ancestors, inferred, node_of, nodes_by_name

DECODERS = ('DecodeJpeg', 'DecodePng', 'DecodeImage', 'DecodeAndCropJpeg', 'DecodeBmp')
RESIZERS = ('ResizeBilinear', 'ResizeBicubic', 'ResizeArea', 'ResizeNearestNeighbor', 'ScaleAndTranslate')
DECODER_NODES = (node_of(consts.IMAGE_TENSOR), 'DecodeJpeg')  # in a front that is made here


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
    if not any(node.op in DECODERS for node in graph_def.node if node.name in needed):
        placeholder = _pixel_placeholder(graph_def, target, path)
        graph_def = _with_front(graph_def, placeholder, path, pixel_range)
    elif pixel_range:
        raise UserError(f'{paths.shown(path)} decodes images itself: leave --pixel-range out')
    return graph_def, find_front(graph_def, target, path)


def front_alone(height: int, width: int) -> tuple[tf.GraphDef, Front]:
    """A graph that is only a front, for networks that learn from pixels: from one encoded image to pixels
    [1, height, width, 3] float32, 0 to 255, under the names of 2015."""
    names = consts.IMAGE_TENSOR, 'DecodeJpeg:0', consts.PIXELS_TENSOR
    graph_def = _new_front(node_of(consts.PIXELS_TENSOR), height, width, (0, 255))
    return graph_def, Front(*names, height, width)


def find_front(graph_def: tf.GraphDef, target: str, path: Path) -> Front:
    """The front that leads to `target`. Raises UserError when there is none, or when it is not all that
    `target` needs."""
    needed = ancestors(graph_def, [target])
    decoder = next((n for n in graph_def.node if n.name in needed and n.op in DECODERS), None)
    pixels = _resized(graph_def, needed, decoder)
    if decoder is None or pixels is None:
        raise UserError(f'{paths.shown(path)}: no decoded and resized image leads to {target}')
    image = node_of(decoder.input[0])
    _refuse_placeholders(graph_def, ancestors(graph_def, [target], [image]) - {image}, path)
    tensor = inferred(graph_def, f'{pixels}:0', path)
    shape = tensor.shape.as_list() if tensor.shape.rank == 4 else [None] * 4
    if tensor.dtype != tf.float32 or None in shape[1:3] or shape[3] != 3:
        raise UserError(
            f'{paths.shown(path)}: {pixels}:0 is {tensor.dtype.name} {tensor.shape}, '
            'not float32 [N, height, width, 3] with a fixed height and width'
        )
    return Front(f'{image}:0', f'{decoder.name}:0', f'{pixels}:0', shape[1], shape[2])


def _refuse_placeholders(graph_def: tf.GraphDef, names: set[str], path: Path) -> None:
    """Raise UserError if one of the nodes `names` waits for a value that is not the image."""
    for node in graph_def.node:
        if node.name in names and node.op == 'Placeholder':
            raise UserError(
                f'{paths.shown(path)} also wants a value at {node.name}:0: '
                'freeze the graph with a constant there'
            )


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


def _pixel_placeholder(graph_def: tf.GraphDef, target: str, path: Path) -> str:
    """The only placeholder for pixels, whose size may be unknown; others may hold other values."""
    needed = ancestors(graph_def, [target])
    found = [
        node.name
        for node in graph_def.node
        if node.name in needed
        and node.op in ('Placeholder', 'PlaceholderWithDefault')
        and node.attr['dtype'].type == tf.float32.as_datatype_enum
        and _may_be_pixels(_shape_of(node))
    ]
    if len(found) > 1:
        names = ', '.join(f'{name}:0' for name in found)
        raise UserError(f'{paths.shown(path)} has several placeholders for pixels ({names}), not one')
    if not found:
        raise UserError(
            f'{paths.shown(path)}: neither an image decoder nor a placeholder for float32 pixels '
            f'leads to {target}'
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
    shape = _shape_of(nodes_by_name(graph_def)[placeholder])
    if shape is None or None in shape[1:3] or shape[3] not in (3, None):
        raise UserError(
            f'{paths.shown(path)}: {placeholder}:0 is {shape or "of unknown shape"}, '
            'not [N, height, width, 3]: export the graph with a fixed height and width'
        )
    front = _new_front(placeholder, *shape[1:3], pixel_range).node
    rest = [node for node in graph_def.node if node.name != placeholder]
    taken = {node.name for node in front} & {node.name for node in rest} | {placeholder} & set(DECODER_NODES)
    if taken:
        raise UserError(
            f'{paths.shown(path)}: the name {min(taken)} is wanted for the decoder that goes before it: '
            'rename that node'
        )
    whole = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    whole.node.extend([*front, *rest])
    return whole


def _new_front(end: str, height: int, width: int, pixel_range: tuple[float, float]) -> tf.GraphDef:
    """From one encoded image to the node `end`, [1, height, width, 3] float32 in `pixel_range`."""
    low, high = pixel_range
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], name=DECODER_NODES[0])
        # Accurate as Pillow and as fast as the default, which rounds more.
        decoded = tf.image.decode_jpeg(
            image, channels=3, dct_method='INTEGER_ACCURATE', name=DECODER_NODES[1]
        )
        with tf.name_scope(end + '/front/'):
            pixels = tf.compat.v2.image.resize(decoded[None], [height, width], antialias=True)
        if end != node_of(consts.PIXELS_TENSOR):
            pixels = tf.identity(pixels, name=node_of(consts.PIXELS_TENSOR))
        with tf.name_scope(end + '/front/'):
            pixels = pixels * ((high - low) / 255) + low
        tf.identity(pixels, name=end)
        return graph.as_graph_def()


def _may_be_pixels(shape: list[int | None] | None) -> bool:
    return shape is None or len(shape) == 4


def _shape_of(placeholder: tf.NodeDef) -> list[int | None] | None:
    """Its sizes, None where unknown; None when even their number is."""
    if 'shape' not in placeholder.attr or placeholder.attr['shape'].shape.unknown_rank:
        return None
    return [None if dim.size < 0 else dim.size for dim in placeholder.attr['shape'].shape.dim]
