"""Find the preprocessing in a graph, from an encoded image to the pixels of the network, or add it.

    DecodeJpeg/contents:0 ──► decoded [h, w, 3] ──► resized, pixels [N, H, W, 3] ──► network
       string scalar           uint8                 fed for batches

Graphs such as that of 2015 contain their preprocessing. It is kept, as their network was trained with its way
of resizing. A graph that begins with a placeholder for pixels gets a new one (prepend.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import ancestors, inferred, node_of, nodes_by_name
from src.graph.preprocessing.hidden_decoders import DECODERS, RESIZERS, with_plain_decoder
from src.graph.preprocessing.placeholders import pixel_placeholder, refuse_placeholders
from src.graph.preprocessing.prepend import new_preprocessing, prepend, refuse_flags

# First ops of a network: resizing after one of them is not part of the preprocessing.
NETWORK_OPS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul', 'MaxPool', 'AvgPool', 'QuantizedConv2D')


@dataclass(frozen=True)
class Preprocessing:
    """The tensors of a preprocessing and the size of its pixels.

    image: encoded image, string scalar.
    decoded: [h, w, 3] uint8, of any size.
    pixels: [N, height, width, 3] float32, the input of the network.
    sizes: (height, width) of the pictures in the pixels, where backbones of several sizes are joined
        (pictures.py); `height` is then the number of pixels of all, and `width` is 1.
    """

    image: str
    decoded: str
    pixels: str
    height: int
    width: int
    sizes: tuple[tuple[int, int], ...] = ()


def ensure_preprocessing(
    graph_def: tf.GraphDef,
    target: str,
    path: Path,
    pixel_range: tuple[float, float] | None = None,
    input_size: tuple[int, int] | None = None,
) -> tuple[tf.GraphDef, Preprocessing]:
    """The graph with preprocessing before the tensor `target`, found or added; and this preprocessing.

    For a graph that begins with a placeholder for pixels, `pixel_range` is the range of their values and
    `input_size` their (height, width) where the graph does not fix it. Raises UserError when `target` cannot
    be computed from an encoded image alone.
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
    """A graph that is only preprocessing, for networks trained from pixels: from one encoded image to pixels
    [1, height, width, 3] float32, 0 to 255, with the tensor names of the graph of 2015."""
    names = consts.IMAGE_TENSOR, 'DecodeJpeg:0', consts.PIXELS_TENSOR
    return new_preprocessing(node_of(consts.PIXELS_TENSOR), height, width), Preprocessing(
        *names, height, width
    )


def find_preprocessing(
    graph_def: tf.GraphDef, target: str, path: Path, settable: bool = False
) -> Preprocessing:
    """The preprocessing before the tensor `target`. Raises UserError when there is none, or when `target`
    also needs other inputs; `settable` says whether the command has the flag --set for those."""
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
    names = f'{image}:0', f'{decoder.name}:0', f'{pixels}:0'
    sizes = _sizes(graph_def, names[2], path) if shape[2] == 1 else ()
    for height, width in sizes or [shape[1:3]]:
        if max(height, width) > consts.LARGEST_INPUT_SIDE:
            raise UserError(
                f'{paths.shown(path)}: {pixels}:0 has {height:,} x {width:,} pixels, above the limit of '
                f'{consts.LARGEST_INPUT_SIDE:,} each (LARGEST_INPUT_SIDE in src/common/consts.py)'
            )
    return Preprocessing(*names, shape[1], shape[2], sizes)


def decodes_roughly(graph_def: tf.GraphDef, preprocessing: Preprocessing) -> bool:
    """Whether the JPEG decoder of a graph computes another DCT than the accurate one of Pillow. TensorFlow's
    default is off by one level on average."""
    decoder = nodes_by_name(graph_def)[node_of(preprocessing.decoded)]
    return decoder.op == 'DecodeJpeg' and decoder.attr['dct_method'].s != b'INTEGER_ACCURATE'


def parts_of(graph_def: tf.GraphDef, pixels: str) -> list[str]:
    """The tensors [1, h, w, 3] of the pictures that joined backbones take, which one image gives: in `pixels`
    they are one column (pictures.py). Empty for the pixels of one picture."""
    nodes = nodes_by_name(graph_def)
    node = nodes[node_of(pixels)]
    while node.op in ('PlaceholderWithDefault', 'Identity'):
        node = nodes[node_of(node.input[0])]
    columns = [nodes[node_of(given)] for given in node.input[:-1]] if node.op == 'ConcatV2' else []
    parts = [column.input[0] for column in columns if column.op == 'Reshape']
    return [part if ':' in part else f'{part}:0' for part in parts]


def _sizes(graph_def: tf.GraphDef, pixels: str, path: Path) -> tuple[tuple[int, int], ...]:
    """`Preprocessing.sizes` of a graph."""
    return tuple(
        tuple(inferred(graph_def, part, path).shape.as_list()[1:3]) for part in parts_of(graph_def, pixels)
    )


def _resized(graph_def: tf.GraphDef, needed: set[str], decoder: tf.NodeDef | None) -> str | None:
    """The node where resizing ends: the one with the name of 2015, or the last resizer between the decoder
    and the network, which may resize feature maps."""
    if decoder is None:
        return None
    named = node_of(consts.PIXELS_TENSOR)
    before = {
        node.name: ancestors(graph_def, [node.name])
        for node in graph_def.node
        if node.name in needed and (node.op in RESIZERS or node.name == named)
    }
    network = {node.name for node in graph_def.node if node.op in NETWORK_OPS}
    ends = {name: found for name, found in before.items() if decoder.name in found and not found & network}
    return named if named in ends else max(ends, key=lambda name: len(ends[name]), default=None)
