"""A distilled backbone as the start of a training: its weights become those of the student.

The batch norms are folded into the convolutions of the file, and the student needs them again. Each filter
is scaled to norm 1, because Muon rescales the filters at its first step. The moving mean and variance are
computed from the outputs of the convolutions for some training photos. gamma and beta then make up for both,
so that the student gives the bottlenecks of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.optimizers import assign
from src.graph.graph_io import read_graph
from src.graph.model_info import read_info
from src.models.layers import EPSILON
from src.models.students import SCOPE, bottleneck_of

KERNELS = {'W': 'Conv2D', 'D': 'depthwise'}  # the op of a convolution by the name of its variable
RIDGE = 1e-3  # of the variance of the bottlenecks, added in the regression


@dataclass(frozen=True)
class Start:
    """The file of a distilled backbone, and its facts."""

    path: Path
    sha256: str
    graph_def: tf.GraphDef
    info: dict[str, Any]

    @property
    def student(self) -> str:
        return self.info['settings']['student']

    def values(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """The values of the student's variables by name, apart from the layer behind the bottleneck.

        pixels: [N, side, side, 3] uint8, the photos for the moving mean and variance of the batch norms.
        Raises UserError when the file lacks a layer of the student, or has it in another shape.
        """
        with tf.Graph().as_default() as graph, tf.Session() as session:
            given = tf.placeholder(tf.uint8, [None, None, None, 3])
            bottleneck_of(self.student, given)
            variables = {v.op.name: v for v in tf.global_variables(f'{SCOPE}/')}
            values = self._as_in_file({name: tuple(v.shape.as_list()) for name, v in variables.items()})
            assign(session, ((variable, values[name]) for name, variable in variables.items()))
            layers = list(_layers(values))
            outputs = [graph.get_tensor_by_name(f'{layer}:0') for layer in layers]
            moments = [tf.nn.moments(output, [0, 1, 2]) for output in outputs]
            for layer, (mean, variance) in zip(layers, session.run(moments, {given: pixels}), strict=True):
                norm = f'{layer.rpartition("/")[0]}/norm'
                values[f'{norm}/mean'], values[f'{norm}/variance'] = mean, variance
                values[f'{norm}/beta'] += values[f'{norm}/gamma'] * mean
                values[f'{norm}/gamma'] *= np.sqrt(variance + EPSILON)
        return values

    def _as_in_file(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Values of the variables, whose shapes are given: filters of norm 1, and batch norms with mean 0
        that only scale and add. The student then computes what the file does."""
        values = {name: np.full(shape, _neutral(name), np.float32) for name, shape in shapes.items()}
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.import_graph_def(self.graph_def, name='')
            found = {}
            for layer in _layers(shapes):
                name, _, op = layer.rpartition('/')
                kernel = next(key for key, value in KERNELS.items() if value == op)
                found[f'{name}/{kernel}'], found[f'{name}/norm/beta'] = self._weights(graph, layer)
            found = session.run(found)
        for name, value in found.items():
            if value.shape != shapes[name]:
                raise self._other(f'{name} has the shape {list(value.shape)}, not {list(shapes[name])}')
            layer, _, kind = name.rpartition('/')
            if kind in KERNELS:
                norm = np.sqrt(np.square(value).sum((0, 1, 2 if kind == 'W' else 3)))
                norm[norm == 0] = 1
                found[name] = value / (norm if kind == 'W' else norm[:, None])
                values[f'{layer}/norm/gamma'] = norm
        return values | found

    def _weights(self, graph: tf.Graph, layer: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Kernel and offset of a convolution in the file."""
        try:
            convolution = graph.get_operation_by_name(layer)
            (add,) = convolution.outputs[0].consumers()
            return convolution.inputs[1], add.inputs[1]
        except (KeyError, ValueError, IndexError):
            raise self._other(f'it has no layer {layer}') from None

    def _other(self, how: str) -> UserError:
        return UserError(f'{paths.shown(self.path)} is not a {self.student} of this version: {how}')


def read_start(path: Path, student: str) -> Start:
    """The backbone that a `student` is to start from. Raises UserError when the file is no distilled
    backbone, or one of another student."""
    graph_def = read_graph(path)
    start = Start(path, files.sha256(path), graph_def, read_info(graph_def))
    found = start.info.get('settings', {}).get('student')
    if not isinstance(found, str):
        raise UserError(f'{paths.shown(path)} is no distilled backbone: --from takes a file of this command')
    if found != student:
        raise UserError(f'{paths.shown(path)} is a {found}: add --student {found}')
    return start


def regression(bottlenecks: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [width, values] and offsets [values] of the linear layer that predicts `targets` [N, values]
    from `bottlenecks` [N, width] best (ridge regression)."""
    center, goal = bottlenecks.mean(0), targets.mean(0)
    rows = (bottlenecks - center).astype(np.float64)
    gram = rows.T @ rows / len(rows)
    gram += RIDGE * (np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
    weights = np.linalg.solve(gram, rows.T @ (targets - goal) / len(rows))
    return weights.astype(np.float32), (goal - center @ weights).astype(np.float32)


def _layers(names: Iterable[str]) -> Iterator[str]:
    """The ops of the convolutions with a batch norm, from the names of variables."""
    for name in names:
        layer, _, kernel = name.rpartition('/')
        if kernel in KERNELS:
            yield f'{layer}/{KERNELS[kernel]}'


def _neutral(name: str) -> float:
    """The value of a batch norm's variable with which the batch norm changes nothing."""
    return {'gamma': 1.0, 'variance': 1.0 - EPSILON}.get(name.rpartition('/')[2], 0.0)
