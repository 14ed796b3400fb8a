"""A teacher whose class probabilities are learned: a frozen classifier, cut at its bottleneck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.distilling.teacher import Teacher
from src.graph.backbone_flags import Asked
from src.graph.backbones import how_to_get, tried
from src.graph.class_tail import ClassTail, class_tail
from src.graph.frozen import fitting, labels_of, output_of
from src.graph.graph_io import node_of, nodes_by_name, read_graph
from src.graph.model_info import read_info, views_in

AT_ONCE = 4096  # rows
TOLERANCE = 0.01  # of the sum of a row of probabilities; networks may compute in float16


@dataclass(frozen=True)
class ClassTeacher:
    """A teacher with `labels`, its class names in output order, and the classifier behind its bottleneck."""

    teacher: Teacher
    labels: list[str]
    tail: ClassTail

    def probabilities(self, answers: np.ndarray) -> np.ndarray:
        """The class probabilities [N, classes] float32 of bottlenecks [N, width] float16. Raises UserError
        for outputs that are none: NaN, logits, or independent probabilities of several classes."""
        with tf.Graph().as_default() as graph:
            given = tf.placeholder(tf.float32, [None, self.teacher.width])
            rows = self.tail.attach_probabilities(given)
        with tf.Session(graph=graph) as session:
            run = session.make_callable(rows, [given])
            starts = range(0, len(answers), AT_ONCE)
            found = np.concatenate([run(answers[begin : begin + AT_ONCE]) for begin in starts])
        path = paths.shown(self.teacher.backbones[0].path)
        if np.isnan(found).any():
            raise UserError(f'{path} gives NaN instead of class probabilities: choose another --teacher')
        sums = found.sum(1, keepdims=True)
        if found.min() < 0 or np.abs(sums - 1).max() > TOLERANCE:
            raise UserError(
                f'{path} gives no class probabilities: a row adds up to '
                f'{sums[np.abs(sums - 1).argmax()].item():.3g}, not 1, or holds negative numbers'
            )
        return found / sums


def load_class_teacher(asked: Asked, precision: str) -> ClassTeacher:
    """The classifier in a file, whose labels are in it or beside it, as a teacher.

    It is cut at the tensor that is asked for. Where that is the default, it is cut at the bottleneck that the
    file names, at the default, or, where no classifier follows these, at its logits.

    Raises UserError for a file that is missing, is no classifier or has no labels, and for one that joins
    several backbones.
    """
    path = paths.located(asked.path)
    if not path.exists():
        advice = how_to_get(path, '--teacher', paths.POCKET_DOGS)
        raise UserError(f'there is no teacher {paths.shown(path)}: {advice}')
    graph_def = read_graph(path)
    output, labels = output_of(graph_def, path), labels_of(graph_def, path)
    for bottleneck in _cuts(asked.bottleneck, graph_def, output):
        teacher = Teacher([tried(replace(asked, bottleneck=bottleneck))], precision)
        if tail := class_tail(teacher.backbones[0]):
            if tail.classes < 2:
                raise UserError(f'{paths.shown(path)} has a single class: a teacher needs at least two')
            return ClassTeacher(teacher, fitting(labels, tail.classes, path), tail)
    raise UserError(f'{paths.shown(path)}: no classifier follows {asked.bottleneck}: leave --bottleneck out')


def _cuts(bottleneck: str, graph_def: tf.GraphDef, output: str) -> Iterator[str]:
    """Tensors where a teacher may be cut, the best one first."""
    if bottleneck != consts.BOTTLENECK_TENSOR:
        yield bottleneck
        return
    nodes, info = nodes_by_name(graph_def), read_info(graph_def)
    facts = info.get('backbone') or {}
    # A model that averages views has several bottlenecks for each picture.
    names = (facts.get('bottleneck'), facts.get('vector'), bottleneck) if views_in(info) == 1 else ()
    yield from dict.fromkeys(name for name in names if name and node_of(name) in nodes)
    last = nodes[node_of(output)].input[0]
    yield last if ':' in last else f'{last}:0'
