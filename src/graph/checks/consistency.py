"""Check that a backbone gives a picture the same vector alone, repeated, and in a batch with others.

A graph saved in training mode, or made for one image at a time, may load and run, but its vectors are random
or depend on the other pictures of the batch. A few test runs detect this and the node that causes it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.accepted import said
from src.graph.graph_io import ancestors, node_of
from src.graph.preprocessing.find import Preprocessing
from src.graph.rewrites.branches import in_control_flow
from src.graph.rewrites.dropout import RANDOM
from src.graph.rewrites.folding import BATCH_NORMS
from src.graph.weights import import_with_variables, take_weights

# Maximum difference of vectors, as a fraction of the largest value: batches are summed in another order.
TOLERANCE, HALF_TOLERANCE = 1e-3, 2e-2
RANGES = (
    *('RequantizationRange', 'RequantizationRangePerChannel'),
    *('QuantizedConv2D', 'QuantizeDownAndShrinkRange'),
)


@dataclass(frozen=True)
class Fault:
    """A fault of a backbone: `text` is the end of a sentence, `training` says whether training mode may be
    the cause."""

    text: str
    training: bool = False


def find_fault(graph_def: tf.GraphDef, preprocessing: Preprocessing, target: str, path: Path) -> Fault | None:
    """The fault, if the tensor `target` differs for a picture alone and in a batch; None if it does not.

    `graph_def` is fed at `preprocessing.decoded` and `preprocessing.pixels`. Raises UserError when it does
    not run.
    """
    light = copy.deepcopy(graph_def)
    weights = take_weights(light)
    with tf.Graph().as_default() as graph:
        initialize = import_with_variables(light, weights)
    with tf.Session(graph=graph) as session:
        initialize(session)
        trial = _Trial(session, light, preprocessing, target)
        try:
            return trial.fault()
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f'{paths.shown(path)} does not run: {said(error)}') from error


class _Trial:
    """Test runs of a graph on three pictures, one by one and as a batch."""

    def __init__(
        self, session: tf.Session, graph_def: tf.GraphDef, preprocessing: Preprocessing, target: str
    ):
        self.session, self.graph_def = session, graph_def
        self.preprocessing, self.target = preprocessing, target
        self.pixels = [
            session.run(preprocessing.pixels, {preprocessing.decoded: picture})
            for picture in _pictures(preprocessing)
        ]
        types = {node.attr['T'].type for node in graph_def.node if 'T' in node.attr}
        half = types & {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
        self.tolerance = HALF_TOLERANCE if half else TOLERANCE

    def fault(self) -> Fault | None:
        alone = [self.run([pixels]) for pixels in self.pixels]
        try:
            together = self.run(self.pixels)
        except (tf.errors.OpError, ValueError) as error:
            return Fault(f'accepts one image at a time only: {said(error)}')
        if len(together) != len(self.pixels):
            return Fault(f'gives {len(together)} rows for {len(self.pixels)} images at {self.target}')
        if not np.isfinite(together).any():
            return Fault(f'gives no finite number for any of {len(together)} test pictures{self.overflow()}')
        if not self.same(together, self.run(self.pixels)):
            text = 'gives a different vector for the same image each time'
            return self.with_cause(text, self.pixels, self.pixels)
        for place, vector in enumerate(alone):
            if not self.same(vector, together[place:]):
                text = 'gives an image a different vector in a batch with other images'
                others = self.pixels[place:] + self.pixels[:place]
                return self.with_cause(text, others[:1], others)
        return None

    def run(self, pixels: list[np.ndarray], fetched=None):
        return self.session.run(fetched or self.target, {self.preprocessing.pixels: np.concatenate(pixels)})

    def same(self, alone: np.ndarray, among: np.ndarray) -> bool:
        """Whether two values agree; along axes of different sizes the first elements are compared."""
        if alone.ndim != among.ndim:
            return False
        among = among[tuple(slice(size) for size in alone.shape)]
        if alone.shape != among.shape:
            return False
        finite = np.isfinite(alone)
        if not np.array_equal(finite, np.isfinite(among)):
            return False
        most = np.abs(alone[finite]).max(initial=0)
        return bool((np.abs(alone[finite] - among[finite]) <= self.tolerance * most).all())

    def with_cause(self, text: str, *runs: list[np.ndarray]) -> Fault:
        """The fault and its cause: the first node whose inputs agree between two runs, but not its output."""
        tensors = self.tensors()
        before, after = (
            {t.name: _plain(v) for t, v in zip(tensors, self.run(given, tensors), strict=True)}
            for given in runs
        )
        for tensor in tensors:
            inputs = [given.name for given in tensor.op.inputs if given.name in before]
            agree = all(self.same(before[name], after[name]) for name in inputs)
            if agree and not self.same(before[tensor.name], after[tensor.name]):
                reason, training = _cause(tensor.op)
                return Fault(f'{text}, because {tensor.op.name} ({tensor.op.type}) {reason}', training)
        return Fault(text)

    def tensors(self) -> list[tf.Tensor]:
        """The fetchable floating-point and quantized tensors between pixels and target, in order."""
        needed = ancestors(self.graph_def, [self.target], [node_of(self.preprocessing.pixels)])
        needed -= in_control_flow(self.graph_def)
        return [
            tensor
            for op in self.session.graph.get_operations()
            if op.name in needed and self.session.graph.is_fetchable(op)
            for tensor in op.outputs
            if tensor.dtype.is_floating or tensor.dtype.is_quantized
        ]

    def overflow(self) -> str:
        tensors = [tensor for tensor in self.tensors() if tensor.dtype.is_floating]
        for tensor, value in zip(tensors, self.run(self.pixels, tensors), strict=True):
            if not np.isfinite(value.astype(np.float32)).all():
                return f', first at {tensor.op.name} ({tensor.op.type}, {tensor.dtype.name})'
        return ''


def _pictures(preprocessing: Preprocessing) -> list[np.ndarray]:
    """Three very different pictures [height, width, 3] uint8: a colored gradient with noise, a dark gradient,
    and bright stripes."""
    draw = np.random.default_rng(16)
    height, width = preprocessing.height, preprocessing.width
    y, x = np.mgrid[:height, :width]
    gradient = np.stack([y / height, x / width, (x + y) / (height + width)], 2)
    noise = draw.uniform(-40, 40, gradient.shape)
    first = 40 + 175 * gradient + noise
    second = 10 + 30 * gradient[::-1] + noise / 8
    third = np.repeat(200 + 50 * ((x // 4) % 2)[..., None], 3, 2) - 100 * gradient[:, ::-1] * [1, 0, 1]
    return [np.clip(picture, 0, 255).astype(np.uint8) for picture in (first, second, third)]


def _plain(value: np.ndarray) -> np.ndarray:
    """Quantized numbers, which NumPy holds as records of one field, as whole numbers."""
    value = np.asarray(value)
    value = value.view(value.dtype[0]) if value.dtype.fields else value
    return value.astype(np.float32)


def _cause(op: tf.Operation) -> tuple[str, bool]:
    """Why the output of an op depends on the batch, and whether training mode may be the cause."""
    if op.type in RANDOM:
        return 'draws random numbers, as dropout does', True
    if op.type in BATCH_NORMS:
        return 'is a batch norm in training mode: it takes mean and variance from the batch', True
    users = [user.type for output in op.outputs for user in output.consumers()]
    if op.type in RANGES or any('Quant' in kind for kind in (op.type, *users) if kind != 'Dequantize'):
        reason = 'takes the range of its numbers from the whole batch: freeze the graph with fixed ranges'
        return reason, False
    if op.type in ('Mean', 'Sum', 'Max', 'Min', 'Prod'):
        return 'runs over all images of the batch, not over one', op.type == 'Mean'
    if op.type in ('Reshape', 'Transpose'):
        return 'mixes the values of several images: the graph was made for one image', False
    function = op.type in ('If', 'StatelessIf', 'PartitionedCall', 'StatefulPartitionedCall')
    return 'mixes the images of a batch', function
