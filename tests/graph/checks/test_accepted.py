"""What TensorFlow says of graphs that it does not accept or run."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.checks.accepted import NotAccepted, faults_named, import_graph, names_faults, said
from src.graph.frozen import load_graph
from src.graph.graph_io import nodes_by_name, write_graph
from src.inference.predictor import load_model
from tests.graph.graphs import CLASSES, SIDE, graph_of_2015
from tests.pictures import encoded, photo


def test_the_node_and_the_reason_of_a_failed_run_are_said():
    with tf.Graph().as_default(), tf.Session() as session:
        shape = tf.placeholder(tf.int32, [None])
        with pytest.raises(tf.errors.OpError) as raised:
            session.run(tf.reshape(tf.zeros([7]), shape, name='folded'), {shape: [2, 2]})
    assert said(raised.value) == (
        'folded: Input to reshape is a tensor with 7 values, but the requested shape has 4'
    )


def test_an_error_that_quotes_much_is_cut_at_once():
    error = tf.errors.InvalidArgumentError(None, None, 'x' * 30_000_000)
    assert len(said(error)) <= 300
    with pytest.raises(UserError, match=r'some\.pb does not run: x{300}$'), faults_named(Path('some.pb')):
        raise error


def test_a_graph_that_tensorflow_does_not_accept_is_named_with_its_file():
    graph_def = tf.GraphDef()
    graph_def.node.add(name='a', op='NoSuchOp')

    @names_faults
    def load(path):
        with tf.Graph().as_default():
            import_graph(graph_def)

    with tf.Graph().as_default(), pytest.raises(NotAccepted):
        import_graph(graph_def)
    with pytest.raises(UserError, match=r'^TensorFlow does not accept my\.pb: .*NoSuchOp'):
        load(Path('my.pb'))


def test_a_full_disk_stays_an_error_of_the_disk():
    error = tf.errors.ResourceExhaustedError(None, None, '/tmp/x; No space left on device')
    with pytest.raises(tf.errors.ResourceExhaustedError), faults_named(Path('some.pb')):
        raise error


def classifier(path, spoil):
    graph_def = graph_of_2015()
    spoil(graph_def)
    path.with_suffix('.txt').write_text('\n'.join('abcde'[:CLASSES]))
    return write_graph(graph_def, path)


def test_weights_of_another_type_are_refused_when_loaded(tmp_path):
    def spoil(graph_def):
        nodes_by_name(graph_def)['MatMul'].attr['T'].type = tf.float64.as_datatype_enum

    with pytest.raises(UserError, match=r'TensorFlow does not accept .*type\.pb: .*MatMul'):
        load_graph(classifier(tmp_path / 'type.pb', spoil))


def test_a_graph_that_fails_on_a_picture_is_named(tmp_path):
    def spoil(graph_def):
        """The softmax takes a number that only a run shows to be none."""
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_of_2015(), name='')
            logits = graph.get_tensor_by_name('MatMul:0')
            text = tf.strings.join([tf.strings.as_string(tf.reduce_sum(logits)), 'x'])
            tf.nn.softmax(logits + tf.strings.to_number(text, name='number'), name='output_node')
            graph_def.CopyFrom(graph.as_graph_def())

    model = load_model(classifier(tmp_path / 'rows.pb', spoil))
    with pytest.raises(UserError, match=r'rows\.pb does not run: number: .* could not .* convert string'):
        list(model.from_pictures([encoded(photo(SIDE, SIDE), 'PNG')]))
