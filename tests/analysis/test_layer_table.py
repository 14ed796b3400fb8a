"""Layer tables: the shapes and numbers of weights that the tutorial gives."""

from __future__ import annotations

import pytest

from src.analysis import layer_table
from src.analysis.layer_table import rows_of_graph, rows_of_network, table
from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import write_graph
from src.graph.layer_list import Row, layer_rows
from src.models.networks import logits_of

WEIGHTS = {
    'logistic_regression': [30_730],
    'mlp': [393_344, 16_512, 1_290],
    'cnn_simple': [896, 18_496, 23_050],
    'cnn_deep': [896, 1_056, 128, 18_496, 4_160, 256, 73_856, 16_512, 512, 524_544, 2_570],
}


@pytest.mark.parametrize('name', WEIGHTS)
def test_the_tutorials_networks_have_its_numbers_of_weights(name):
    rows = rows_of_network(name, 32, 10)
    assert [row.weights for row in rows if row.weights] == WEIGHTS[name]
    assert rows[0] == Row('input', (32, 32, 3)) and rows[-1] == Row('softmax', (10,))


def test_the_layers_of_the_simple_network_in_order():
    rows = rows_of_network('cnn_simple', 32, 10)
    assert [(row.operation, row.size) for row in rows] == [
        ('input', (32, 32, 3)),
        ('conv 3 × 3', (30, 30, 32)),
        ('relu', (30, 30, 32)),
        ('max pool 2 × 2', (15, 15, 32)),
        ('conv 3 × 3', (13, 13, 64)),
        ('relu', (13, 13, 64)),
        ('max pool 2 × 2', (6, 6, 64)),
        ('flatten', (2304,)),
        ('dense', (10,)),
        ('softmax', (10,)),
    ]


@pytest.mark.parametrize('views', [2, 6])
def test_the_scales_of_views_do_not_count_as_weights(views):
    with tf.Graph().as_default():
        pixels = tf.placeholder(tf.uint8, [None, 32, 32, 3])
        rows = layer_rows(pixels, logits_of('cnn_simple', pixels, 10, views=views))
    assert [row.weights for row in rows if row.weights] == WEIGHTS['cnn_simple']


def test_an_activation_of_several_operations_is_one_layer():
    rows = rows_of_network('cnn_best', 32, 10)
    assert [row.operation for row in rows[:8]] == [
        'input',
        'conv 2 × 2',
        'gelu',
        'conv 3 × 3',
        'max pool 2 × 2',
        'batch norm',
        'gelu',
        'conv 3 × 3',
    ]
    assert sum(row.operation == 'gelu' for row in rows) == 7
    assert not {'tanh', 'add', 'erf'} & {row.operation for row in rows}


@pytest.mark.parametrize(
    'activation, wanted',
    [
        (lambda x: tf.compat.v2.nn.gelu(x), ['gelu']),
        (lambda x: 0.5 * x * (1 + tf.math.erf(x / 2**0.5)), ['gelu']),
        (lambda x: x * tf.sigmoid(1.702 * x), ['swish']),
        (lambda x: x * tf.sigmoid(tf.nn.softplus(x)), ['softplus', 'sigmoid']),  # softplus is not x itself
        (lambda x: tf.tanh(x) + x, ['tanh', 'add']),
        (lambda x: x * tf.sigmoid(x) + x, ['swish', 'add']),
    ],
)
def test_which_operations_form_an_activation(activation, wanted):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 7])
        between = tf.nn.relu(x)
        rows = layer_rows(x, activation(between))
    assert [row.operation for row in rows[2:]] == wanted


def test_a_table_adds_up():
    lines = table([Row('input', (4,)), Row('dense', (3,), 15), Row('dense', (2,), 5), Row('softmax', (2,))])
    assert '75.0%' in lines[2] and '25.0%' in lines[3] and lines[-1].strip() == '20'


def test_a_frozen_graph_from_any_tensor_to_any_tensor():
    rows = rows_of_graph(paths.POCKET_GRAPH_DEF, end='pool_3:0')
    assert rows[0].size == (144, 144, 3) and rows[-1].size[-1] == 512
    assert sum(row.operation.startswith('conv') for row in rows) >= 9
    assert any('/ 2' in row.operation for row in rows) and any(row.operation == 'add' for row in rows)
    whole = rows_of_graph(paths.POCKET_DOGS)
    assert whole[-1] == Row('softmax', (120,))
    with pytest.raises(UserError, match='nowhere'):
        rows_of_graph(paths.POCKET_DOGS, end='nowhere:0')
    with pytest.raises(UserError, match='does not depend on'):
        rows_of_graph(paths.POCKET_DOGS, start='output_node:0', end='pool_3:0')


def test_a_graph_of_pixels_is_refused_with_the_tensor_to_start_at(tmp_path):
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, 8, 8, 3], 'pixels')
        tf.nn.softmax(tf.reduce_mean(pixels, [1, 2]), name='output_node')
    path = write_graph(graph.as_graph_def(), tmp_path / 'graph.pb')
    with pytest.raises(UserError, match=r'no decoded and resized image .* such as --start pixels:0'):
        rows_of_graph(path)
    assert rows_of_graph(path, start='pixels:0')[-1] == Row('softmax', (3,))


@pytest.mark.parametrize('words', [['pocket_dogs'], ['--model', 'pocket_dogs'], [str(paths.POCKET_DOGS)]])
def test_a_model_is_given_by_name_or_path(words, capsys):
    layer_table.main(words)
    assert 'softmax' in capsys.readouterr().out


def test_what_is_neither_a_network_nor_a_model_is_refused():
    with pytest.raises(UserError, match="unknown network 'cnn_dep'; there is cnn_deep"):
        layer_table.main(['cnn_dep'])
    with pytest.raises(UserError, match=r'there is no .*pocket_dog\.pb: run python -m .*: pocket_dogs$'):
        layer_table.main(['--model', 'pocket_dog'])
    with pytest.raises(UserError, match=r'there is no .*nowhere\.pb'):
        layer_table.main(['nowhere.pb'])
    with pytest.raises(SystemExit):
        layer_table.main([])


def test_what_tensorflow_says_names_the_file(tmp_path):
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.float32, [None, 4], 'given')
        tf.nn.softmax(tf.matmul(given, tf.ones([4, 3])), name='softmax')
        graph_def = graph.as_graph_def()
    weights = next(node for node in graph_def.node if node.op == 'Const')
    weights.attr['value'].tensor.tensor_shape.dim[0].size = 5
    path = write_graph(graph_def, tmp_path / 'five.pb')
    with pytest.raises(UserError, match=r'TensorFlow does not accept .*five\.pb: '):
        rows_of_graph(path, 'given:0')
