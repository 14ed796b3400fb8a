"""Fold batch norms into the convolution before them.

With fixed mean and variance, a batch norm is a scale and an offset for each channel, whether it is one op or
the Mul, Sub and Add of a model frozen from Keras. A convolution is linear, so its weights absorb the scale,
and the offset becomes a BiasAdd right after it, which oneDNN fuses with the convolution:

    conv ──► batch norm ──► relu      becomes      conv with other weights ──► BiasAdd ──► relu
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from src.common.tf1 import tf
from src.graph.graph_io import node_of, nodes_by_name, with_nodes
from src.graph.rewrites.constants import constant, value_of

CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul')
BATCH_NORMS = ('FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3')
# (scale, offset) of ops whose `other` input is a constant; `first`: whether the data is the first input.
BY_CHANNEL = {
    'Add': lambda other, first: (1, other),
    'AddV2': lambda other, first: (1, other),
    'Sub': lambda other, first: (1, -other) if first else (-1, other),
    'Mul': lambda other, first: (other, 0),
    'RealDiv': lambda other, first: (1 / other, 0) if first and other.all() else None,
}


@dataclass
class _Chain:
    """A convolution and the per-channel ops after it, `steps`, which compute its output * scale + offset."""

    convolution: tf.NodeDef
    channels: int
    scale: np.ndarray | float = 1
    offset: np.ndarray | float = 0
    steps: list[tf.NodeDef] = field(default_factory=list)

    @property
    def axis(self) -> int:
        """The channel axis of the output."""
        return 1 if self.rank == 2 or _layout(self.convolution) == b'NCHW' else 3

    @property
    def rank(self) -> int:
        return 2 if self.convolution.op == 'MatMul' else 4

    @property
    def worth_folding(self) -> bool:
        return any(step.op != 'BiasAdd' for step in self.steps)


def fold_batch_norms(graph_def: tf.GraphDef, keep: set[str]) -> tuple[tf.GraphDef, int]:
    """The graph with all per-channel scales and offsets folded, and the number of scaled convolutions.

    If another node uses a value before or inside a batch norm, or it is named in `keep`, the ops after that
    value stay. The graph must not have control edges.
    """
    nodes, users = nodes_by_name(graph_def), _users(graph_def)
    replaced: dict[str, list[tf.NodeDef]] = {}
    folded = 0
    for node in graph_def.node:
        chain = _chain(node, nodes, users, keep) if node.op in CONVOLUTIONS else None
        if chain and chain.worth_folding:
            replaced |= _rewritten(chain, nodes)
            folded += bool(np.any(chain.scale != 1))
    rewritten = (new for node in graph_def.node for new in replaced.get(node.name, [node]))
    return with_nodes(graph_def, rewritten), folded


def _users(graph_def: tf.GraphDef) -> dict[str, list[tuple[str, str]]]:
    """By node name, the (name of the consumer, tensor) pairs of all uses of its outputs."""
    users: dict[str, list[tuple[str, str]]] = {}
    for node in graph_def.node:
        for tensor in node.input:
            users.setdefault(node_of(tensor), []).append((node.name, tensor))
    return users


def _chain(node: tf.NodeDef, nodes: dict, users: dict, keep: set[str]) -> _Chain | None:
    """The convolution `node` and all per-channel ops after it; None when its weights are not constant."""
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
    """The number of output channels of a convolution with weights of this shape."""
    if convolution.op == 'DepthwiseConv2dNative':
        return shape[2] * shape[3]
    return shape[0] if _attribute(convolution, 'transpose_b').b else shape[-1]


def _change(node: tf.NodeDef, tensor: str, nodes: dict, chain: _Chain) -> tuple | None:
    """The (scale, offset) for each channel that a node applies to `tensor`; None for other operations."""
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
    """An attribute of a node, empty if missing; reading `node.attr[name]` would add the name to the node."""
    return node.attr[name] if name in node.attr else tf.AttrValue()


def _layout(node: tf.NodeDef) -> bytes:
    return _attribute(node, 'data_format').s or b'NHWC'


def _by_channel(value: np.ndarray, chain: _Chain) -> np.ndarray | None:
    """A constant that is broadcast to the output of a convolution, as one value for each channel; None when
    it varies along other axes or enlarges the output."""
    shape = [1] * (chain.rank - value.ndim) + list(value.shape)
    scalar = [1] * chain.rank
    per_channel = [chain.channels if axis == chain.axis else 1 for axis in range(chain.rank)]
    if shape not in (scalar, per_channel):
        return None
    return np.broadcast_to(value.ravel().astype(np.float64), chain.channels)


def _batch_norm(node: tf.NodeDef, *facts: np.ndarray) -> tuple | None:
    """The (scale, offset) of a batch norm; None when it uses the mean and variance of the batch."""
    if 'is_training' not in node.attr or node.attr['is_training'].b:  # the default is true
        return None
    gamma, beta, mean, variance = (fact.astype(np.float64) for fact in facts)
    epsilon = node.attr['epsilon'].f if 'epsilon' in node.attr else 1e-4
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _rewritten(chain: _Chain, nodes: dict[str, tf.NodeDef]) -> dict[str, list[tf.NodeDef]]:
    """By name of the convolution and of its steps, the nodes that replace them: the last step becomes a
    BiasAdd, the others are removed."""
    convolution, last = tf.NodeDef(), chain.steps[-1]
    convolution.CopyFrom(chain.convolution)
    scaled = constant(_free(f'{convolution.name}/folded_weights', nodes), _scaled_weights(chain, nodes))
    offset = np.broadcast_to(chain.offset, chain.channels).astype(np.float32)
    bias = constant(_free(f'{last.name}/folded_bias', nodes), offset)
    convolution.input[1] = scaled.name
    added = tf.NodeDef(name=last.name, op='BiasAdd', input=[convolution.name, bias.name], device=last.device)
    added.attr['T'].type = tf.float32.as_datatype_enum
    added.attr['data_format'].s = _layout(convolution)
    removed = {step.name: [] for step in chain.steps}
    return removed | {convolution.name: [scaled, convolution], last.name: [bias, added]}


def _free(name: str, nodes: dict[str, tf.NodeDef]) -> str:
    """The name, made unique: the graph may have been folded before, for another bottleneck."""
    while name in nodes:
        name += '_'
    return name


def _scaled_weights(chain: _Chain, nodes: dict[str, tf.NodeDef]) -> np.ndarray:
    """The weights of the convolution times the scale of each output channel."""
    convolution = chain.convolution
    weights = value_of(nodes, convolution.input[1])
    scale = np.broadcast_to(chain.scale, chain.channels)
    if convolution.op == 'DepthwiseConv2dNative':  # [height, width, in, m]: channel i * m + j
        scale = scale.reshape(weights.shape[2:])
    elif _attribute(convolution, 'transpose_b').b:
        scale = scale[:, None]
    return (weights * scale).astype(np.float32)
