"""Damaged GraphDefs: each is refused in one line when it is read."""

from __future__ import annotations

import pytest

from benchmarks.mutated_bases import control_flow_of_tensorflow_1
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import load_graph
from src.graph.graph_io import nodes_by_name, read_graph, write_graph
from src.graph.rewrites.constants import value_of
from tests.graph.graphs import graph_of_2015


def constant(graph_def, **fields):
    """Changes fields of the tensor of a constant of the graph."""
    tensor = nodes_by_name(graph_def)['conv/batchnorm/mean'].attr['value'].tensor
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


def shape(graph_def, *sizes):
    dims = constant(graph_def).tensor_shape.dim
    del dims[:]
    for size in sizes:
        dims.add(size=size)


def node(graph_def, name):
    return nodes_by_name(graph_def)[name]


def cycle(graph_def):
    for name, given in (('a', 'b'), ('b', 'a')):
        graph_def.node.add(name=name, op='Identity', input=[given]).attr['T'].type = 1


def chain(graph_def):
    """A node outside of a cycle that depends on it."""
    cycle(graph_def)
    graph_def.node.add(name='aa', op='Identity', input=['a']).attr['T'].type = 1


def function(graph_def, called):
    made = graph_def.library.function.add()
    made.signature.name = 'f'
    made.node_def.add(name='call', op='PartitionedCall').attr['f'].func.name = called


CASES = {
    'no name can be this': lambda g: g.node.add(name='a b', op='NoOp'),
    'twice': lambda g: g.node.add(name='softmax', op='NoOp'),
    'missing': lambda g: node(g, 'softmax').input.__setitem__(0, 'nowhere'),
    'missing control': lambda g: node(g, 'softmax').input.append('^nowhere'),
    'malformed': lambda g: node(g, 'softmax').input.__setitem__(0, 'MatMul:x'),
    'no such output': lambda g: node(g, 'softmax').input.__setitem__(0, 'MatMul:1'),
    'after control': lambda g: node(g, 'MatMul').input.__setitem__(0, '^softmax/none'),
    'too few': lambda g: node(g, 'softmax').input.pop(),
    'too many': lambda g: node(g, 'softmax').input.append('MatMul'),
    'no attribute': lambda g: node(g, 'softmax').attr.pop('T'),
    'attribute of another kind': lambda g: setattr(node(g, 'softmax').attr['T'], 'i', 1),
    'no list': lambda g: setattr(node(g, 'conv/Conv2D').attr['strides'], 'i', 1),
    'no such type': lambda g: setattr(node(g, 'softmax').attr['T'], 'type', 77),
    'cycle': cycle,
    'behind a cycle': chain,
    'other type': lambda g: constant(g, dtype=tf.int32.as_datatype_enum),
    'resource': lambda g: (
        constant(g, dtype=tf.resource.as_datatype_enum),
        setattr(node(g, 'conv/batchnorm/mean').attr['dtype'], 'type', tf.resource.as_datatype_enum),
    ),
    'no value': lambda g: node(g, 'conv/batchnorm/mean').attr.pop('value'),
    'no fixed shape': lambda g: shape(g, -1),
    'other shape': lambda g: shape(g, 3, 3),
    'far too large': lambda g: (constant(g, tensor_content=b'', float_val=[1.0]), shape(g, 1 << 40)),
    'too many values': lambda g: constant(g, tensor_content=b'', float_val=[1.0] * 99),
    'calls itself': lambda g: function(g, 'f'),
}
WORDS = {
    'no name can be this': "'a b' cannot be the name of a node",
    'twice': 'two nodes are named softmax',
    'missing': 'softmax takes nowhere, which is not in the graph',
    'missing control': r'softmax takes \^nowhere, which is not in the graph',
    'malformed': 'softmax takes MatMul:x, which is not in the graph',
    'no such output': 'softmax takes MatMul:1, which is no output of that node',
    'after control': r'MatMul takes \^softmax/none, which is not in the graph',
    'too few': r'softmax \(Softmax\) has 0 inputs instead of 1',
    'too many': r'softmax \(Softmax\) has 2 inputs instead of 1',
    'no attribute': r'softmax \(Softmax\) lacks the attribute T',
    'attribute of another kind': r'softmax \(Softmax\) has an attribute T that is no type',
    'no list': r'conv/Conv2D \(Conv2D\) has an attribute strides that is no list',
    'no such type': 'has an attribute T of a type that TensorFlow does not have',
    'cycle': '[ab] depends on itself',
    'behind a cycle': '[ab] depends on itself',
    'other type': 'the constant conv/batchnorm/mean holds another type than it says',
    'resource': 'the constant conv/batchnorm/mean holds values of a kind that a file cannot hold',
    'no value': r'conv/batchnorm/mean \(Const\) lacks the attribute value',
    'no fixed shape': 'the constant conv/batchnorm/mean has no fixed shape',
    'other shape': r'the constant conv/batchnorm/mean holds \d+ bytes, which is not \[3, 3\]',
    'far too large': r'the constant conv/batchnorm/mean would take 4,398\.0 GB for 1 values',
    'too many values': 'the constant conv/batchnorm/mean holds 99 values, which is not',
    'calls itself': 'the function f calls itself',
}


def large(graph_def, kind):
    """Makes a constant of 12 million values that are not in the file."""
    value = node(graph_def, 'conv/batchnorm/mean').attr
    value['dtype'].type = kind.as_datatype_enum
    tensor = constant(graph_def, tensor_content=b'', dtype=kind.as_datatype_enum)
    shape(graph_def, 12_000_000)
    return tensor


def test_a_text_takes_more_than_its_characters(tmp_path):
    graph_def = graph_of_2015()
    large(graph_def, tf.string)
    with pytest.raises(UserError, match=r'would take 0\.3 GB for 0 values'):
        read_graph(write_graph(graph_def, tmp_path / 'graph.pb'))
    large(graph_def, tf.bool)
    read_graph(write_graph(graph_def, tmp_path / 'graph.pb'))


def test_weights_of_another_size_than_their_shape(tmp_path):
    graph_def = graph_of_2015()
    large(graph_def, tf.float32).tensor_content = bytes(10)
    path = write_graph(graph_def, tmp_path / 'graph.pb')
    nodes = nodes_by_name(read_graph(path))  # reading does not copy weights to see their size
    with pytest.raises(UserError, match='the constant conv/batchnorm/mean is damaged'):
        value_of(nodes, 'conv/batchnorm/mean')


@pytest.mark.parametrize('case', CASES)
def test_damage_is_named(tmp_path, case):
    graph_def = graph_of_2015()
    CASES[case](graph_def)
    path = write_graph(graph_def, tmp_path / 'graph.pb')
    for read in (read_graph, load_graph):
        with pytest.raises(UserError, match=rf'graph\.pb is damaged: .*{WORDS[case]}.*\. Get the file again'):
            read(path)


@pytest.mark.parametrize('before', [True, False])
def test_bases_of_mutations_leave_the_control_flow_as_it_was(before):
    was = tf.control_flow_v2_enabled()
    try:
        (tf.enable_control_flow_v2 if before else tf.disable_control_flow_v2)()
        with control_flow_of_tensorflow_1():
            assert not tf.control_flow_v2_enabled()
        assert tf.control_flow_v2_enabled() == before
    finally:
        (tf.enable_control_flow_v2 if was else tf.disable_control_flow_v2)()


def test_loops_of_tensorflow_1_are_no_cycles(tmp_path):
    with tf.Graph().as_default() as graph, control_flow_of_tensorflow_1():
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
        graph_def = graph.as_graph_def()
    assert any(node.op == 'NextIteration' for node in graph_def.node)
    path = write_graph(graph_def, tmp_path / 'loop.pb')
    assert len(read_graph(path).node) == len(graph_def.node)


def test_a_next_iteration_that_no_merge_takes_is_a_cycle(tmp_path):
    graph_def = graph_of_2015()
    graph_def.node.add(name='next', op='NextIteration', input=['last']).attr['T'].type = 1
    graph_def.node.add(name='last', op='Identity', input=['next']).attr['T'].type = 1
    with pytest.raises(UserError, match=r'(next|last) depends on itself'):
        read_graph(write_graph(graph_def, tmp_path / 'next.pb'))


def test_a_long_chain_is_walked_without_recursion(tmp_path):
    graph_def = tf.GraphDef()
    graph_def.node.add(name='n0', op='Placeholder').attr['dtype'].type = 1
    for number in range(1, 20_000):
        node = graph_def.node.add(name=f'n{number}', op='Identity', input=[f'n{number - 1}'])
        node.attr['T'].type = 1
    path = write_graph(graph_def, tmp_path / 'chain.pb')
    assert len(read_graph(path).node) == 20_000


def test_a_splat_of_usual_size_is_accepted(tmp_path):
    graph_def = tf.GraphDef()
    node = graph_def.node.add(name='zeros', op='Const')
    node.attr['dtype'].type = 1
    node.attr['value'].tensor.dtype = 1
    node.attr['value'].tensor.tensor_shape.dim.add(size=1_000_000)
    node.attr['value'].tensor.float_val.append(0)
    assert read_graph(write_graph(graph_def, tmp_path / 'zeros.pb')).node
