"""A user's Keras classifier as a frozen graph, and the files that are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.freezing import keras_import
from src.freezing.keras.whole_graph import difference, write_whole
from src.graph.graph_io import nodes_by_name, read_graph
from src.inference.predictor import load_model
from tests.freezing.keras.processes import encoded_pictures

SIDE = 32
CLASSIFIERS = {
    'softmax.keras': None,
    'sequential.keras': None,
    'sigmoid.h5': [-1, 1],
    'one_logit.keras': None,
    'whole_numbers.keras': None,
}
REFUSED = {
    'lambda.keras': 'has Python code in the Lambda layer twice, which is never run: rebuild the model',
    'lambda.h5': 'has Python code in the Lambda layer twice, which is never run: rebuild the model',
    'graph.keras': 'has Python code in the TFSMLayer layer',
    'large.keras': 'is damaged: its configuration has more than 50,000,000 bytes',
    'own_layer.keras': 'Keras cannot load .*: the class Own is not in Keras: rebuild the model from',
    'labels.keras': 'ends in 3 sigmoid units, for several labels of one image',
    'diverged.keras': r'gives outputs that are no numbers \(NaN or infinite\) in Keras too',
    'gray.keras': r'is no image classifier: its input is \[N, 32, 32, 1\], not \[N, height, width, 3\]',
    'any_size.keras': r'takes images of any size: save it with a fixed input, such as keras\.Input',
    'maps.keras': r'is no image classifier: its output is \[N, 32, 32, 2\], not \[N, classes\]',
    'rows.keras': r'is no image classifier: its input is \[N, 7\], not',
    'two_inputs.keras': 'is no image classifier: it has 2 inputs and 1 output, not one of each',
    'only.weights.h5': 'holds weights without a model',
    'text.keras': 'is no Keras model: neither a .keras file',
    'broken.keras': 'is damaged: ',
    'broken.h5': 'cannot read .*: ',
}


@pytest.fixture(scope='module')
def saved(keras, tmp_path_factory):
    folder = keras.files(tmp_path_factory.mktemp('models'), 'models', sides=(SIDE,))
    (folder / 'text.keras').write_text('a text')
    whole = (folder / 'softmax.keras').read_bytes()
    with zipfile.ZipFile(folder / 'softmax.keras') as archive:
        config = archive.read('config.json')
    for name, changed in (
        ('graph.keras', config.replace(b'"Rescaling"', b'"TFSMLayer"')),
        ('large.keras', config + b' ' * 50_000_000),
    ):
        with zipfile.ZipFile(folder / name, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('config.json', changed)
    (folder / 'broken.keras').write_bytes(whole.replace(b'"class_name"', b'"class_name!'))
    (folder / 'broken.h5').write_bytes((folder / 'sigmoid.h5').read_bytes()[:3000])
    return folder


@pytest.fixture(scope='module')
def replies(keras, saved, tmp_path_factory):
    """The folder of the replies to all files, and these replies, by file name."""
    folder = tmp_path_factory.mktemp('replies')
    request = {'action': 'user_model', 'pixel_range': None}
    ranges = CLASSIFIERS | dict.fromkeys(REFUSED)
    requests = {name: request | {'file': str(saved / name), 'pixel_range': ranges[name]} for name in ranges}
    scaled = request | {'file': str(saved / 'softmax.keras'), 'pixel_range': [0, 1]}
    return folder, keras.answers(folder, requests | {'scaled twice': scaled})


def probabilities_of(name, output):
    """The class probabilities that the output of a model means."""
    output = output.astype(np.float64)
    if name in ('sequential.keras',):
        powers = np.exp(output - output.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)
    if output.shape[1] > 1:
        return output
    second = 1 / (1 + np.exp(-output)) if name == 'one_logit.keras' else output
    return np.hstack([1 - second, second])


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_a_classifier_gives_the_probabilities_of_keras(saved, replies, name, tmp_path):
    folder, _ = replies
    with np.load(saved / 'models.npz') as outputs:
        expected = probabilities_of(name, outputs[name])
    labels = ['a', 'b', 'c', 'd'][: expected.shape[1]]
    path = tmp_path / 'model.pb'
    write_whole(folder / name, labels, {}, path)
    assert difference(path, folder / name) <= 1e-5
    model = load_model(path)
    answered = np.stack(list(model.from_pictures(encoded_pictures(SIDE))))
    model.close()
    assert np.ptp(expected, axis=0).max() > 0.01  # the pictures differ
    np.testing.assert_allclose(answered, expected, rtol=0, atol=1e-5)


def test_nested_layers_give_their_names_to_constants(replies):
    folder, _ = replies
    nodes = nodes_by_name(read_graph(folder / 'sequential.keras' / 'network.pb'))
    constants = [name for name, node in nodes.items() if node.op == 'Const']
    assert any(re.fullmatch(r'conv2d\w*/kernel', name) for name in constants), constants


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_no_classifier_is_refused_in_one_line(saved, replies, name):
    line = replies[1][name]['refused']
    assert re.search(REFUSED[name], line), line
    assert str(saved / name) in line and '\n' not in line


def test_pixels_are_not_scaled_twice(replies):
    line = replies[1]['scaled twice']['refused']
    assert re.search(r'softmax\.keras scales pixels itself, in the layer \w+: leave --pixel-range out', line)


def test_the_command_writes_a_model_that_classify_takes(saved, tmp_path, capsys):
    labels = tmp_path / 'names.txt'
    labels.write_text('cat\ndog\n')
    words = ['--keras', str(saved / 'sigmoid.h5'), '--labels', str(labels), '--pixel-range=-1,1']
    keras_import.main(words)
    said = capsys.readouterr().out
    assert 'same output as Keras' in said and '32 x 32 pixels, 2 classes' in said
    assert f'next: python -m src.inference.classify PHOTO.jpg --model {paths.frozen("sigmoid")}' in said
    assert load_model(paths.frozen('sigmoid')).labels == ['cat', 'dog']
    labels.write_text('cat\n')
    with pytest.raises(UserError, match=r'names\.txt has 1 label, and the network has 2 classes'):
        keras_import.main([*words, '--out', str(tmp_path / 'x.pb')])
    assert not (tmp_path / 'x.pb').exists()


def test_a_model_that_was_trained_here_is_not_overwritten(saved, tmp_path):
    paths.checkpoints('softmax').mkdir(parents=True)
    labels = tmp_path / 'names.txt'
    labels.write_text('a\nb\nc\n')
    with pytest.raises(UserError, match=r'is the file of the model softmax, trained here: give --out'):
        keras_import.main(['--keras', str(saved / 'softmax.keras'), '--labels', str(labels)])


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        ([], 'give a NETWORK, or --keras FILE, or --list'),
        (['VGG19', '--list'], 'give a NETWORK, or --keras FILE, or --list'),
        (['--keras', 'x.keras'], '--keras needs --labels FILE'),
        (['--keras', 'x.keras', '--labels', 'l', '--weights', 'w'], 'are for networks of keras.applications'),
        (['VGG19', '--pixel-range=0,1'], '--pixel-range is for --keras'),
    ],
)
def test_flags_that_do_not_fit_are_refused(words, line, capsys):
    with pytest.raises(SystemExit) as ended:
        keras_import.main(words)
    assert ended.value.code == 2
    assert line in capsys.readouterr().err


def test_the_command_ends_with_code_2_and_one_line(saved, tmp_path):
    ended = subprocess.run(
        [sys.executable, '-m', 'src.freezing.keras_import', 'VGG16', '--weights', 'missing.h5'],
        env=os.environ | {'PYTHONPATH': str(paths.CHECKOUT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (2, 'error: there is no file missing.h5\n')


def test_a_failing_process_of_keras_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match='the process of Keras failed: KeyError'):
        keras_import.ask(tmp_path, action='no such action')
