"""Batch norms folded into the convolution before them.

With its mean and variance fixed, a batch norm is a factor and a summand for each channel, however it is
spelled: as one op, or as the Mul, Sub and Add that Keras leaves in a frozen graph. A convolution is
linear, so the factors go into its weights, and the summands become the BiasAdd right behind it, which
oneDNN computes in the same pass:

    conv ──► batch norm ──► relu      becomes      conv with other weights ──► BiasAdd ──► relu
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import node_of, nodes_by_name
from src.graph.rewrites.constants import constant, value_of

CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul')
BATCH_NORMS = ('FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3')
# What a node does with a constant by channel, which may be the first of its inputs or the second.
BY_CHANNEL = {
    'Add': lambda other, first: (1, other),
    'AddV2': lambda other, first: (1, other),
    'Sub': lambda other, first: (1, -other) if first else (-1, other),
    'Mul': lambda other, first: (other, 0),
    'RealDiv': lambda other, first: (1 / other, 0) if first and other.all() else None,
}


@dataclass
class _Chain:
    """A convolution and the steps by channel behind it: its output times `scale`, plus `offset`."""

    convolution: tf.NodeDef
    channels: int
    scale: np.ndarray | float = 1
    offset: np.ndarray | float = 0
    steps: list[tf.NodeDef] = field(default_factory=list)

    @property
    def axis(self) -> int:
        """Where the output has its channels."""
        return 1 if self.rank == 2 or _layout(self.convolution) == b'NCHW' else 3

    @property
    def rank(self) -> int:
        return 2 if self.convolution.op == 'MatMul' else 4

    @property
    def worth_folding(self) -> bool:
        return any(step.op != 'BiasAdd' for step in self.steps)


def fold_batch_norms(graph_def: tf.GraphDef, keep: set[str]) -> tuple[tf.GraphDef, int]:
    """The graph with all factors and summands by channel folded, and how many convolutions took factors.

    Where something else, or a name in `keep`, needs the value before or within a batch norm, what
    comes behind that value stays. The graph holds no control edges.
    """
    nodes, users = nodes_by_name(graph_def), _users(graph_def)
    replaced: dict[str, list[tf.NodeDef]] = {}
    folded = 0
    for node in graph_def.node:
        chain = _chain(node, nodes, users, keep) if node.op in CONVOLUTIONS else None
        if chain and chain.worth_folding:
            replaced |= _rewritten(chain, nodes)
            folded += bool(np.any(chain.scale != 1))
    result = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        result.node.extend(replaced.get(node.name, [node]))
    return result, folded


def _users(graph_def: tf.GraphDef) -> dict[str, list[tuple[str, str]]]:
    """For each node, who takes its outputs: the name of the user and the tensor it takes."""
    users: dict[str, list[tuple[str, str]]] = {}
    for node in graph_def.node:
        for tensor in node.input:
            users.setdefault(node_of(tensor), []).append((node.name, tensor))
    return users


def _chain(node: tf.NodeDef, nodes: dict, users: dict, keep: set[str]) -> _Chain | None:
    """The convolution `node` and all steps by channel behind it; None when its weights are not constant."""
    weights = value_of(nodes, node.input[1])
    if weights is None or weights.dtype != np.float32:
        return None
    chain = _Chain(node, _channels(node, weights.shape))
    end = node
    while end.name not in keep and len(users.get(end.name, ())) == 1:
        ((user, tensor),) = users[end.name]
        change = _change(nodes[user], tensor, nodes, chain)
        if change is None or not all(node_of(taken) == taken for _, taken in users.get(user, ())):
            break
        scale, offset = change
        chain.scale, chain.offset = chain.scale * scale, chain.offset * scale + offset
        end = nodes[user]
        chain.steps.append(end)
    return chain


def _channels(convolution: tf.NodeDef, shape: tuple[int, ...]) -> int:
    """How many channels come out of a convolution with weights of this shape."""
    if convolution.op == 'DepthwiseConv2dNative':
        return shape[2] * shape[3]
    return shape[0] if _attribute(convolution, 'transpose_b').b else shape[-1]


def _change(node: tf.NodeDef, tensor: str, nodes: dict, chain: _Chain) -> tuple | None:
    """Factor and summand by channel with which a node changes `tensor`; None if it does anything else."""
    others = [value_of(nodes, given) for given in node.input if given != tensor]
    if _attribute(node, 'T').type != tf.float32.as_datatype_enum or any(other is None for other in others):
        return None
    first = node.input[0] == tensor
    if node.op == 'BiasAdd' or node.op in BATCH_NORMS:
        if not first or (_layout(node) != _layout(chain.convolution) and chain.rank == 4):
            return None
        return (1, others[0]) if node.op == 'BiasAdd' else _batch_norm(node, *others)
    if node.op in BY_CHANNEL:
        other = _by_channel(others[0], chain)
        return None if other is None else BY_CHANNEL[node.op](other, first)
    return None


def _attribute(node: tf.NodeDef, name: str) -> tf.AttrValue:
    """Empty when the node does not say; asking `node.attr` itself would write the name into the node."""
    return node.attr[name] if name in node.attr else tf.AttrValue()


def _layout(node: tf.NodeDef) -> bytes:
    return _attribute(node, 'data_format').s or b'NHWC'


def _by_channel(value: np.ndarray, chain: _Chain) -> np.ndarray | None:
    """A constant that is broadcast to a convolution's output, as one value for each channel; None when
    it differs from place to place or from image to image, or makes the output larger."""
    shape = [1] * (chain.rank - value.ndim) + list(value.shape)
    alike = [1] * chain.rank
    varied = [chain.channels if axis == chain.axis else 1 for axis in range(chain.rank)]
    if shape not in (alike, varied):
        return None
    return np.broadcast_to(value.ravel().astype(np.float64), chain.channels)


def _batch_norm(node: tf.NodeDef, *facts: np.ndarray) -> tuple | None:
    """Factor and summand of a batch norm; None when it takes mean and variance from the batch."""
    if 'is_training' not in node.attr or node.attr['is_training'].b:  # true when it is not said
        return None
    gamma, beta, mean, variance = (fact.astype(np.float64) for fact in facts)
    epsilon = node.attr['epsilon'].f if 'epsilon' in node.attr else 1e-4
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _rewritten(chain: _Chain, nodes: dict[str, tf.NodeDef]) -> dict[str, list[tf.NodeDef]]:
    """For the names of the convolution and its steps, the nodes that take their place: the last step
    becomes a BiasAdd, and the others go."""
    convolution, last = tf.NodeDef(), chain.steps[-1]
    convolution.CopyFrom(chain.convolution)
    scaled = constant(_free(f'{convolution.name}/folded_weights', nodes), _scaled_weights(chain, nodes))
    offset = np.broadcast_to(chain.offset, chain.channels).astype(np.float32)
    bias = constant(_free(f'{last.name}/folded_bias', nodes), offset)
    convolution.input[1] = scaled.name
    added = tf.NodeDef(name=last.name, op='BiasAdd', input=[convolution.name, bias.name], device=last.device)
    added.attr['T'].type = tf.float32.as_datatype_enum
    added.attr['data_format'].s = _layout(convolution)
    gone = {step.name: [] for step in chain.steps}
    return gone | {convolution.name: [scaled, convolution], last.name: [bias, added]}


def _free(name: str, nodes: dict[str, tf.NodeDef]) -> str:
    """A name like this one that no node has: the graph may have been folded before, up to another tensor."""
    while name in nodes:
        name += '_'
    return name


def _scaled_weights(chain: _Chain, nodes: dict[str, tf.NodeDef]) -> np.ndarray:
    """Weights that give each channel of the output its factor."""
    convolution = chain.convolution
    weights = value_of(nodes, convolution.input[1])
    scale = np.broadcast_to(chain.scale, chain.channels)
    if convolution.op == 'DepthwiseConv2dNative':  # [height, width, in, m]: channel i * m + j
        scale = scale.reshape(weights.shape[2:])
    elif _attribute(convolution, 'transpose_b').b:
        scale = scale[:, None]
    return (weights * scale).astype(np.float32)
