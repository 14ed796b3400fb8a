"""Load a frozen classifier from a .pb file as data: checked, cut to its output, and optimized."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.checks.accepted import names_faults
from src.graph.checks.frozen_check import frozen_part
from src.graph.graph_io import inferred, node_of, nodes_by_name, read_graph, subgraph
from src.graph.model_info import labels_in, read_info, read_labels
from src.graph.preprocessing.find import Preprocessing, find_preprocessing
from src.graph.preprocessing.hidden_decoders import with_plain_decoder
from src.graph.rewrites.modernize import modernize
from src.graph.rewrites.optimize import leaves_to_rewrite, optimize
from src.graph.weights import Weights, put_weights, take_weights


@dataclass(frozen=True)
class FrozenGraph:
    """A frozen classifier as data.

    graph_def: the graph without the values of its `weights`.
    output: tensor of the probabilities, [N, classes] for N images fed at `preprocessing.pixels`.
    labels: class names in the order of the output.
    info: the `model_info` of the file; empty for files made by others.
    path: of the file.
    """

    graph_def: tf.GraphDef
    weights: Weights
    preprocessing: Preprocessing
    output: str
    labels: list[str]
    info: dict[str, Any]
    path: Path


class NoLabels(UserError):
    """A frozen classifier without labels, inside it or beside it."""


@names_faults
def load_graph(path: Path, labels: Path | None = None) -> FrozenGraph:
    """Read a frozen model written by `freeze`, or any frozen classifier with a labels file beside it
    (NAME.txt beside NAME.pb, one class a line in output order). `labels` is the labels file if it is another
    one; ImageNet's lists of 1,001 classes also fit networks without their first class, the background.

    Raises UserError when the file is not a frozen graph or has no output; NoLabels when its labels are
    missing.
    """
    path = Path(path)
    graph_def = read_graph(path)
    output = output_of(graph_def, path)
    names = labels_in(labels) if labels else labels_of(graph_def, path)
    model = _checked(graph_def, output, names, path)
    weights, preprocessing, graph_def = dict(model.weights), model.preprocessing, model.graph_def
    if leaves_to_rewrite(graph_def):
        keep = [
            output,
            preprocessing.image,
            preprocessing.decoded,
            preprocessing.pixels,
            *_bottleneck(graph_def, model.info),
        ]
        graph_def, _ = optimize(put_weights(graph_def, weights), keep)
        weights = take_weights(graph_def)
    names = fitting(model.labels, _classes(graph_def, output, path), path)
    return replace(model, graph_def=graph_def, weights=weights, labels=names)


@names_faults
def load_network(path: Path) -> FrozenGraph:
    """Read any frozen network with a preprocessing, to look inside: all its layers stay, under their names.

    `labels` is empty for a network without class names; `output` is then its last tensor, which need not be
    probabilities. Raises UserError when the file is not such a graph.
    """
    path = Path(path)
    graph_def = read_graph(path)
    labels = read_labels(graph_def) or (_labels_beside(path) if path.with_suffix('.txt').exists() else [])
    model = _checked(
        graph_def, output_of(graph_def, path) if labels else _last_tensor(graph_def), labels, path
    )
    if labels:
        return replace(model, labels=fitting(labels, _classes(model.graph_def, model.output, path), path))
    return model


def _checked(graph_def: tf.GraphDef, output: str, labels: list[str], path: Path) -> FrozenGraph:
    """The part of a graph before `output`, for batches of pictures. Takes the weights out of `graph_def`."""
    info = read_info(graph_def)
    graph_def = with_plain_decoder(graph_def, output, path)
    weights = take_weights(graph_def)
    graph_def = modernize(frozen_part(graph_def, output, path))
    preprocessing = find_preprocessing(graph_def, output, path)
    graph_def = subgraph(feed_batches(graph_def, preprocessing), [output])
    return FrozenGraph(graph_def, weights, preprocessing, output, labels, info, path)


def fitting(labels: list[str], classes: int, path: Path) -> list[str]:
    """The labels for so many classes: without the first one if it is one too many, and the background. Raises
    UserError for another number."""
    if len(labels) == classes + 1 and re.fullmatch(r'(0\s+)?background', labels[0]):
        return labels[1:]
    if len(labels) != classes:
        raise UserError(f'{paths.shown(path)} has {classes} classes but {len(labels)} labels')
    return labels


def _last_tensor(graph_def: tf.GraphDef) -> str:
    """The last output of a graph: of the last node that no other node uses."""
    used = {node_of(name) for node in graph_def.node for name in node.input}
    ends = [
        node.name for node in graph_def.node if node.name not in used and node.op not in ('Const', 'NoOp')
    ]
    return (ends or [graph_def.node[-1].name])[-1] + ':0'


def _bottleneck(graph_def: tf.GraphDef, info: dict[str, Any]) -> list[str]:
    """The tensors of the bottleneck, if `model_info` names them."""
    backbone, nodes = info.get('backbone') or {}, nodes_by_name(graph_def)
    names = (backbone.get('bottleneck', ''), backbone.get('vector', ''))
    return [name for name in names if node_of(name) in nodes]


def _classes(graph_def: tf.GraphDef, output: str, path: Path) -> int:
    tensor = inferred(graph_def, output, path)
    sizes = tensor.shape.as_list() if tensor.shape.rank else [None]
    if len(sizes) < 2 or sizes[0] is not None or sizes[-1] is None or set(sizes[1:-1]) - {1}:
        raise UserError(f'{paths.shown(path)}: {output} is {tensor.shape}, not [N, classes]')
    return sizes[-1]


def output_of(graph_def: tf.GraphDef, path: Path) -> str:
    """The tensor of the probabilities: the output node that `freeze` writes, else the last Softmax. Raises
    UserError when there is neither."""
    if consts.OUTPUT_NODE_NAME in nodes_by_name(graph_def):
        return consts.OUTPUT_TENSOR_NAME
    softmaxes = [node.name for node in graph_def.node if node.op == 'Softmax']
    if not softmaxes:
        raise UserError(
            f'{paths.shown(path)} gives no probabilities: it has neither {consts.OUTPUT_TENSOR_NAME} nor a '
            'Softmax; train a head on it (python -m src.graph.backbones PB names the flags)'
        )
    return softmaxes[-1] + ':0'


def labels_of(graph_def: tf.GraphDef, path: Path) -> list[str]:
    """The class names in a graph, or else in the text file beside it. Raises NoLabels."""
    return read_labels(graph_def) or _labels_beside(path)


def _labels_beside(path: Path) -> list[str]:
    beside = path.with_suffix('.txt')
    if not beside.exists():
        raise NoLabels(
            f'{paths.shown(path)} contains no labels: put {paths.shown(beside)} beside it, one class a line'
        )
    return labels_in(beside)
