"""The class names and facts that a frozen model contains, as two constants beside its network.

`labels` holds the class names in output order. `model_info` is JSON text: the backbone and its SHA-256, input
size, data set, counts, scores, and so on.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, TypedDict

from src import __version__
from src.common import files, paths
from src.common.errors import UserError
from src.common.shapes import Count, fault_of
from src.common.tf1 import tf

LABELS_NODE = 'labels'
INFO_NODE = 'model_info'
VIEWS_KEY = 'views'  # in `model_info`: how many views of a picture the graph averages, if more than one


class ModelInfo(TypedDict, total=False):
    """The shape of `model_info` (`common.shapes`); files of earlier versions and of others lack keys."""

    model: str
    data_set: str | None
    records: str | None
    counts: dict[str, Count]
    learned_from: list[str]
    backbone: BackboneInfo | None
    precision: str | None
    settings: dict[str, Any]
    scores: dict[str, dict[str, Any]]
    calibration: dict[str, Any]
    views: Annotated[int, 1]
    validated_views: dict[str, dict[str, Any]]
    teacher: TeacherInfo


class TeacherInfo(TypedDict, total=False):
    """The model whose class probabilities a head has learned, without labels."""

    file: str
    sha256: str


class BackboneInfo(TypedDict, total=False):
    """The facts of a backbone in `model_info`, and the tensor of its bottleneck in the frozen graph."""

    file: str
    sha256: str
    bottleneck: str
    vector: str
    width: Count
    field: str
    joined: list[BackboneInfo]


def with_facts(graph_def: tf.GraphDef, labels: Sequence[str], info: dict[str, Any]) -> tf.GraphDef:
    """A copy of the graph with the constants `labels` and `model_info`."""
    with tf.Graph().as_default() as graph:
        tf.constant(list(labels), tf.string, name=LABELS_NODE)
        tf.constant(json.dumps(info, ensure_ascii=False), tf.string, name=INFO_NODE)
        facts = graph.as_graph_def().node
    whole = copy.deepcopy(graph_def)
    whole.node.extend(facts)
    return whole


def origin() -> dict[str, Any]:
    """The entries of `model_info` that say when a file is made, and with which versions."""
    return {
        'made': datetime.now(timezone.utc).date().isoformat(),
        'versions': {'rootstock': __version__, 'tensorflow': tf.version.VERSION},
    }


def replace_info(graph_def: tf.GraphDef, info: dict[str, Any]) -> None:
    """Replace the value of `model_info` in a graph that has it, in place."""
    from src.graph.graph_io import nodes_by_name

    with tf.Graph().as_default() as graph:
        tf.constant(json.dumps(info, ensure_ascii=False), tf.string, name=INFO_NODE)
        nodes_by_name(graph_def)[INFO_NODE].CopyFrom(graph.as_graph_def().node[0])


def read_labels(graph_def: tf.GraphDef) -> list[str] | None:
    """The class names in a graph, in output order; None when it has none."""
    value = _constant(graph_def, LABELS_NODE)
    if value is None or value.dtype != object:  # in a graph made by others, `labels` may be numbers
        return None
    return [label.decode('utf-8', 'replace') for label in value.ravel()]


def labels_in(path: Path) -> list[str]:
    """The class names in a text file, one a line in output order. Raises UserError when it cannot be read."""
    try:
        lines = files.utf8_text(path, 'strict').splitlines()
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror}') from error
    except UnicodeError as error:
        raise UserError(
            f'{paths.shown(path)} is no UTF-8 text: give a text file with one class name a line'
        ) from error
    return [line.strip() for line in lines if line.strip()]


def read_info(graph_def: tf.GraphDef) -> dict[str, Any]:
    """The `model_info` of a graph; empty when it has none, or another constant of this name."""
    value = _constant(graph_def, INFO_NODE)
    try:
        info = {} if value is None else json.loads(value.item().decode())
    except (ValueError, AttributeError, RecursionError):
        return {}
    return {} if fault_of(info, ModelInfo) else info


def views_in(info: dict[str, Any]) -> int:
    """How many views of a picture a graph with this `model_info` averages. `backbone.vector` has so many rows
    for each picture, which follow each other."""
    return info.get(VIEWS_KEY, 1)


def _constant(graph_def: tf.GraphDef, name: str):
    # Reading a file of labels does without these.
    from src.graph.checks.constants import array_of
    from src.graph.graph_io import nodes_by_name

    node = nodes_by_name(graph_def).get(name)
    return array_of(node) if node and node.op == 'Const' else None
