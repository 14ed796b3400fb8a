"""The classifier behind a bottleneck: from bottlenecks to the logits of the classes that a graph knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.backbones import Backbone, load_backbone
from src.graph.frozen import output_of
from src.graph.graph_io import ancestors, inferred, node_of, nodes_by_name, read_graph, with_nodes

LEAST_PROBABILITY = 1e-7  # where the probabilities are no softmax, logits are their logarithms


@dataclass(frozen=True)
class ClassTail:
    """graph_def: begins with a placeholder in the place of the bottleneck, of shape [N, *shape].
    output: tensor of the logits, or, unless `softmax`, of the probabilities, [N, classes]."""

    graph_def: tf.GraphDef
    bottleneck: str
    shape: tuple[int, ...]
    output: str
    softmax: bool

    @property
    def classes(self) -> int:
        with tf.Graph().as_default():
            return self.attach(tf.zeros([1, math.prod(self.shape)])).shape.as_list()[-1]

    def attach(self, vectors: tf.Tensor) -> tf.Tensor:
        """Logits [N, classes] float32 of bottlenecks [N, width] float32, in the default graph."""
        output = self._outputs(vectors)
        return output if self.softmax else tf.log(tf.maximum(output, LEAST_PROBABILITY))

    def attach_probabilities(self, vectors: tf.Tensor) -> tf.Tensor:
        """Probabilities [N, classes] float32 of bottlenecks [N, width] float32, as the file gives them."""
        output = self._outputs(vectors)
        return tf.nn.softmax(output) if self.softmax else output

    def _outputs(self, vectors: tf.Tensor) -> tf.Tensor:
        given = {self.bottleneck: tf.reshape(vectors, [-1, *self.shape])}
        (output,) = tf.import_graph_def(self.graph_def, given, [self.output], name='classes')
        return tf.reshape(output, [-1, output.shape.as_list()[-1]])


def class_tail(backbone: Backbone) -> ClassTail | None:
    """The classifier that follows the bottleneck of a backbone in its file; None for a file without one, and
    for one that needs more than the averaged bottleneck."""
    try:
        output = output_of(read_graph(backbone.path), backbone.path)
        whole = load_backbone(backbone.path, output, backbone.pixel_range, False, backbone.changes)
    except UserError:
        return None
    nodes, cut = nodes_by_name(whole.graph_def), node_of(backbone.cut or backbone.bottleneck)
    last = nodes[node_of(whole.bottleneck)]
    softmax = last.op == 'Softmax'
    target = _tensor(last.input[0]) if softmax else whole.bottleneck
    needed = ancestors(whole.graph_def, [target], [cut])
    if cut not in needed or node_of(whole.preprocessing.pixels) in needed:
        return None
    shape = inferred(whole.graph_def, f'{cut}:0', backbone.path).shape.as_list()[1:]
    if len(shape) == 3 and sorted(shape)[:2] != [1, 1]:  # `flat` averages a feature map
        return None
    start = tf.NodeDef(name=cut, op='Placeholder')
    start.attr['dtype'].type = tf.float32.as_datatype_enum
    start.attr['shape'].shape.CopyFrom(tf.TensorShape([None, *shape]).as_proto())
    rest = (node for node in whole.graph_def.node if node.name in needed and node.name != cut)
    return ClassTail(with_nodes(whole.graph_def, [start, *rest]), f'{cut}:0', tuple(shape), target, softmax)


def _tensor(given: str) -> str:
    return given if ':' in given else f'{given}:0'
