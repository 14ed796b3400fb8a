"""Networks of keras.applications as frozen graphs give the output of Keras itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src.common import files
from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing.keras import child
from src.freezing.keras.labels import class_names
from src.freezing.keras.whole_graph import write_whole
from src.freezing.keras_import import import_network
from src.graph.backbones import load_tried
from src.graph.graph_io import nodes_by_name, read_graph
from src.graph.model_info import read_info
from src.inference.predictor import load_model
from tests.downloads.loopback import serves
from tests.freezing.keras.processes import PICTURES, encoded_pictures

SMALL = {'MobileNetV2': (224, 52), 'MobileNetV3Small': (224, 34)}
LARGE = {
    'EfficientNetB0': (224, 49),
    'VGG16': (224, 0),
    'ResNet50': (224, 53),
    'InceptionV3': (299, 94),
    'Xception': (299, 40),
}
FEW = 3  # pictures for the large networks
CLASSES = [f'class {number}' for number in range(1000)]


@pytest.fixture(scope='module')
def saved(keras, tmp_path_factory):
    return keras.files(tmp_path_factory.mktemp('small'), 'networks', *SMALL, sides=(224,))


@pytest.fixture(scope='module')
def imported(keras, saved, tmp_path_factory):
    """The frozen files of the small networks, made in one process."""
    return frozen_files(keras, saved, tmp_path_factory.mktemp('frozen'), SMALL)


@pytest.fixture(scope='module')
def large(keras, tmp_path_factory):
    """The files of the large networks, made in one process."""
    sides = {side for side, _ in LARGE.values()}
    return keras.files(tmp_path_factory.mktemp('large'), 'networks', *LARGE, sides=sides, number=FEW)


@pytest.fixture(scope='module')
def large_imported(keras, large, tmp_path_factory):
    return frozen_files(keras, large, tmp_path_factory.mktemp('large_frozen'), LARGE)


def frozen_files(keras, saved, folder, names):
    requests = {name: request_of(saved, name) for name in names}
    for name, reply in keras.answers(folder, requests).items():
        labels = CLASSES if reply['classifies'] else []
        write_whole(folder / name, labels, {}, folder / f'{name}.pb')
    return folder


def request_of(folder, network, **changes):
    weights = str(folder / f'{network}.h5')
    return {
        'action': 'network',
        'name': network,
        'weights': weights,
        'pooling': 'avg',
        'labels': True,
    } | changes


def vectors_of(backbone, side, number=PICTURES, pixels=None):
    """The bottlenecks of encoded pictures, one by one, and those of pixels."""
    with tf.Graph().as_default(), tf.Session() as session:
        output, preprocessing = backbone.attach(), backbone.preprocessing
        rows = [
            session.run(output, {preprocessing.image: data})[0] for data in encoded_pictures(side, number)
        ]
        of_pixels = None if pixels is None else session.run(output, {preprocessing.pixels: pixels})
    return np.stack(rows), of_pixels


def require_same(path, expected, side, folded):
    """Require what Keras computed from pictures, `expected`, and what it computed from pixels in the process
    that made the graph."""
    with np.load(path.with_suffix('') / child.CHECK) as stored:
        check = dict(stored)
    backbone = load_tried(path)
    number = len(expected['bottleneck'])
    vectors, of_pixels = vectors_of(backbone, side, number, check['pixels'])
    assert vectors.shape == expected['bottleneck'].shape
    assert np.abs(vectors - expected['bottleneck']).max() <= 1e-5 * np.abs(expected['bottleneck']).max()
    assert np.abs(of_pixels - check['pool_3']).max() <= 1e-5 * np.abs(check['pool_3']).max()
    assert np.ptp(vectors, axis=0).max() > 0.02 * np.abs(vectors).max()  # the pictures differ
    assert backbone.rewrites.folded == folded
    if 'output' not in expected:
        assert 'output_node' not in nodes_by_name(read_graph(path)) and 'output_node' not in check
        return
    model = load_model(path)
    answered = np.stack(list(model.from_pictures(encoded_pictures(side, number))))
    np.testing.assert_allclose(model.from_pixels(check['pixels']), check['output_node'], rtol=0, atol=1e-5)
    model.close()
    assert np.ptp(expected['output'], axis=0).max() > 2e-4
    np.testing.assert_allclose(answered, expected['output'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', SMALL)
def test_a_network_gives_the_output_of_keras(saved, imported, name):
    with np.load(saved / f'{name}.npz') as expected:
        require_same(imported / f'{name}.pb', expected, *SMALL[name])


@pytest.mark.slow
@pytest.mark.parametrize('name', LARGE)
def test_a_large_network_gives_the_output_of_keras(large, large_imported, name):
    with np.load(large / f'{name}.npz') as expected:
        assert len(expected['bottleneck']) == FEW
        require_same(large_imported / f'{name}.pb', expected, *LARGE[name])


@pytest.mark.slow
def test_constants_of_a_network_without_a_classifier_have_the_names_of_keras_too(large_imported):
    graph_def = read_graph(large_imported / 'VGG16.pb')
    constants = {node.name for node in graph_def.node if node.op == 'Const'}
    assert {f'block5_conv{n}/{part}' for n in (1, 2, 3) for part in ('kernel', 'bias')} <= constants


def test_constants_have_the_names_of_keras_variables(imported):
    graph_def = read_graph(imported / 'MobileNetV2.pb')
    constants = {node.name for node in graph_def.node if node.op == 'Const'}
    assert {'block_16_project/kernel', 'block_16_project_BN/gamma', 'predictions/bias'} <= constants
    operations = {node.name: node.op for node in graph_def.node}
    assert operations['block_16_project/convolution'] == 'Conv2D'


def test_flattened_bottlenecks_are_the_feature_map_of_keras(keras, saved, tmp_path):
    request = request_of(saved, 'MobileNetV2', pooling='flatten', labels=False)
    keras.answers(tmp_path, {'flat': request}, https_proxy='http://127.0.0.1:9', KERAS_HOME=str(tmp_path))
    write_whole(tmp_path / 'flat', [], {}, tmp_path / 'flat.pb')
    vectors, _ = vectors_of(load_tried(tmp_path / 'flat.pb'), 224)
    with np.load(saved / 'MobileNetV2.npz') as expected:
        feature_map = expected['map'].reshape(len(expected['map']), -1)
    assert vectors.shape == (PICTURES, 7 * 7 * 1280)
    # Values that are not averaged round more: 1.5e-5 after 52 random convolutions.
    assert np.abs(vectors - feature_map).max() <= 1e-4 * np.abs(feature_map).max()


def test_weights_of_another_network_are_refused(keras, saved, tmp_path):
    file = saved / 'MobileNetV2.h5'
    broken, text = tmp_path / 'broken.h5', tmp_path / 'weights.h5'
    broken.write_bytes(file.read_bytes()[:100_000])
    text.write_text('no weights')
    given = {'other': file, 'broken': broken, 'text': text}
    replies = keras.answers(
        tmp_path,
        {key: request_of(saved, 'MobileNet', weights=str(path)) for key, path in given.items()}
        | {'name': request_of(saved, 'VGG18')},
    )
    lines = {key: reply['refused'] for key, reply in replies.items()}
    assert lines['other'].startswith(f'{file} does not hold the weights of MobileNet: Layer count mismatch')
    assert lines['broken'].startswith(f'{broken} does not hold the weights of MobileNet: Unable to ')
    assert lines['text'].startswith(f'{text} does not hold the weights of MobileNet: Unable to ')
    assert (
        lines['name'] == 'keras.applications has no network VGG18; similar names: VGG16, VGG19 (see --list)'
    )
    assert all('\n' not in line for line in lines.values())


# The addresses and checksums of keras.applications, changed to a server on this machine.
ELSEWHERE = """
import hashlib, os, pathlib
from keras.src.applications import efficientnet, imagenet_utils
efficientnet.BASE_WEIGHTS_PATH = os.environ['SITE']
weights = pathlib.Path(os.environ['WEIGHTS']).read_bytes()
efficientnet.WEIGHTS_HASHES['b0'] = (hashlib.md5(weights).hexdigest(), '')
imagenet_utils.CLASS_INDEX_PATH = os.environ['SITE'] + 'imagenet_class_index.json'
"""


@pytest.mark.slow
def test_downloaded_weights_and_the_same_file_given_are_the_same_network(
    keras, large, large_imported, tmp_path, web
):
    """EfficientNet with weights='imagenet' has a layer that it lacks otherwise."""
    file = large / 'adapted.h5'
    web.answers = [serves(file.read_bytes()), serves(code=404)]
    replies = keras.answers(
        tmp_path,
        {
            'downloaded': request_of(large, 'EfficientNetB0', weights='imagenet', labels=False),
            'given': request_of(large, 'EfficientNetB0', weights=str(file)),
        },
        before=ELSEWHERE,
        SITE=web.url + '/',
        WEIGHTS=str(file),
        KERAS_HOME=str(tmp_path / 'home'),
        http_proxy='',
    )
    assert [asked['path'] for asked in web.asked] == ['/efficientnetb0.h5', '/imagenet_class_index.json']
    assert replies['downloaded']['no_labels'] == f'{web.url}/imagenet_class_index.json (404 -- Not Found)'
    folders = {key: tmp_path / key for key in replies} | {'other': large_imported / 'EfficientNetB0'}
    check = {key: dict(np.load(folder / child.CHECK)) for key, folder in folders.items()}
    np.testing.assert_allclose(
        check['downloaded']['pool_3'], check['given']['pool_3'], atol=1e-5 * check['given']['pool_3'].max()
    )
    assert (
        np.abs(check['given']['pool_3'] - check['other']['pool_3']).max()
        > 1e-3 * check['given']['pool_3'].max()
    )


def test_a_damaged_download_is_refused(keras, saved, tmp_path, web):
    web.answers = [serves(b'not the weights')]
    replies = keras.answers(
        tmp_path,
        {'damaged': request_of(saved, 'EfficientNetB0', weights='imagenet')},
        before=ELSEWHERE,
        SITE=web.url + '/',
        WEIGHTS=str(saved / 'MobileNetV2.h5'),  # for the checksum of the right file
        KERAS_HOME=str(tmp_path / 'home'),
        http_proxy='',
    )
    assert replies['damaged']['refused'].startswith(
        'EfficientNetB0: Keras cannot download its ImageNet weights: Incomplete or corrupted file detected'
    )


def test_without_a_network_imagenet_weights_end_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv('KERAS_HOME', str(tmp_path))
    monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')  # nothing listens there
    monkeypatch.delenv('no_proxy', raising=False)
    with pytest.raises(UserError) as refused:
        import_network('MobileNetV2', tmp_path / 'x.pb')
    line = str(refused.value)
    assert line.startswith('MobileNetV2: Keras cannot download its ImageNet weights: https://storage.')
    assert line.endswith('or download that file elsewhere and add --weights FILE') and '\n' not in line
    assert not (tmp_path / 'x.pb').exists()


def test_class_names_come_in_the_order_of_the_output(keras, tmp_path):
    index = {str(n): [f'n{n:08}', f'kind_{n}'] for n in range(1000)} | {'7': ['n00000007', 'kind_8']}
    file = tmp_path / 'imagenet_class_index.json'
    files.write_json(file, index)
    program = (
        'import json, os\nfrom keras.src.applications import imagenet_utils\n'
        'imagenet_utils.CLASS_INDEX = json.load(open(os.environ["INDEX"]))  # as after the download\n'
        'from src.freezing.keras.networks import imagenet_labels\nprint(json.dumps(imagenet_labels()))\n'
    )
    names = json.loads(keras.run(program, INDEX=str(file)))
    assert names == class_names(file)
    assert names[:9] == [*(f'kind {n}' for n in range(7)), 'kind 8 n00000007', 'kind 8 n00000008']
    assert len(set(names)) == 1000


def test_other_json_is_no_class_index(tmp_path):
    file = tmp_path / 'names.json'
    files.write_json(file, ['a', 'b'])
    with pytest.raises(UserError, match=r'names\.json is no class index of Keras'):
        class_names(file)


def test_the_facts_say_where_the_weights_came_from(saved, tmp_path):
    labels = tmp_path / 'labels.txt'
    labels.write_text('\n'.join(CLASSES))
    out = tmp_path / 'mobile.pb'
    reply = import_network('MobileNetV2', out, str(saved / 'MobileNetV2.h5'), labels=labels)
    assert reply['difference'] <= 1e-5
    info = read_info(read_graph(out))
    given = {'model': 'MobileNetV2', 'weights': 'MobileNetV2.h5', 'pooling': 'avg', 'input_size': [224, 224]}
    assert info.items() >= (given | {'bottleneck': 'pool_3:0', 'width': 1280}).items()
    assert info['versions'].keys() == {'rootstock', 'keras'}
    assert load_model(out).labels == CLASSES
