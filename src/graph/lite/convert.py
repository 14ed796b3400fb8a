"""Convert a part of a graph to a .tflite model by TensorFlow's own converter: from pixels to values, or from
a bottleneck to probabilities."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common import errors, paths
from src.common.errors import UserError
from src.common.progress import progress
from src.common.tf1 import tf
from src.graph.graph_io import ancestors, inferred, node_of, with_nodes
from src.graph.lite.weight_scales import with_best_scales
from src.graph.preprocessing.find import Preprocessing

PRECISIONS = ('float32', 'float16', 'int8')


def convert(
    graph_def: tf.GraphDef,
    preprocessing: Preprocessing,
    output: str,
    path: Path,
    precision: str = 'float32',
    calibration: Sequence[np.ndarray] = (),
) -> bytes:
    """The part of a graph from `preprocessing.pixels` to the tensor `output`, as a .tflite model for one
    picture: [1, height, width, 3] float32 to [1, width] float32.

    graph_def: with its weights.
    path: of the graph, for messages.
    precision: float16 stores the weights in half the bytes. int8 stores and computes in 8 bits, with a scale
        for each channel of the weights (weight_scales.py); the ranges of the activations are measured on
        `calibration`, pixels [height, width, 3] float32 of some 100 pictures (Jacob et al. 2018,
        https://arxiv.org/abs/1712.05877).

    Raises UserError for an op that the converter does not know, and for int8 without pictures.
    """
    if precision == 'int8' and not len(calibration):
        raise UserError('int8 is calibrated on photos, and there are none')
    shape = [1, preprocessing.height, preprocessing.width, 3]
    part = graph_def, preprocessing.pixels, shape, shape, output, path
    made = _converted(*part, precision, calibration)
    return with_best_scales(made, _converted(*part)) if precision == 'int8' else made


def convert_head(graph_def: tf.GraphDef, bottleneck: str, output: str, path: Path, rows: int = 1) -> bytes:
    """The part of a graph from the tensor `bottleneck` to the tensor `output`, as a .tflite model in float32:
    [1, rows * width] to [1, classes].

    rows: of the bottleneck for one picture, if the graph averages several views of it.

    Raises what `convert` does.
    """
    row = inferred(graph_def, bottleneck, path).shape.as_list()[1:]
    return _converted(graph_def, bottleneck, [1, rows * math.prod(row)], [rows, *row], output, path)


def _converted(
    graph_def: tf.GraphDef,
    given: str,
    shape: list[int],
    shape_inside: list[int],
    output: str,
    path: Path,
    precision: str = 'float32',
    calibration: Sequence[np.ndarray] = (),
) -> bytes:
    """The part of a graph between two tensors. The model takes values of `shape`, and the tensor `given` gets
    them in `shape_inside`."""
    stop = node_of(given)
    needed = ancestors(graph_def, [output], [stop]) - {stop}
    part = with_nodes(graph_def, (node for node in graph_def.node if node.name in needed))
    with tf.Graph().as_default(), tf.Session() as session:
        taken = tf.placeholder(tf.float32, shape, name='lite_input')
        inside = taken if shape == shape_inside else tf.reshape(taken, shape_inside)
        (values,) = tf.import_graph_def(part, {given: inside}, [output], name='')
        values = tf.identity(tf.reshape(values, [1, -1]), name='lite_output')
        converter = tf.lite.TFLiteConverter.from_session(session, [taken], [values])
        if precision != 'float32':
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == 'float16':
            converter.target_spec.supported_types = [tf.float16]
        if precision == 'int8':
            converter.representative_dataset = lambda: _with_bar(calibration)
            # An op that has no int8 kernel stays in float32.
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
                tf.lite.OpsSet.TFLITE_BUILTINS,
            ]
        try:
            return converter.convert()
        except Exception as error:  # ConverterError and others, all with many lines
            raise UserError(f'{paths.shown(path)} cannot be converted: {_reason(error)}') from error


def _with_bar(calibration: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """The pictures as batches of one for the converter, with a progress bar."""
    with progress(len(calibration), 'calibrating int8', 'photos') as bar:
        for picture in calibration:
            yield [picture[None]]
            bar.update()


def _reason(error: Exception) -> str:
    """Which ops LiteRT lacks, or the first line."""
    text = str(error)
    if missing := dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither", text)):
        return f'LiteRT has no op {" and no op ".join(missing)}'
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][: errors.LONGEST_REASON]
