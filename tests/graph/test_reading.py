"""Reading graphs from other machines (devices are cleared), and files that are not frozen graphs."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph import graph_io
from src.graph.backbones import load_backbone
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph, write_graph
from src.inference.predictor import load_model
from tests.graph.graphs import CLASSES, SIDE, bottleneck_of, graph_of_2015, probabilities_of
from tests.pictures import encoded, photo

GPU = '/job:worker/replica:0/task:3/device:GPU:0'


def on_other_machine(graph_def):
    """The graph with the devices of a cluster, and a colocation with a node outside the backbone."""
    for node in graph_def.node:
        node.device = GPU
    kernel = next(node for node in graph_def.node if node.op == 'Conv2D')
    kernel.attr['_class'].list.s.append(b'loc:@softmax')
    return graph_def


def with_function(graph_def):
    """The graph with a new output, from a function whose nodes have a device."""

    @tf.function
    def double(x):
        with tf.device(GPU):
            return tf.multiply(x, 2.0)

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name='')
        tf.identity(double(graph.get_tensor_by_name('pool_3:0')), 'doubled')
        return graph.as_graph_def()


def test_devices_of_another_machine_are_cleared(tmp_path):
    path = write_graph(on_other_machine(graph_of_2015()), tmp_path / 'gpu.pb')
    pixels = photo(SIDE, SIDE)[None].astype(np.float32)
    backbone = load_backbone(path)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    np.testing.assert_allclose(got, bottleneck_of(pixels), rtol=1e-4, atol=1e-5)


def test_devices_in_functions_are_cleared_too(tmp_path):
    graph_def = with_function(graph_of_2015())
    assert any(node.device for function in graph_def.library.function for node in function.node_def)
    path = write_graph(on_other_machine(graph_def), tmp_path / 'gpu.pb')
    assert 'device:GPU' not in str(read_graph(path))
    backbone = load_backbone(path, 'doubled')
    pixels = photo(SIDE, SIDE)[None].astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    np.testing.assert_allclose(got, 2 * bottleneck_of(pixels), rtol=1e-4, atol=1e-5)


def test_a_classifier_saved_on_a_gpu_runs(tmp_path):
    path = write_graph(on_other_machine(graph_of_2015()), tmp_path / 'gpu.pb')
    path.with_suffix('.txt').write_text('\n'.join('abcde'[:CLASSES]))
    (got,) = load_model(path).from_pictures([encoded(photo(SIDE, SIDE), 'PNG')])
    wanted = probabilities_of(bottleneck_of(photo(SIDE, SIDE)[None].astype(float)))
    np.testing.assert_allclose(got[None], wanted, atol=1e-5)


def unfrozen(make_variable):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        kernels = [make_variable(f'layer_{n}/kernel') for n in range(5)]
        x = tf.reduce_mean(tf.nn.conv2d(x, sum(kernels), 1, 'SAME'), [1, 2], name='pool_3')
        tf.nn.softmax(x, name='softmax')
        return graph.as_graph_def()


def variable(name, resource):
    return tf.get_variable(name, [1, 1, 3, 4], use_resource=resource)


@pytest.mark.parametrize(
    'make',
    [
        lambda name: variable(name, False),
        lambda name: variable(name, True),
        lambda name: tf.raw_ops.Variable(shape=[1, 1, 3, 4], dtype=tf.float32, name=name),
        lambda name: tf.raw_ops.ReadVariableOp(
            resource=tf.placeholder(tf.resource, [], name), dtype=tf.float32
        ),
    ],
    ids=['VariableV2', 'VarHandleOp', 'Variable', 'captured resource'],
)
def test_a_graph_with_variables_is_refused_when_loaded(tmp_path, make):
    path = write_graph(unfrozen(make), tmp_path / 'train.pb')
    path.with_suffix('.txt').write_text('a\nb\nc\nd')
    words = (
        r'train\.pb is not frozen: .* 5 variables \(layer_0/kernel.*\.\.\.\).*convert_variables_to_constants'
    )
    with pytest.raises(UserError, match=words):
        load_backbone(path, 'pool_3', (0, 255))
    with pytest.raises(UserError, match=words):
        load_graph(path)


def test_variables_that_the_bottleneck_does_not_need_are_accepted(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_of_2015(), name='')
        tf.train.get_or_create_global_step()
        path = write_graph(graph.as_graph_def(), tmp_path / 'step.pb')
    assert load_backbone(path).width


def test_an_input_pipeline_is_named(tmp_path):
    with tf.Graph().as_default() as graph:
        pictures = tf.data.Dataset.from_tensors(np.zeros([1, SIDE, SIDE, 3], np.float32))
        x = tf.data.make_one_shot_iterator(pictures).get_next()
        tf.reduce_mean(x, [1, 2], name='pool_3')
        path = write_graph(graph.as_graph_def(), tmp_path / 'pipeline.pb')
    with pytest.raises(UserError, match=r'reads from outside the graph at \w+ \(\w*Iterator\w*\): export it'):
        load_backbone(path, 'pool_3', (0, 255))


def test_nodes_that_depend_on_each_other_are_refused(tmp_path):
    graph_def = graph_of_2015()
    for name, given in (('a', 'b'), ('b', 'a')):
        graph_def.node.add(name=name, op='Identity', input=[given]).attr['T'].type = 1
    mean = next(node for node in graph_def.node if node.name == 'pool_3')
    graph_def.node.add(name='sum', op='AddV2', input=[mean.input[0], 'a']).attr['T'].type = 1
    mean.input[0] = 'sum'
    path = write_graph(graph_def, tmp_path / 'circle.pb')
    path.with_suffix('.txt').write_text('\n'.join('abcde'))
    for load in (load_backbone, load_graph):
        with pytest.raises(UserError, match=r'circle\.pb is damaged: [ab] depends on itself'):
            load(path)


def test_a_constant_of_another_type_is_refused(tmp_path):
    graph_def = graph_of_2015()
    axis = next(node for node in graph_def.node if node.name == 'ExpandDims/dim')
    axis.attr['value'].tensor.dtype = tf.quint16.as_datatype_enum
    path = write_graph(graph_def, tmp_path / 'type.pb')
    path.with_suffix('.txt').write_text('\n'.join('abcde'))
    for load in (load_backbone, load_graph):
        with pytest.raises(UserError, match='damaged: the constant ExpandDims/dim holds another type'):
            load(path)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A folder with a model in each format that is not a frozen graph."""
    folder = tmp_path_factory.mktemp('kinds')
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4])
        y = x * tf.get_variable('v', [4])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / 'ckpt' / 'model'))
        tf.saved_model.simple_save(session, str(folder / 'served'), {'x': x}, {'y': y})
        tf.train.write_graph(graph, str(folder), 'graph.pbtxt')
    (folder / 'renamed.pb').write_bytes((folder / 'served' / 'saved_model.pb').read_bytes())
    with h5py.File(folder / 'keras.h5', 'w') as file:
        file['model_weights'] = np.zeros(4)
    for name, members in {
        'net.keras': ['config.json', 'model.weights.h5'],
        'net.pt': ['net/data.pkl'],
    }.items():
        with zipfile.ZipFile(folder / name, 'w') as archive:
            for member in members:
                archive.writestr(member, b'x')
    (folder / 'net.tflite').write_bytes(b'\x1c\0\0\0TFL3' + bytes(99))
    (folder / 'net.onnx').write_bytes(b'\x08\x07\x12\x07pytorch\x1a\x031.9:\x04\x0a\x02\x0a\0')
    (folder / 'pointer.pb').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n')
    (folder / 'page.pb').write_bytes(b'\n<!DOCTYPE html><html>404</html>')
    with tarfile.open(folder / 'net.tar', 'w') as archive:
        archive.addfile(tarfile.TarInfo('net.pb'), io.BytesIO())
    with tarfile.open(folder / 'net.tgz', 'w:gz') as archive:
        archive.addfile(tarfile.TarInfo('net.pb'), io.BytesIO())
    (folder / 'empty').mkdir()
    return folder


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('served', 'served is a SavedModel: freeze it'),
        ('served/saved_model.pb', r'saved_model\.pb is a SavedModel: freeze it'),
        ('renamed.pb', r'renamed\.pb is a SavedModel: freeze it'),
        ('ckpt/model.meta', 'is a MetaGraphDef, which holds no weights'),
        ('ckpt/model.index', 'is a TensorFlow checkpoint, which holds weights but no graph: restore it'),
        ('ckpt/model.data-00000-of-00001', 'is a TensorFlow checkpoint'),
        ('ckpt/checkpoint', 'is a TensorFlow checkpoint'),
        ('ckpt', 'ckpt is a TensorFlow checkpoint'),
        ('graph.pbtxt', 'is a graph in text form: .*as_text=False'),
        ('keras.h5', 'is a Keras model: make a frozen graph of it with'),
        ('net.keras', 'is a Keras model: make a frozen graph of it with'),
        ('net.pt', 'is a PyTorch file'),
        ('net.tflite', 'is a TensorFlow Lite model'),
        ('net.onnx', 'is an ONNX model'),
        ('pointer.pb', 'is a Git LFS pointer.*git lfs pull'),
        ('page.pb', 'is a web page'),
        ('net.tar', 'is an archive: unpack it'),
        ('net.tgz', 'is an archive: unpack it'),
        ('empty', 'empty is a folder: name the .pb file in it'),
    ],
)
def test_the_message_names_the_kind_of_file(made, name, words):
    with pytest.raises(UserError, match=words):
        load_backbone(made / name)
    with pytest.raises(UserError, match=words):
        load_graph(made / name)


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such device')
def test_a_file_above_the_limit_and_a_device_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_io, 'MOST_BYTES', 1000)
    (tmp_path / 'large.pb').write_bytes(bytes(1001))
    with pytest.raises(UserError, match=r'large\.pb has 1,001 bytes, above the limit of 1,000'):
        read_graph(tmp_path / 'large.pb')
    with pytest.raises(UserError, match='/dev/zero has more than 1,000 bytes'):
        read_graph('/dev/zero')
