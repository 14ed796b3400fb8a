"""Mutate a GraphDef at random, as damage or malice may: the same seed gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

from src.common.tf1 import tf

NUMBERS = (-(1 << 62), -2, -1, 0, 1, 2, 3, 7, 1000, 65_537, 1 << 31, 1 << 40)
TEXTS = (b'', b'NCHW', b'NHWC', b'VALID', b'SAME', b'EXPLICIT', b'\xff\xfe', b'nothing')
OPS = (
    *('Identity', 'Relu', 'Add', 'AddV2', 'Mul', 'Sub', 'Conv2D', 'MatMul', 'Mean', 'Reshape', 'Softmax'),
    *('Placeholder', 'Const', 'Cast', 'ConcatV2', 'Split', 'Switch', 'Merge', 'Enter', 'Exit', 'LoopCond'),
    *('NextIteration', 'MaxPool', 'BiasAdd', 'FusedBatchNormV3', 'Transpose', 'Squeeze', 'ExpandDims'),
    *('DecodeJpeg', 'DecodePng', 'ResizeBilinear', 'PlaceholderWithDefault', 'StridedSlice', 'NoOp'),
    *('RandomUniform', 'VariableV2', 'ReadFile', 'Pack', 'Shape', 'NoSuchOp', 'GatherV2', 'Where'),
)
Mutation = Callable[[tf.GraphDef, random.Random], None]


def mutated(data: bytes, seed: int) -> bytes:
    """The GraphDef in `data`, changed in one to three places."""
    draw = random.Random(seed)
    if draw.random() < 0.15:
        return _damaged(data, draw)
    graph_def = tf.GraphDef.FromString(data)
    for _ in range(draw.choice((1, 1, 2, 3))):
        draw.choice(MUTATIONS)(graph_def, draw)
    return graph_def.SerializeToString(deterministic=True)


def _damaged(data: bytes, draw: random.Random) -> bytes:
    """Truncated, or with flipped bits."""
    if draw.random() < 0.3:
        return data[: draw.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _node(graph_def: tf.GraphDef, draw: random.Random, op: str = '') -> tf.NodeDef:
    return draw.choice([n for n in graph_def.node if not op or n.op == op] or list(graph_def.node))


def drop_node(graph_def, draw):
    del graph_def.node[draw.randrange(len(graph_def.node))]


def rename_node(graph_def, draw):
    _node(graph_def, draw).name = draw.choice(['x', '', 'a b', '^a', 'softmax', _node(graph_def, draw).name])


def rename_everywhere(graph_def, draw):
    old, new = _node(graph_def, draw).name, draw.choice(['labels', 'output_node', 'a/b', 'ResizeBilinear'])
    for node in graph_def.node:
        node.name = new if node.name == old else node.name
        node.input[:] = [new if given == old else given for given in node.input]


def copy_node(graph_def, draw):
    copied = graph_def.node.add()
    copied.CopyFrom(_node(graph_def, draw))
    copied.name += draw.choice(['', '_1'])


def rewire(graph_def, draw):
    node = _node(graph_def, draw)
    if node.input:
        other = _node(graph_def, draw).name + draw.choice(['', '', '', ':0', ':1', ':-1', ':9'])
        node.input[draw.randrange(len(node.input))] = draw.choice(['', '', '', '^']) + other


def swap_inputs(graph_def, draw):
    node = _node(graph_def, draw)
    node.input[:] = draw.sample(list(node.input), len(node.input))


def drop_input(graph_def, draw):
    node = _node(graph_def, draw)
    if node.input:
        del node.input[draw.randrange(len(node.input))]


def add_input(graph_def, draw):
    _node(graph_def, draw).input.append(draw.choice(['', '^']) + _node(graph_def, draw).name)


def change_op(graph_def, draw):
    _node(graph_def, draw).op = draw.choice(OPS)


def drop_attribute(graph_def, draw):
    node = _node(graph_def, draw)
    if node.attr:
        del node.attr[draw.choice(sorted(node.attr))]


def change_attribute(graph_def, draw):
    node = _node(graph_def, draw)
    if node.op == 'Const' or not node.attr:
        return
    value = node.attr[draw.choice(sorted(node.attr))]
    kind = value.WhichOneof('value')
    if draw.random() < 0.2:
        kind = draw.choice(['i', 's', 'type', 'b', 'shape', 'list'])
    _change_value(value, kind, draw)


def _change_value(value, kind, draw):
    if kind == 'type':
        value.type = draw.randrange(30)
    elif kind == 'i':
        value.i = draw.choice(NUMBERS)
    elif kind == 'f':
        value.f = draw.choice([0.0, -1.0, float('nan'), 1e30])
    elif kind == 'b':
        value.b = not value.b
    elif kind == 's':
        value.s = draw.choice(TEXTS)
    elif kind == 'shape':
        _change_shape(value.shape, draw)
    elif kind == 'list':
        numbers = list(value.list.i)
        if numbers and draw.random() < 0.7:
            numbers[draw.randrange(len(numbers))] = draw.choice(NUMBERS)
        else:
            numbers.append(draw.choice(NUMBERS))
        value.list.i[:] = numbers


def _change_shape(shape, draw):
    way = draw.randrange(4)
    if way == 0 or not shape.dim:
        shape.dim.add(size=draw.choice(NUMBERS))
    elif way == 1:
        del shape.dim[draw.randrange(len(shape.dim))]
    elif way == 2:
        shape.unknown_rank = True
    else:
        shape.dim[draw.randrange(len(shape.dim))].size = draw.choice(NUMBERS)


def change_constant(graph_def, draw):
    node = _node(graph_def, draw, 'Const')
    tensor, way = node.attr['value'].tensor, draw.randrange(6)
    if way == 0:
        tensor.dtype = draw.randrange(30)
    elif way == 1:
        tensor.dtype = draw.randrange(30)
        node.attr['dtype'].type = tensor.dtype
    elif way == 2:
        _change_shape(tensor.tensor_shape, draw)
    elif way == 3:
        content = tensor.tensor_content
        tensor.tensor_content = content[: draw.randrange(len(content) + 1)]
    elif way == 4:
        tensor.tensor_content = draw.randbytes(len(tensor.tensor_content) or 4)
    else:
        tensor.int_val.extend([draw.choice([-1, 0, 5, 1 << 30])] * draw.choice([1, 2, 9]))


def make_cycle(graph_def, draw):
    first, second = _node(graph_def, draw), _node(graph_def, draw)
    for node, given in ((first, second), (second, first)):
        if node.input:
            node.input[0] = given.name


def change_versions(graph_def, draw):
    graph_def.versions.producer = draw.choice([0, 8, 23, 9999, -1])
    graph_def.versions.min_consumer = draw.choice([0, 0, 9999])


MUTATIONS: tuple[Mutation, ...] = (
    *(drop_node, rename_node, rename_everywhere, copy_node, rewire, rewire, swap_inputs, drop_input),
    *(add_input, change_op, change_op, drop_attribute, change_attribute, change_attribute),
    *(change_attribute, change_constant, change_constant, change_constant, make_cycle, change_versions),
)
