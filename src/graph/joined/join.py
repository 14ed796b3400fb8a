"""Join backbones: one graph from one encoded image to the bottlenecks of all, side by side.

                        ┌► resized as for A ┐               ┌► network A ┐
    image ──► decoded ──┤                   ├► pixels ──────┤            ├► bottlenecks [N, width]
                        └► resized as for B ┘  [N, P, 1, 3] └► network B ┘

The pixels are one tensor, as those of a single backbone are (preprocessing/pictures.py). Backbones that
resize in the same way share the picture, and if all do, it is the pixels.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from src.common import consts, paths
from src.common.errors import UserError, first_line
from src.common.tf1 import tf
from src.graph.backbones import Backbone, flat
from src.graph.graph_io import ancestors, node_of, nodes_by_name, subgraph, with_nodes
from src.graph.joined import facts
from src.graph.preprocessing.find import Preprocessing
from src.graph.preprocessing.pictures import as_pixels, pictures_in
from src.graph.weights import take_weights

BOTTLENECKS = 'bottlenecks'
MAY_DIFFER = ('dct_method', '_output_shapes')  # attributes of decoders that are shared all the same


def join_backbones(backbones: Sequence[Backbone]) -> Backbone:
    """One backbone whose bottleneck is those of all, concatenated in their order. If there is only one, it is
    returned as it is.

    All decode as the first does. Raises UserError for a file that is given twice, and for graphs that cannot
    be joined.
    """
    if len(backbones) == 1:
        return backbones[0]
    _refuse(backbones)
    light = [_Light(backbone, number) for number, backbone in enumerate(backbones, 1)]
    try:
        graph_def, preprocessing = _joined(light)
    except ValueError as error:  # functions of the same name, for instance
        raise UserError(f'{_names(backbones)} cannot be joined: {first_line(error)}') from error
    weights = {name: value for one in light for name, value in one.weights.items()}
    for node in graph_def.node:
        if node.name in weights:
            node.attr['value'].tensor.tensor_content = weights[node.name]
    told = facts.joined([backbone.facts() for backbone in backbones])
    return Backbone(
        Path(told['file']),
        told['sha256'],
        graph_def,
        preprocessing,
        f'{BOTTLENECKS}:0',
        told['width'],
        joined=tuple(backbones),
    )


def decoding_as(first: Backbone, backbone: Backbone) -> Backbone:
    """A copy of a backbone that decodes as `first` does, as if it were joined with it. Raises UserError as
    `join_backbones` does."""
    _require_same_decoder(first, backbone)
    graph_def = with_nodes(backbone.graph_def, backbone.graph_def.node)
    made = replace(backbone, graph_def=graph_def)
    if 'dct_method' in (attributes := _decoder(first).attr):
        _decoder(made).attr['dct_method'].CopyFrom(attributes['dct_method'])
    return made


def parts_for(backbone: Backbone) -> list[int]:
    """For each backbone that this one joins, or for itself, which of the pictures in its pixels it takes."""
    resizings = [_resizing(one) for one in backbone.joined or [backbone]]
    different = list(dict.fromkeys(resizings))
    return [different.index(resizing) for resizing in resizings]


class _Light:
    """A backbone without the content of its weights, and these by their names in the joined graph."""

    def __init__(self, backbone: Backbone, number: int):
        self.backbone, self.scope, self.resizing = backbone, f'backbone_{number}', f'picture_{number}'
        scope = self.scope
        self.graph_def = copy.deepcopy(backbone.graph_def)
        content = {
            node.name: node.attr['value'].tensor.tensor_content
            for node in self.graph_def.node
            if node.op == 'Const'
        }
        taken = take_weights(self.graph_def)
        self.weights = {f'{scope}/{name}': content[name] for name in taken}
        self.weights |= {f'{self.resizing}/{name}': content[name] for name in taken}
        for node in self.graph_def.node:
            if node.op == 'Enter':  # loops are told apart by this name alone
                node.attr['frame_name'].s = f'{scope}/{node.attr["frame_name"].s.decode()}'.encode()

    def picture(self, decoded: tf.Tensor) -> tf.Tensor:
        """What the network takes of one decoded image: [1, h, w, 3] float32."""
        p = self.backbone.preprocessing
        nodes = nodes_by_name(self.graph_def)
        source = nodes[node_of(p.pixels)].input[0]
        return self._imported(source, {p.decoded: decoded}, self.resizing)

    def vector(self, picture: tf.Tensor) -> tf.Tensor:
        """The bottlenecks [N, width] of pictures [N, h, w, 3]."""
        given = {self.backbone.preprocessing.pixels: picture}
        tensor = self._imported(self.backbone.bottleneck, given, self.scope)
        with tf.name_scope(f'{self.scope}/'):
            return flat(tensor, self.backbone.channel_axis)

    def _imported(self, target: str, given: Mapping[str, tf.Tensor], scope: str) -> tf.Tensor:
        """Import the part of the graph between the tensors `given` and `target`."""
        stops = [node_of(name) for name in given]
        needed = ancestors(self.graph_def, [target], stops) - set(stops)
        part = with_nodes(self.graph_def, (node for node in self.graph_def.node if node.name in needed))
        target = target if ':' in target else f'{target}:0'
        return tf.import_graph_def(part, dict(given), [target], name=scope)[0]


def _joined(light: Sequence[_Light]) -> tuple[tf.GraphDef, Preprocessing]:
    """The joined graph without the content of its weights."""
    first = light[0].backbone
    image, decoded = first.preprocessing.image, first.preprocessing.decoded
    parts: dict[str, list[_Light]] = {}
    for one in light:
        parts.setdefault(_resizing(one.backbone), []).append(one)
    firsts = [sharing[0].backbone.preprocessing for sharing in parts.values()]
    sizes = tuple((one.height, one.width) for one in firsts)
    if len(sizes) > 1:
        column = sum(height * width for height, width in sizes), 1
        preprocessing = Preprocessing(image, decoded, consts.PIXELS_TENSOR, *column, sizes)
    else:
        preprocessing = Preprocessing(image, decoded, consts.PIXELS_TENSOR, *sizes[0])
    with tf.Graph().as_default() as graph:
        decoder = subgraph(light[0].graph_def, [decoded])
        (picture,) = tf.import_graph_def(decoder, None, [decoded], name='')
        default = as_pixels([sharing[0].picture(picture) for sharing in parts.values()], preprocessing)
        shape = [None, preprocessing.height, preprocessing.width, 3]
        pixels = tf.placeholder_with_default(default, shape, node_of(preprocessing.pixels))
        vectors = {}
        for sharing, batch in zip(parts.values(), pictures_in(pixels, preprocessing), strict=True):
            vectors |= {one.scope: one.vector(batch) for one in sharing}
        tf.concat([vectors[one.scope] for one in light], 1, name=BOTTLENECKS)
        return subgraph(graph.as_graph_def(), [f'{BOTTLENECKS}:0']), preprocessing


def _resizing(backbone: Backbone) -> str:
    """A hash of what a backbone computes between the decoded image and its pixels."""
    nodes, p = nodes_by_name(backbone.graph_def), backbone.preprocessing

    def hashed(tensor: str) -> str:
        if node_of(tensor) == node_of(p.decoded):
            return 'decoded'
        plain = tf.NodeDef()
        plain.CopyFrom(nodes[node_of(tensor)])
        plain.name = ''
        plain.attr.pop('_output_shapes', None)
        plain.input[:] = [hashed(given) + given.partition(':')[2] for given in plain.input]
        return hashlib.sha256(plain.SerializeToString(deterministic=True)).hexdigest()

    return hashed(p.pixels)


def _refuse(backbones: Sequence[Backbone]) -> None:
    """Raise UserError for backbones that cannot be joined."""
    seen: dict[str, Backbone] = {}
    for backbone in backbones:
        if twin := seen.get(backbone.sha256):
            other = '' if twin.path == backbone.path else f', also as {paths.shown(twin.path)}'
            raise UserError(f'{paths.shown(backbone.path)} is given twice{other}: name each backbone once')
        seen[backbone.sha256] = backbone
        if backbone.preprocessing.sizes or backbone.joined:
            raise UserError(
                f'{paths.shown(backbone.path)} joins several backbones already: give the files of these'
            )
        _require_same_decoder(backbones[0], backbone)


def _require_same_decoder(first: Backbone, backbone: Backbone) -> None:
    ours, theirs = _decoder(first), _decoder(backbone)
    settings = [
        {key: value for key, value in node.attr.items() if key not in MAY_DIFFER} for node in (ours, theirs)
    ]
    if ours.op != theirs.op or settings[0] != settings[1]:
        raise UserError(
            f'{_names([first, backbone])} decode images differently ({ours.op}, {theirs.op}) and cannot be '
            'joined: export one of them with a placeholder for pixels'
        )


def _decoder(backbone: Backbone) -> tf.NodeDef:
    return nodes_by_name(backbone.graph_def)[node_of(backbone.preprocessing.decoded)]


def _names(backbones: Sequence[Backbone]) -> str:
    return ' and '.join(paths.shown(backbone.path) for backbone in backbones)
