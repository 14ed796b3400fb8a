"""List the layers of a graph: operation, output size and number of weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from src.common.tf1 import tf

_WEIGHTED = {'Conv2D': 'conv', 'DepthwiseConv2dNative': 'depthwise conv', 'MatMul': 'dense'}
_POOLS = {'MaxPool': 'max pool', 'AvgPool': 'average pool'}
_OTHERS = {
    'FusedBatchNorm': 'batch norm',
    'FusedBatchNormV2': 'batch norm',
    'FusedBatchNormV3': 'batch norm',
    'BatchNormWithGlobalNormalization': 'batch norm',
    'Mean': 'mean',
    'Max': 'maximum',
    'Concat': 'concat',
    'ConcatV2': 'concat',
    'Pad': 'pad',
    'LRN': 'local response norm',
    'ReverseV2': 'mirror',
}
_RESHAPES = ('Reshape', 'Squeeze')
_ACTIVATIONS = ('Relu', 'Relu6', 'Sigmoid', 'Tanh', 'Elu', 'Selu', 'Softplus', 'LeakyRelu', 'Softmax')
# Activations that multiply a value by a function of itself, by the op of that function.
_GATES = {'Tanh': 'gelu', 'Erf': 'gelu', 'Erfc': 'gelu', 'Sigmoid': 'swish'}
_BY_VALUE = ('Mul', 'Add', 'AddV2', 'Neg', 'RealDiv', 'Square', 'Pow', 'Cast')
_SUMS = ('Add', 'AddV2', 'AddN')  # a layer if all inputs are activations, else a bias
_PASS_ON = ('Identity', 'Cast', 'ReadVariableOp')


@dataclass(frozen=True)
class Row:
    """A layer: its operation, the output size of one example (None where unknown), and its number of weights,
    including those that are not trained, such as batch norm's moving averages."""

    operation: str
    size: tuple[int | None, ...]
    weights: int = 0


def layer_rows(first: tf.Tensor, last: tf.Tensor) -> list[Row]:
    """The layers between two tensors, in the order of the graph. Biases and scales that are separate ops
    count with the layer before them. A weight that is used several times counts once."""
    rows = [Row('input', _size(first))]
    between = ops_between(first, last)
    gated = _gated(between)
    counted: set[str] = set()
    for op in first.graph.get_operations():
        if op not in between or op is first.op:
            continue
        weights = sum(_weights(tensor, counted) for tensor in op.inputs if tensor.op not in between)
        operation = gated[op] if op in gated else _operation(op, between)
        if operation:
            rows.append(Row(operation, _size(op.outputs[0]), weights))
        elif weights:
            rows[-1] = replace(rows[-1], weights=rows[-1].weights + weights)
    return rows


def ops_between(first: tf.Tensor, last: tf.Tensor) -> set[tf.Operation]:
    """All operations that depend on `first` and that `last` depends on."""
    onward = _reached([first.op], lambda op: [use for out in op.outputs for use in out.consumers()])
    return onward & _reached([last.op], lambda op: [tensor.op for tensor in op.inputs])


def _reached(begin: list[tf.Operation], neighbors) -> set[tf.Operation]:
    found, waiting = set(begin), list(begin)
    while waiting:
        new = set(neighbors(waiting.pop())) - found
        found |= new
        waiting.extend(new)
    return found


def _gated(between: set[tf.Operation]) -> dict[tf.Operation, str]:
    """The operations that make up GELU and swish (Hendrycks and Gimpel 2016, arXiv:1606.08415): the last one
    of each with the name of the layer, the others with ''."""
    found = {}
    for gate in between:
        if gate.type not in _GATES:
            continue
        product = gate
        while len(_inputs(product, between)) < 2 and len(uses := product.outputs[0].consumers()) == 1:
            product = uses[0]
            if product.type not in _BY_VALUE:
                break
        if product.type != 'Mul' or len(_inputs(product, between)) != 2:
            continue
        for value in _values(product, between):
            inside = ops_between(value.outputs[0], product.outputs[0]) - {value}
            if gate in inside and all(op is gate or op.type in _BY_VALUE for op in inside):
                found |= dict.fromkeys(inside, '') | {product: _GATES[gate.type]}
                break
    return found


def _values(product: tf.Operation, between: Collection[tf.Operation]) -> list[tf.Operation]:
    """The candidates for the value that is gated: the factors of a product, and the factors of these."""
    factors = _inputs(product, between)
    return factors + [op for one in factors if one.type == 'Mul' for op in _inputs(one, between)]


def _inputs(op: tf.Operation, between: Collection[tf.Operation]) -> list[tf.Operation]:
    return [tensor.op for tensor in op.inputs if tensor.op in between]


def _operation(op: tf.Operation, between: Collection[tf.Operation]) -> str:
    """The name of the layer; '' for an operation that is not listed as a layer."""
    if op.type in _WEIGHTED:
        window = op.inputs[1].shape[:2].as_list() if op.type != 'MatMul' else ()
        return ' '.join([_WEIGHTED[op.type], *_times(window), *_stride(op)])
    if op.type in _POOLS:
        return ' '.join([_POOLS[op.type], *_times(op.get_attr('ksize')[1:3]), *_stride(op, 'ksize')])
    if op.type in _SUMS:
        return 'add' if len(_inputs(op, between)) > 1 else ''
    if op.type in _RESHAPES:  # not listed if it only adds or removes axes of size 1
        before, after = (
            tuple(n for n in _size(tensor) if n != 1) for tensor in (op.inputs[0], op.outputs[0])
        )
        return 'flatten' if op.inputs[0].op in between and before != after else ''
    return op.type.lower() if op.type in _ACTIVATIONS else _OTHERS.get(op.type, '')


def _times(window) -> list[str]:
    return [' × '.join(map(str, window))] if window else []


def _stride(op: tf.Operation, usual: str = '') -> list[str]:
    """The stride, unless it is the usual one: 1, or the size of the window if `usual` is its attribute."""
    if op.type == 'MatMul':
        return []
    step = op.get_attr('strides')[1]
    return [f'/ {step}'] if step != (op.get_attr(usual)[1] if usual else 1) else []


def _size(tensor: tf.Tensor) -> tuple[int | None, ...]:
    return tuple(tensor.shape[1:].as_list()) if tensor.shape.rank else ()


def _weights(tensor: tf.Tensor, counted: set[str]) -> int:
    """The number of values of a parameter that is not in `counted` yet; scalars do not count."""
    while tensor.op.type in _PASS_ON:
        tensor = tensor.op.inputs[0]
    number = tensor.shape.num_elements() if tensor.shape.is_fully_defined() else None
    scalar = not tensor.shape.rank
    if not tensor.dtype.base_dtype.is_floating or not number or scalar or tensor.name in counted:
        return 0
    counted.add(tensor.name)
    return number
