"""Loading and running frozen classifiers: probabilities, labels, and the files that are accepted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.frozen import load_graph
from src.graph.graph_io import write_graph
from src.graph.model_info import with_facts
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.runtimes.base import BATCH
from tests.graph.graphs import graph_of_2015, graph_of_pixels
from tests.inference.models import NAMES, SHARPNESS, SIDES, bright_above, brightest_side, somebody_elses
from tests.pictures import encoded, photo


@pytest.fixture
def ours(tmp_path):
    return brightest_side(tmp_path / 'side.pb')


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize('weights_as_variables', [True, False])
def test_pixels_and_bottlenecks_in_numpy(ours, weights_as_variables):
    model = load_model(ours, weights_as_variables)
    pixels = np.random.default_rng(5).uniform(0, 255, (7, 8, 8, 3)).astype(np.float32)
    gray = pixels.mean(3)
    halves = [gray[:, :4], gray[:, 4:], gray[:, :, :4], gray[:, :, 4:]]
    means = np.stack([half.mean((1, 2)) for half in halves], 1)
    assert model.labels == SIDES
    np.testing.assert_allclose(model.from_pixels(pixels), softmax(means * SHARPNESS), atol=1e-5)
    np.testing.assert_allclose(model.from_bottlenecks(means), softmax(means * SHARPNESS), atol=1e-5)


def test_many_bottlenecks_are_run_in_parts(ours):
    many = np.random.default_rng(1).uniform(0, 255, (2500, 4)).astype(np.float32)
    answers = load_model(ours).from_bottlenecks(many)
    np.testing.assert_allclose(answers, softmax(many * SHARPNESS), atol=1e-5)


def test_bottlenecks_of_another_backbone_are_refused(ours, tmp_path):
    with pytest.raises(UserError, match='width 4, and these records hold 5'):
        load_model(ours).from_bottlenecks(np.zeros((1, 5), np.float32))
    stranger = load_model(somebody_elses(tmp_path / 'other.pb', NAMES))
    with pytest.raises(UserError, match='another backbone'):
        stranger.from_bottlenecks(np.zeros((1, 6), np.float32))


def test_probabilities_and_faults_are_in_order(ours):
    good, bad = encoded(bright_above(), 'PNG'), b'no picture'
    pictures = [good if n % 4 else bad for n in range(2 * BATCH + 3)]
    answers = list(load_model(ours).from_pictures(iter(pictures)))
    assert [isinstance(a, BadImage) for a in answers] == [data is bad for data in pictures]
    assert {SIDES[a.argmax()] for a in answers if not isinstance(a, BadImage)} == {'top'}


@pytest.mark.parametrize('weights_as_variables', [True, False])
def test_encoded_pictures_and_pixels_in_one_batch(ours, weights_as_variables):
    model = load_model(ours, weights_as_variables)
    jpegs = [encoded(photo(seed=n), 'JPEG') for n in range(3)]
    wanted = list(model.from_pictures(jpegs))
    got = model.from_mixed([jpegs[0], model.reader.read(jpegs[1]), jpegs[2]])
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_damaged_picture_among_encoded_ones(ours):
    """Its header is valid; the graph fails for the whole batch."""
    model = load_model(ours)
    good = encoded(bright_above(), 'PNG')
    cut = encoded(photo(), 'PNG')[:-200]
    answers = model.from_mixed([good, cut, good, encoded(photo(), 'JPEG')])
    assert [isinstance(answer, BadImage) for answer in answers] == [False, True, False, False]
    assert SIDES[answers[2].argmax()] == 'top'


def test_no_pictures(ours):
    assert list(load_model(ours).from_pictures([])) == []


def test_pictures_are_read_at_most_one_batch_ahead(ours):
    """A million photos must not be read before the first one is classified."""
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield encoded(bright_above(), 'PNG')

    next(load_model(ours).from_pictures(endless()))
    assert len(asked) == 2 * BATCH  # one batch is decoded while the other runs


def test_many_threads_at_once(ours):
    model = load_model(ours)
    pictures = [encoded(photo(seed=n), 'JPEG') for n in range(12)]
    wanted = list(model.from_pictures(pictures))
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: list(model.from_pictures(pictures)), range(8)):
            np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_labels_beside_the_file(tmp_path):
    path = somebody_elses(tmp_path / 'other.pb', ['  Klasse 0', '', *NAMES[1:], ''])
    assert load_graph(path).labels == NAMES
    path.with_suffix('.txt').write_text('\n'.join(NAMES), encoding='utf-8-sig')  # as Windows writes it
    assert load_graph(path).labels == NAMES


def test_no_labels_at_all(tmp_path):
    with pytest.raises(UserError, match=r'other\.pb contains no labels: put .*other\.txt beside it'):
        load_graph(somebody_elses(tmp_path / 'other.pb'))


@pytest.mark.parametrize('number', [0, 4, 6])
def test_the_wrong_number_of_labels(tmp_path, number):
    with pytest.raises(UserError, match=f'has 5 classes but {number} labels'):
        load_graph(somebody_elses(tmp_path / 'other.pb', (NAMES * 2)[:number]))


def test_the_wrong_number_of_labels_inside(tmp_path):
    with pytest.raises(UserError, match='has 4 classes but 3 labels'):
        load_graph(brightest_side(tmp_path / 'ours.pb', SIDES[:3]))


def test_labels_that_are_not_utf_8(tmp_path):
    path = somebody_elses(tmp_path / 'other.pb')
    path.with_suffix('.txt').write_bytes('Bär\n'.encode('latin-1') * 5)
    with pytest.raises(UserError, match=r'other\.txt is no UTF-8 text: give a text file'):
        load_graph(path)


def test_a_node_called_labels_may_be_something_else(tmp_path):
    path = somebody_elses(tmp_path / 'other.pb', NAMES)
    graph_def = graph_of_2015()
    numbers = graph_def.node.add(name='labels', op='Const')
    numbers.attr['dtype'].type = tf.int32.as_datatype_enum
    numbers.attr['value'].tensor.CopyFrom(tf.make_tensor_proto([1, 2, 3]))
    assert load_graph(write_graph(graph_def, path)).labels == NAMES


def test_the_output_node_is_preferred_to_other_softmaxes(tmp_path):
    path = brightest_side(tmp_path / 'ours.pb')
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.GraphDef.FromString(path.read_bytes()), name='')
        tf.nn.softmax(graph.get_tensor_by_name('pool_3:0') * -1, name='later')
        path = write_graph(graph.as_graph_def(), path)
    assert load_graph(path).output == 'output_node:0'


def test_a_graph_without_a_usable_output_is_refused(tmp_path):
    def made(output):
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_of_2015(), name='')
            output(graph.get_tensor_by_name('pool_3:0'))
            graph_def = graph.as_graph_def()
        kept = [node for node in graph_def.node if node.name != 'softmax']
        del graph_def.node[:]
        graph_def.node.extend(kept)
        return write_graph(with_facts(graph_def, NAMES, {}), tmp_path / 'g.pb')

    with pytest.raises(UserError, match=r'gives no probabilities: .* nor a Softmax; train a head'):
        load_graph(made(lambda t: t))
    with pytest.raises(UserError, match=r'output_node:0 is \(\?,\), not \[N, classes\]'):
        load_graph(made(lambda t: tf.reduce_mean(t, [1, 2, 3], name='output_node')))
    with pytest.raises(UserError, match=r'output_node:0 is \(1, 6\), not \[N, classes\]'):
        load_graph(made(lambda t: tf.reduce_mean(t, [0, 1], name='output_node')))


def test_a_classifier_that_begins_with_pixels_is_refused(tmp_path):
    path = write_graph(with_facts(graph_of_pixels(), NAMES, {}), tmp_path / 'pixels.pb')
    with pytest.raises(UserError, match='no decoded and resized image leads to softmax:0'):
        load_graph(path)


def test_missing_and_damaged_files(ours):
    with pytest.raises(UserError, match=r'cannot read .*gone\.pb: No such file'):
        load_model(ours.with_name('gone.pb'))
    ours.write_bytes(ours.read_bytes()[:-9])
    with pytest.raises(UserError, match='is not a TensorFlow GraphDef'):
        load_model(ours)
