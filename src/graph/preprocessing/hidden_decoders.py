"""Replace image decoders inside control flow: one for each format (tf.cond), or for each picture (tf.map_fn).

The output of such a decoder cannot be fed. The graph is cut after it, at a tensor on every path from the
encoded images to the network:

    image ──► cond(jpeg? png?) ──► decoded [h, w, 3] ──► resize ──►       cond becomes a plain decoder
    images [N] ──► map_fn(decode, resize) ──► pixels [N, H, W, 3] ──►     map_fn becomes new preprocessing

The removed part is run on generated pictures; new preprocessing is used only if it gives the same pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.tf1 import tf
from src.graph.checks.accepted import import_graph
from src.graph.graph_io import (
    ancestors,
    consumers,
    new_names,
    node_of,
    nodes_by_name,
    renamed,
    subgraph,
    with_nodes,
)
from src.graph.preprocessing.prepend import DECODER_NODES, RESIZER_FLAGS, prepend, refuse_flags
from src.graph.rewrites.branches import in_control_flow

DECODERS = ('DecodeJpeg', 'DecodePng', 'DecodeImage', 'DecodeAndCropJpeg', 'DecodeBmp')
RESIZERS = ('ResizeBilinear', 'ResizeBicubic', 'ResizeArea', 'ResizeNearestNeighbor', 'ScaleAndTranslate')
HEIGHT, WIDTH = 50, 70  # of the generated pictures
# Mean absolute difference of pixels, as a fraction of their range: JPEG decoders differ by up to 1/255.
TOLERANCE = 0.01


@dataclass(frozen=True)
class _Probed:
    """A tensor on every path from the encoded images to the network, and its values for one picture."""

    tensor: str
    values: np.ndarray


def with_plain_decoder(
    graph_def: tf.GraphDef,
    target: str,
    path: Path,
    pixel_range: tuple[float, float] | None = None,
    input_size: tuple[int, int] | None = None,
) -> tf.GraphDef:
    """A graph whose decoder, if it has any, is a single node outside of control flow; the same object if that
    is so already.

    `pixel_range` allows new preprocessing that gives other pixels. Raises UserError when the graph cannot be
    cut, or when new preprocessing would give other pixels.
    """
    needed = ancestors(graph_def, [target])
    sources = _encoded_images(graph_def, needed)
    if not sources or not _hides_decoder(graph_def, needed):
        return graph_def
    probe = _Probe(graph_def, target, sources, path)
    noise = _jpeg(np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3)))
    seen = probe.run(probe.passed(), noise)
    for one in seen:
        if _is_decoded(one.values, noise):
            refuse_flags(path, pixel_range, input_size)
            return _with_decoder_at(graph_def, node_of(one.tensor))
    images = [one for one in seen if one.values.ndim == 4 and one.values.shape[::3] == (1, 3)]
    if not images:
        raise UserError(
            f'{paths.shown(path)} decodes images inside control flow, and no tensor [N, height, width, 3] '
            'after it is on every path from them: export the graph with a placeholder for pixels'
        )
    resized = [one for one in images if one.values.shape[1:3] != (HEIGHT, WIDTH)]
    return _with_preprocessing_at(graph_def, probe, (resized or images)[0], noise, pixel_range, input_size)


def _is_decoded(values: np.ndarray, jpeg: bytes) -> bool:
    """Whether a tensor is the decoded picture, [h, w, 3] uint8."""
    if values.dtype != np.uint8 or values.shape != (HEIGHT, WIDTH, 3):
        return False
    wanted = np.asarray(Image.open(io.BytesIO(jpeg)), float)
    return bool(np.abs(wanted - values).mean() <= TOLERANCE * 255)


def _encoded_images(graph_def: tf.GraphDef, needed: set[str]) -> list[tf.NodeDef]:
    return [
        node
        for node in graph_def.node
        if node.name in needed
        and node.op in ('Placeholder', 'PlaceholderV2')
        and node.attr['dtype'].type == tf.string.as_datatype_enum
    ]


def _hides_decoder(graph_def: tf.GraphDef, needed: set[str]) -> bool:
    """Whether a decoder is inside control flow or a function, or there are several."""
    decoders = [node.name for node in graph_def.node if node.name in needed and node.op in DECODERS]
    in_functions = any(n.op in DECODERS for f in graph_def.library.function for n in f.node_def)
    if not decoders:
        return in_functions
    return len(decoders) > 1 or decoders[0] in in_control_flow(graph_def)


class _Probe:
    """Runs the part of a graph before its network on one picture."""

    def __init__(self, graph_def: tf.GraphDef, target: str, sources: list[tf.NodeDef], path: Path):
        self.graph_def, self.target, self.path = graph_def, target, path
        self.sources = {node.name for node in sources}
        self.image = sources[0]

    def passed(self) -> list[str]:
        """The tensors outside control flow, in order, that are on every path from the encoded images to the
        network."""
        users, nodes = consumers(self.graph_def), nodes_by_name(self.graph_def)
        inside = in_control_flow(self.graph_def)
        needed = ancestors(self.graph_def, [self.target])
        order, passed = list(self.sources), []
        known = set(order)
        for name in order:
            following = dict.fromkeys(user.name for user in users.get(name, ()))
            new = [user for user in following if user in needed and user not in known]
            order.extend(new)
            known.update(new)
        for name in order[len(self.sources) :]:
            if name in inside or nodes[name].op in ('Switch', 'Enter'):
                continue
            if nodes[name].op in ('Conv2D', 'DepthwiseConv2dNative', 'MatMul'):
                break
            if not ancestors(self.graph_def, [self.target], [name]) & self.sources:
                passed.append(f'{name}:0')
        return passed

    def run(self, tensors: list[str], jpeg: bytes) -> list[_Probed]:
        """The values of the tensors that are uint8 or floating point, for one encoded picture. Raises
        UserError when the graph does not run on it."""
        with tf.Graph().as_default() as graph, tf.Session() as session:
            import_graph(subgraph(self.graph_def, [*tensors, self.image.name]), name='')
            found = [graph.get_tensor_by_name(tensor) for tensor in tensors]
            found = [t for t in found if t.dtype == tf.uint8 or t.dtype.is_floating]
            image = graph.get_tensor_by_name(f'{self.image.name}:0')
            feeds = [jpeg, [jpeg]] if image.shape.rank in (None, 0) else [[jpeg]]
            for given in feeds:
                try:
                    values = session.run(found, {image: given})
                except (tf.errors.OpError, ValueError) as error:
                    fault = error
                    continue
                return [_Probed(t.name, np.asarray(v)) for t, v in zip(found, values, strict=True)]
        raise UserError(
            f'{paths.shown(self.path)} decodes images inside control flow and does not run on one encoded '
            f'image at {self.image.name}:0 ({first_line(fault)}): export it with a placeholder for pixels'
        )


def _with_decoder_at(graph_def: tf.GraphDef, name: str) -> tf.GraphDef:
    """The graph with a plain decoder in the place of the node `name`."""
    decoder, image = DECODER_NODES[1], DECODER_NODES[0]
    with tf.Graph().as_default() as graph:
        placeholder = tf.placeholder(tf.string, [], name=image)
        tf.image.decode_jpeg(placeholder, channels=3, dct_method='INTEGER_ACCURATE', name=decoder)
        plain = list(graph.as_graph_def().node)
    rest = with_nodes(graph_def, (node for node in graph_def.node if node.name != name))
    rest = renamed(rest, new_names(rest, DECODER_NODES))
    rest = renamed(rest, {name: decoder})
    rest.node.extend(plain)
    return rest


def _with_preprocessing_at(
    graph_def: tf.GraphDef,
    probe: _Probe,
    seen: _Probed,
    noise: bytes,
    pixel_range: tuple[float, float] | None,
    input_size: tuple[int, int] | None,
) -> tf.GraphDef:
    """The graph with new preprocessing in the place of the tensor `seen`."""
    size = input_size or tuple(seen.values.shape[1:3])
    if size == (HEIGHT, WIDTH):
        size = None  # the graph does not resize
    placeholder = tf.NodeDef(name=node_of(seen.tensor), op='Placeholder')
    placeholder.attr['dtype'].type = tf.as_dtype(seen.values.dtype).as_datatype_enum
    placeholder.attr['shape'].shape.CopyFrom(tf.TensorShape([None, None, None, 3]).as_proto())
    asked = pixel_range
    if pixel_range is None:
        pixel_range = _measured_range(probe, seen.tensor)
    rest = (node for node in graph_def.node if node.name != placeholder.name)
    whole = subgraph(with_nodes(graph_def, [*rest, placeholder]), [probe.target])
    whole = prepend(whole, placeholder, probe.path, pixel_range, size, _resizer(graph_def, seen.tensor))
    if not asked:
        _require_same_pixels(whole, probe, seen, noise, pixel_range)
    return whole


def _measured_range(probe: _Probe, tensor: str) -> tuple[float, float]:
    """The values of black and white pixels. Raises UserError when a uniform picture does not stay uniform."""
    ends = []
    for level in (0, 255):
        (seen,) = probe.run([tensor], _jpeg(np.full((HEIGHT, WIDTH, 3), level), quality=100))
        ends.append((float(seen.values.min()), float(seen.values.max())))
    (black, black_too), (white, white_too) = ends
    if max(black_too - black, white_too - white) > TOLERANCE * abs(white - black) or not black < white:
        raise _other_pixels(probe, tensor)
    return black, white


def _require_same_pixels(
    graph_def: tf.GraphDef, probe: _Probe, seen: _Probed, noise: bytes, pixel_range: tuple[float, float]
) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        import_graph(subgraph(graph_def, [seen.tensor]), name='')
        ours = session.run(seen.tensor, {f'{DECODER_NODES[0]}:0': noise})
    low, high = pixel_range
    difference = np.abs(ours.astype(float) - seen.values.astype(float))
    if not difference.mean() <= TOLERANCE * (high - low):
        raise _other_pixels(probe, seen.tensor)


def _other_pixels(probe: _Probe, tensor: str) -> UserError:
    return UserError(
        f'{paths.shown(probe.path)} decodes images inside control flow and does more there than resizing '
        f'and scaling: to put plain resizing before {tensor} instead, add --pixel-range with the range '
        'of its values'
    )


def _resizer(graph_def: tf.GraphDef, tensor: str) -> tf.NodeDef | None:
    """A node that resizes before a tensor, in the graph or in its functions; None if these nodes differ."""
    before = ancestors(graph_def, [tensor])
    nodes = [node for node in graph_def.node if node.name in before]
    nodes += [node for function in graph_def.library.function for node in function.node_def]
    found = [node for node in nodes if node.op in RESIZERS]
    kinds = {(node.op, *(node.attr[name].b for name in RESIZER_FLAGS if name in node.attr)) for node in found}
    return found[0] if len(kinds) == 1 else None


def _jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, 'JPEG', quality=quality, subsampling=0)
    return stream.getvalue()
