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
from src.graph.graph_io import ancestors, inferred, node_of
from src.graph.preprocessing.hidden_decoders import DECODERS, RESIZERS, with_plain_decoder
from src.graph.preprocessing.placeholders import pixel_placeholder, refuse_placeholders
from src.graph.preprocessing.prepend import new_preprocessing, prepend, refuse_flags

# Ops that a network begins with: resizing after one of them is not part of the preprocessing.
NETWORK_OPS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul', 'MaxPool', 'AvgPool', 'QuantizedConv2D')


@dataclass(frozen=True)
class Preprocessing:
    """Tensor names along the preprocessing, and the size [height, width] of the pixels it ends in."""

    image: str
    decoded: str
    pixels: str
    height: int
    width: int


def ensure_preprocessing(
    graph_def: tf.GraphDef,
    target: str,
    path: Path,
    pixel_range: tuple[float, float] | None = None,
    input_size: tuple[int, int] | None = None,
) -> tuple[tf.GraphDef, Preprocessing]:
    """A graph, and its preprocessing, in which `target` can be computed from one encoded image or from
    a batch of pixels.

    For a graph that begins with pixels, `pixel_range` is the range of their values and `input_size` their
    height and width where the graph does not say. Raises UserError when no way from an image to `target`
    is found.
    """
    plain = with_plain_decoder(graph_def, target, path, pixel_range, input_size)
    needed = ancestors(plain, [target])
    if not any(node.op in DECODERS for node in plain.node if node.name in needed):
        placeholder = pixel_placeholder(plain, target, path)
        plain = prepend(plain, placeholder, path, pixel_range, input_size)
    elif plain is graph_def:
        refuse_flags(path, pixel_range, input_size)
    return plain, find_preprocessing(plain, target, path, settable=True)


def preprocessing_graph(height: int, width: int) -> tuple[tf.GraphDef, Preprocessing]:
    """A graph that is only preprocessing, for networks that learn from pixels: from one encoded image to
    pixels [1, height, width, 3] float32, 0 to 255, under the names of 2015."""
    names = consts.IMAGE_TENSOR, 'DecodeJpeg:0', consts.PIXELS_TENSOR
    return new_preprocessing(node_of(consts.PIXELS_TENSOR), height, width), Preprocessing(
        *names, height, width
    )


def find_preprocessing(
    graph_def: tf.GraphDef, target: str, path: Path, settable: bool = False
) -> Preprocessing:
    """The front that leads to `target`. Raises UserError when there is none, or when it is not all that
    `target` needs; `settable` says whether the command has --set to help with that."""
    needed = ancestors(graph_def, [target])
    decoder = next((n for n in graph_def.node if n.name in needed and n.op in DECODERS), None)
    pixels = _resized(graph_def, needed, decoder)
    if decoder is None or pixels is None:
        raise UserError(f'{paths.shown(path)}: no decoded and resized image leads to {target}')
    image = node_of(decoder.input[0])
    refuse_placeholders(graph_def, ancestors(graph_def, [target], [image]) - {image}, path, settable)
    tensor = inferred(graph_def, f'{pixels}:0', path)
    shape = tensor.shape.as_list() if tensor.shape.rank == 4 else [None] * 4
    if tensor.dtype != tf.float32 or None in shape[1:3] or shape[3] != 3:
        raise UserError(
            f'{paths.shown(path)}: {pixels}:0 is {tensor.dtype.name} {tensor.shape}, '
            'not float32 [N, height, width, 3] with a fixed height and width'
        )
    return Preprocessing(f'{image}:0', f'{decoder.name}:0', f'{pixels}:0', shape[1], shape[2])


def _resized(graph_def: tf.GraphDef, needed: set[str], decoder: tf.NodeDef | None) -> str | None:
    """The node where resizing ends: the tensor of 2015's name, or the last resizer behind the decoder and
    before the network, which may resize its own maps."""
    if decoder is None:
        return None
    named = node_of(consts.PIXELS_TENSOR)
    before = {
        node.name: ancestors(graph_def, [node.name])
        for node in graph_def.node
        if node.name in needed and (node.op in RESIZERS or node.name == named)
    }
    network = {node.name for node in graph_def.node if node.op in NETWORK_OPS}
    behind = {name: found for name, found in before.items() if decoder.name in found and not found & network}
    return named if named in behind else max(behind, key=lambda name: len(behind[name]), default=None)
