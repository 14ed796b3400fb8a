"""Add preprocessing (decoding, resizing and scaling) to a graph that begins with pixels."""

from __future__ import annotations

from pathlib import Path

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import new_names, node_of, nodes_by_name, renamed, with_nodes
from src.graph.preprocessing.placeholders import shape_of

DECODER_NODES = (node_of(consts.IMAGE_TENSOR), 'DecodeJpeg')
RESIZER_FLAGS = ('align_corners', 'half_pixel_centers')  # attributes that decide where a resizing op samples


def prepend(
    graph_def: tf.GraphDef,
    placeholder: tf.NodeDef,
    path: Path,
    pixel_range: tuple[float, float] | None,
    input_size: tuple[int, int] | None,
    resizer: tf.NodeDef | None = None,
) -> tf.GraphDef:
    """A copy of the graph with new preprocessing in the place of its placeholder for pixels.

    pixel_range: range of the pixels, required for floating point.
    input_size: (height, width), required where the graph does not fix it.
    resizer: as in `new_preprocessing`.

    Raises UserError when one of the first two is missing or contradicts the graph.
    """
    dtype = tf.as_dtype(placeholder.attr['dtype'].type)
    if pixel_range is None and dtype.is_integer:
        pixel_range = (-128, 127) if dtype == tf.int8 else (0, 255)
    if pixel_range is None:
        raise UserError(
            f'{paths.shown(path)} accepts pixels at {placeholder.name}:0, and the file does not say in which '
            'range: add --pixel-range=-1,1 (as for Inception and MobileNet), 0,1 or 0,255'
        )
    height, width = _size(placeholder, path, input_size)
    if placeholder.name in DECODER_NODES:
        aside = new_names(graph_def, DECODER_NODES)
        graph_def = renamed(graph_def, aside)
        placeholder = nodes_by_name(graph_def)[aside[placeholder.name]]
    order = [0, 3, 1, 2] if _in_nchw(placeholder) else None
    preprocessing = new_preprocessing(
        placeholder.name, height, width, pixel_range, dtype, resizer, order
    ).node
    rest = with_nodes(graph_def, (node for node in graph_def.node if node.name != placeholder.name))
    rest = renamed(rest, new_names(rest, {node.name for node in preprocessing}))
    rest.node.extend(preprocessing)
    return rest


def refuse_flags(
    path: Path, pixel_range: tuple[float, float] | None, input_size: tuple[int, int] | None
) -> None:
    """Raise UserError when one of these flags was given, for a graph that keeps its preprocessing."""
    if pixel_range or input_size:
        flag = '--pixel-range' if pixel_range else '--input-size'
        raise UserError(f'{paths.shown(path)} decodes images itself: leave {flag} out')


def new_preprocessing(
    end: str,
    height: int,
    width: int,
    pixel_range: tuple[float, float] = (0, 255),
    dtype: tf.DType | None = None,
    resizer: tf.NodeDef | None = None,
    order: list[int] | None = None,
) -> tf.GraphDef:
    """A graph from one encoded image to the node `end`, pixels [1, height, width, 3] in `pixel_range`.

    dtype: of the pixels, float32 by default.
    resizer: node whose op and attributes are used to resize; by default bilinear with antialiasing.
    order: permutation of the axes of the pixels.
    """
    low, high = pixel_range
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], name=DECODER_NODES[0])
        # As accurate as Pillow, and as fast as the default, which is less accurate.
        decoded = tf.image.decode_jpeg(
            image, channels=3, dct_method='INTEGER_ACCURATE', name=DECODER_NODES[1]
        )
        with tf.name_scope(end + '/preprocessing/'):
            pixels = _resized(decoded[None], height, width, resizer)
        if end != node_of(consts.PIXELS_TENSOR):
            pixels = tf.identity(pixels, name=node_of(consts.PIXELS_TENSOR))
        with tf.name_scope(end + '/preprocessing/'):
            if dtype is not None and dtype.is_integer:
                pixels = tf.round(pixels)
            if (low, high) != (0, 255):
                pixels = pixels * ((high - low) / 255) + low
            if dtype is not None and dtype != tf.float32:
                pixels = tf.saturate_cast(pixels, dtype)
        if order:
            tf.transpose(pixels, order, name=end)
        else:
            tf.identity(pixels, name=end)
        return graph.as_graph_def()


def _resized(images: tf.Tensor, height: int, width: int, resizer: tf.NodeDef | None) -> tf.Tensor:
    if resizer is None or resizer.op == 'ScaleAndTranslate':
        return tf.compat.v2.image.resize(images, [height, width], antialias=True)
    kind = {name: resizer.attr[name].b for name in RESIZER_FLAGS if name in resizer.attr}
    resize = getattr(tf.raw_ops, resizer.op)
    return tf.cast(resize(images=images, size=[height, width], **kind), tf.float32)


def _size(placeholder: tf.NodeDef, path: Path, input_size: tuple[int, int] | None) -> tuple[int, int]:
    shape = shape_of(placeholder) or [None] * 4
    if _in_nchw(placeholder):
        shape = [shape[0], *shape[2:], 3]
    name = f'{paths.shown(path)}: {placeholder.name}:0'
    if shape[3] not in (3, None):
        raise UserError(f'{name} is {shape}, not [N, height, width, 3]')
    if input_size is None and None in shape[1:3]:
        raise UserError(
            f'{name} accepts images of any size: add --input-size with the height and width that the network '
            'was trained on, such as --input-size 224,224'
        )
    height, width = input_size or shape[1:3]
    if any(size not in (None, asked) for size, asked in zip(shape[1:3], (height, width), strict=True)):
        raise UserError(f'{name} accepts images of {shape[1]} x {shape[2]}: leave --input-size out')
    return height, width


def _in_nchw(placeholder: tf.NodeDef) -> bool:
    """Whether the shape of a placeholder is [N, 3, height, width]."""
    shape = shape_of(placeholder)
    return bool(shape) and shape[1] == 3 and shape[3] != 3
