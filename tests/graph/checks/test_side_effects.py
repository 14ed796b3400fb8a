"""Graphs with ops that act outside of them: refused by name, unless they are trusted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.common.errors import UserError
from src.common.process import trust
from src.common.tf1 import op_def, tf
from src.graph import backbones
from src.graph.backbones import load_backbone
from src.graph.checks.side_effects import UNKNOWN, effect_of
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph, write_graph
from src.inference import classify
from tests.graph.graphs import CLASSES, SIDE, graph_of_2015
from tests.pictures import encoded, photo

HARMLESS = Path(__file__).with_name('harmless_ops.txt').read_text(encoding='utf-8').split()
# Arguments and attributes that look like a place outside of the graph.
PLACE = re.compile(r'file|path|(^|_)(address|urls?|dir|host|server|region|descriptor_source)($|_)')
# Those that are none, though they look so.
NO_PLACES = {
    *('CTCBeamSearchDecoder', 'TPUReplicateMetadata', '_FusedConv2D', '_FusedQuantizedConv2D'),
    *(
        '_FusedQuantizedDepthwiseConv2D',
        '_MklNativeFusedConv2D',
        '_QuantizedMatMul',
        'CudnnRNNBackpropV2',
        'CudnnRNNBackpropV3',
        'TensorSliceDataset',
    ),
}


def registered():
    """The OpDefs of all registered ops."""
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session

    assert tf.constant  # which loads TensorFlow
    ops = OpList()
    ops.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return [op for op in ops.op if '>' not in op.name]  # such as tests' own


def test_every_stateful_op_is_classified():
    stateful = {op.name for op in registered() if op.is_stateful}
    assert len(stateful) > 500
    accepted = {name for name in stateful if not effect_of(name)}
    assert accepted <= set(HARMLESS), 'look at what these ops do, then refuse them or add them to the list'


def test_every_op_with_a_file_or_an_address_is_refused():
    places = {
        op.name for op in registered() if any(PLACE.search(part.name) for part in (*op.input_arg, *op.attr))
    }
    assert {'ReadFile', 'ImmutableConst', 'SnapshotDataset', 'DebugIdentity'} <= places
    assert {name for name in places if not effect_of(name)} <= NO_PLACES


@pytest.mark.parametrize(
    'name',
    [
        *('ReadFile', 'WriteFile', 'MatchingFiles', 'RestoreV2', 'SaveV2', 'TFRecordDataset', 'PyFunc'),
        *(
            'TextLineDatasetV2',
            'WholeFileReaderV2',
            'EagerPyFunc',
            'CollectiveReduceV2',
            'DataServiceDataset',
        ),
        *('DebugIdentityV2', 'CreateSummaryFileWriter', 'InitializeTableFromTextFileV2', 'Abort', '_Recv'),
        *('DecodeProtoV2', 'FixedUnigramCandidateSampler', 'ImmutableConst', 'RpcServer', 'DatasetFromGraph'),
        'InitializeTRTResource',
    ],
)
def test_known_ones_are_refused(name):
    assert effect_of(name) not in ('', UNKNOWN)


@pytest.mark.parametrize('name', ['Conv2D', 'RandomUniform', 'While', 'Print', 'HashTableV2', 'a_function'])
def test_others_are_not(name):
    assert effect_of(name) == ''


def test_a_stateful_op_that_is_not_known_is_refused():
    assert op_def('SleepOp').is_stateful
    assert effect_of('SleepOp') == UNKNOWN


def hostile(path: Path, spoil) -> Path:
    """A classifier in which `spoil` runs before each answer; it returns an op."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_of_2015(), name='')
        spoiled = spoil()
        with tf.control_dependencies([spoiled]):
            tf.identity(graph.get_tensor_by_name('softmax:0'), 'output_node')
            tf.identity(graph.get_tensor_by_name('pool_3:0'), 'spoiled_pool')
        write_graph(graph.as_graph_def(), path)
    path.with_suffix('.txt').write_text('\n'.join('abcde'[:CLASSES]))
    return path


def in_function(file):
    @tf.function
    def inner(text):
        tf.raw_ops.WriteFile(filename=file, contents=text)
        return text

    return inner(tf.constant('x')).op


def test_a_graph_that_writes_a_file_is_refused_and_writes_none(tmp_path):
    file = tmp_path / 'written'
    path = hostile(tmp_path / 'w.pb', lambda: tf.raw_ops.WriteFile(filename=str(file), contents='x'))
    line = r'w\.pb contains WriteFile \(WriteFile\), which reads or writes files\. A graph .* add --trust if'
    for load in (read_graph, load_graph, load_backbone):
        with pytest.raises(UserError, match=line):
            load(path)
    assert not file.exists()


def test_functions_are_searched_too(tmp_path):
    path = hostile(tmp_path / 'f.pb', lambda: in_function(str(tmp_path / 'written')))
    with pytest.raises(UserError, match=r'contains \w*inner\w*/WriteFile \(WriteFile\), which reads'):
        load_graph(path)


def test_several_are_counted(tmp_path):
    def spoil():
        first = tf.raw_ops.ReadFile(filename='a')
        return tf.raw_ops.WriteFile(filename='b', contents=first)

    with pytest.raises(UserError, match=r'contains ReadFile \(ReadFile\), .* \(and 1 more node\)'):
        load_graph(hostile(tmp_path / 'two.pb', spoil))


def test_printing_on_the_screen_is_allowed_but_not_into_a_file(tmp_path):
    def printing(stream):
        return lambda: tf.raw_ops.PrintV2(input='text', output_stream=stream)

    assert load_graph(hostile(tmp_path / 'screen.pb', printing('stdout'))).labels
    file = f'file://{tmp_path}/printed'
    with pytest.raises(UserError, match=r'contains PrintV2 \(PrintV2\), which reads or writes files'):
        load_graph(hostile(tmp_path / 'file.pb', printing(file)))


def test_a_training_graph_is_refused_as_not_frozen(tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        tf.nn.softmax(tf.reduce_mean(x, [1, 2]) * tf.get_variable('scale', [3]), name='softmax')
        tf.train.Saver()
        path = write_graph(graph.as_graph_def(), tmp_path / 'train.pb')
    with pytest.raises(UserError, match=r'train\.pb is not frozen: .* 1 variable \(scale\)'):
        load_graph(path)


def test_a_trusted_graph_runs(tmp_path, capsys):
    file, picture, path = tmp_path / 'factor', tmp_path / 'picture.png', tmp_path / 'r.pb'
    file.write_text('0')
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_of_2015(), name='')
        factor = tf.strings.to_number(tf.io.read_file(str(file)))
        tf.multiply(graph.get_tensor_by_name('softmax:0'), factor, 'output_node')
        write_graph(graph.as_graph_def(), path)
    path.with_suffix('.txt').write_text('\n'.join('abcde'[:CLASSES]))
    picture.write_bytes(encoded(photo(SIDE, SIDE), 'PNG'))
    with pytest.raises(UserError, match='add --trust'):
        classify.main([str(picture), '--model', str(path)])
    assert classify.main([str(picture), '--model', str(path), '--trust']) == 0
    assert capsys.readouterr().out.count('0.00%') == CLASSES
    with pytest.raises(UserError, match='add --trust'):  # the flag is for one command
        classify.main([str(picture), '--model', str(path)])


def test_a_trusted_backbone_loads(tmp_path):
    path = hostile(tmp_path / 'w.pb', lambda: tf.raw_ops.WriteFile(filename='/nowhere/x', contents='x'))
    flags = [str(path), '--bottleneck', 'pool_3']
    with pytest.raises(UserError, match='add --trust'):
        backbones.main(flags)
    backbones.main([*flags, '--trust'])
    assert load_backbone(path, trusted=True).width
    trust.set_trusted(False)
