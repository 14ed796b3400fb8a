"""Freezing: what the file carries, what the proof finds, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.engine import checkpoints
from src.engine.learners.head import Head, HeadGraph
from src.engine.run_files import read_model
from src.freezing import freeze, frozen_to_saved_model, proof
from src.freezing.join import join
from src.freezing.proof import pictures_of, prove
from src.graph.backbones import load_backbone
from src.graph.graph_io import nodes_by_name, read_graph, write_graph
from src.graph.model_info import read_info, read_labels
from src.graph.rewrites import folding
from src.inference.predictor import load_model
from src.records.dataset import load, open_records, pictures
from src.scoring.calibrated import UNCALIBRATED, Calibration
from src.scoring.calibration import apply_temperature
from src.training import train
from tests.graph.graphs import DEPTH, SIDE, answer, bottleneck_of, graph_in_nchw, graph_of_2015
from tests.pictures import encoded, photo, with_orientation

CLASSES = ['bär', 'zebra']


def write_photos(folder, first=0, **options):
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for n in range(first, first + 10):
            picture = photo(SIDE, SIDE, seed=n) // (1 + place)
            (folder / name / f'{n}.png').write_bytes(encoded(picture, 'PNG', **options))
    return folder


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """The model `small`, trained on a backbone of 2015's kind."""
    folder = tmp_path_factory.mktemp('small')
    backbone = write_graph(graph_of_2015(), folder / 'backbone.pb')
    photos = write_photos(folder / 'photos')
    image_folder_to_tfrecords.main([str(photos), '--name', 'small', '--backbone', str(backbone)])
    train.main(
        [
            '--name',
            'small',
            '--layers',
            f'{DEPTH},4,2',
            '--steps',
            '60',
            '--learning-rate',
            '0.01',
            '--mixup',
            '0',
        ]
    )
    return folder


@pytest.fixture(autouse=True)
def as_it_was(small):
    """Each test finds the model as it was trained, whatever the one before it damaged."""
    kept = [paths.checkpoints('small'), paths.records('small'), small]
    for folder in kept:
        shutil.copytree(folder, f'{folder}.kept')
    yield
    for folder in kept:
        shutil.rmtree(folder)
        shutil.move(f'{folder}.kept', folder)
    paths.frozen('small').unlink(missing_ok=True)


def checkpoint():
    return checkpoints.best_checkpoint(paths.checkpoints('small'))


def head_of(checkpoint):
    reader = tf.train.load_checkpoint(checkpoint)
    return [reader.get_tensor(f'head/{name}') for name in ('W1', 'b1', 'W2', 'b2')]


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def test_the_file_answers_as_backbone_and_head_in_numpy(capsys):
    freeze.main(['--name', 'small'])
    assert 'checked on 20 pictures: same probabilities as backbone and head in' in capsys.readouterr().out
    w1, b1, w2, b2 = head_of(checkpoint())
    pictures = [photo(SIDE, SIDE, seed=n) for n in (3, 30, 31)]
    bottlenecks = bottleneck_of(np.stack(pictures).astype(float))
    temperature = checkpoints.calibration_of(checkpoint()).temperature
    wanted = softmax((np.maximum(bottlenecks @ w1 + b1, 0) @ w2 + b2) / temperature)
    got = np.stack(list(load_model(paths.frozen('small')).from_pictures(encoded(p, 'PNG') for p in pictures)))
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert wanted.std(0).min() > 1e-3


def frozen_answers():
    freeze.main(['--name', 'small'])
    pictures = [encoded(photo(SIDE, SIDE, seed=n), 'PNG') for n in range(6)]
    return np.stack(list(load_model(paths.frozen('small')).from_pictures(pictures)))


def test_the_temperature_is_in_the_file():
    checkpoints.write_calibration(checkpoint(), UNCALIBRATED)
    before = frozen_answers()
    graph_def = read_graph(paths.frozen('small'))
    assert 'temperature' not in nodes_by_name(graph_def)
    assert read_info(graph_def)['calibration']['temperature'] == 1
    made = Calibration(2.5, 'validation', 40, 0.7, 0.5)
    checkpoints.write_calibration(checkpoint(), made)
    after = frozen_answers()
    np.testing.assert_allclose(after, apply_temperature(before, 2.5), atol=1e-6)
    assert np.abs(after - before).max() > 0.01
    graph_def = read_graph(paths.frozen('small'))
    assert tf.make_ndarray(nodes_by_name(graph_def)['temperature'].attr['value'].tensor) == np.float32(2.5)
    assert read_info(graph_def)['calibration'] == made.facts
    held = load(open_records('small'), 'train')
    model = load_model(paths.frozen('small'))
    from_pictures = np.stack(
        list(model.from_pictures(p for _, p in pictures(open_records('small'), 'train')))
    )
    # The stored bottlenecks may be those of bfloat16.
    np.testing.assert_allclose(model.from_bottlenecks(held.values), from_pictures, atol=1e-3)


def test_a_checkpoint_of_an_earlier_version_has_no_temperature():
    Path(f'{checkpoint()}.calibration.json').unlink()
    w1, b1, w2, b2 = head_of(checkpoint())
    bottlenecks = bottleneck_of(np.stack([photo(SIDE, SIDE, seed=n) for n in range(6)]).astype(float))
    wanted = softmax(np.maximum(bottlenecks @ w1 + b1, 0) @ w2 + b2)
    np.testing.assert_allclose(frozen_answers(), wanted, atol=1e-5)


def test_the_file_explains_itself(small):
    freeze.main(['--name', 'small'])
    graph_def = read_graph(paths.frozen('small'))
    assert read_labels(graph_def) == CLASSES
    info = read_info(graph_def)
    trained = read_model('small')
    assert (info['model'], info['data_set']) == ('small', 'small')
    assert info['backbone']['sha256'] == load_backbone(small / 'backbone.pb').sha256
    assert info['backbone']['input_size'] == [SIDE, SIDE]
    assert info['counts'] == trained['counts'] and sum(info['counts'].values()) == 20
    assert info['settings']['layers'] == [DEPTH, 4, 2]
    assert info['scores'].keys() == info['counts'].keys()
    assert info['versions']['tensorflow'] == tf.version.VERSION
    assert str(small) not in str(info)  # nobody's folders travel with the file
    assert not any(node.op.startswith('Variable') for node in graph_def.node)


def test_one_encoded_image_goes_in_as_in_2015():
    freeze.main(['--name', 'small'])
    probabilities = answer(
        read_graph(paths.frozen('small')),
        'output_node:0',
        {'DecodeJpeg/contents:0': encoded(photo(50, 40), 'JPEG')},
    )
    assert probabilities.shape == (1, 2)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_the_same_model_gives_the_same_bytes():
    freeze.main(['--name', 'small'])
    first = paths.frozen('small').read_bytes()
    freeze.main(['--name', 'small'])
    assert paths.frozen('small').read_bytes() == first


def altered(graph_def, name):
    """The graph with one constant a little larger."""
    node = nodes_by_name(graph_def)[name]
    values = tf.make_ndarray(node.attr['value'].tensor) + np.float32(0.05)
    node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(values))
    return graph_def


def test_a_rewrite_that_changes_answers_is_refused(monkeypatch):
    faithful = folding._scaled_weights
    monkeypatch.setattr(folding, '_scaled_weights', lambda *given: 1.5 * faithful(*given))
    with pytest.raises(UserError, match='does not give the probabilities of'):
        freeze.main(['--name', 'small'])
    assert not paths.frozen('small').exists()


@pytest.mark.parametrize('name', ['head/W1', 'head/b2', 'conv/batchnorm/folded_bias'])
def test_the_proof_finds_what_was_altered(tmp_path, name):
    freeze.main(['--name', 'small'])
    graph_def = altered(read_graph(paths.frozen('small')), name)
    if name == 'head/b2':  # the same for all classes would change nothing
        values = tf.make_tensor_proto(np.array([0.5, -0.5], np.float32))
        nodes_by_name(graph_def)[name].attr['value'].tensor.CopyFrom(values)
    path = write_graph(graph_def, tmp_path / 'altered.pb')
    model = Head.trained_graph(read_model('small'), checkpoint(), as_released=True)
    with pytest.raises(UserError, match=r'does not give the probabilities of the head: they differ by'):
        prove(path, model, pictures_of(open_records('small')), 2, 'the head')


def test_a_file_that_fails_the_proof_is_not_kept(monkeypatch):
    freeze.main(['--name', 'small'])
    before = paths.frozen('small').read_bytes()
    right = freeze.join
    monkeypatch.setattr(freeze, 'join', lambda *given: altered(right(*given), 'head/W1'))
    with pytest.raises(UserError, match='it was not kept'):
        freeze.freeze_model('small')
    assert paths.frozen('small').read_bytes() == before
    assert not list(paths.FROZEN_MODELS_DIR.glob('.*small*'))


def test_what_a_killed_process_left_is_removed():
    left = paths.FROZEN_MODELS_DIR / '.small.pb.1.tmp'
    other = paths.FROZEN_MODELS_DIR / '.small.pbtxt.1.tmp'
    for path in (left, other):
        path.write_bytes(b'half a model')
    freeze.main(['--name', 'small'])
    assert not left.exists() and other.exists()
    other.unlink()


def test_a_head_of_other_sizes_is_refused(small):
    with pytest.raises(UserError, match=r'head of layers 6-4-2, but .*pocket\.pb is 512 wide.*--fresh'):
        join(HeadGraph(load_backbone(paths.POCKET_GRAPH_DEF), checkpoint()), CLASSES, {})
    with pytest.raises(UserError, match='there are 3 classes: train anew'):
        join(HeadGraph(load_backbone(small / 'backbone.pb'), checkpoint()), [*CLASSES, 'cat'], {})


@pytest.mark.parametrize('part', ['index', 'data-00000-of-00001'])
@pytest.mark.parametrize('damage', ['cut', 'garbage'])
def test_a_damaged_checkpoint_is_refused(part, damage):
    path = Path(f'{checkpoint()}.{part}')
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == 'cut' else b'x' * len(data))
    with pytest.raises(UserError, match=r'best-\d+ .*damaged.*--fresh'):
        freeze.freeze_model('small')
    assert not paths.frozen('small').exists()


def test_a_checkpoint_without_a_head_is_refused(tmp_path, small):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('other', [2])
        session.run(tf.global_variables_initializer())
        other = tf.train.Saver().save(session, str(tmp_path / 'other'))
    with pytest.raises(UserError, match='other holds no head'):
        join(HeadGraph(load_backbone(small / 'backbone.pb'), other), CLASSES, {})


def test_the_last_checkpoint_will_do_when_there_is_no_best_yet():
    for path in paths.checkpoints('small').glob('best*'):
        path.unlink()
    assert 'last' in checkpoint()  # with the optimiser's variables beside the head's
    _, gap, _ = freeze.freeze_model('small')
    assert gap < proof.TOLERANCE


@pytest.mark.parametrize('content', [graph_of_2015(False).SerializeToString(), b'no graph any more'])
def test_a_changed_backbone_is_refused(small, content):
    (small / 'backbone.pb').write_bytes(content)
    with pytest.raises(UserError, match=r'backbone\.pb has changed since the bottlenecks were computed'):
        freeze.freeze_model('small')


def test_a_backbone_that_has_gone_is_told(small):
    (small / 'backbone.pb').unlink()
    with pytest.raises(UserError, match=r'there is no backbone .*backbone\.pb'):
        freeze.freeze_model('small')


def test_records_converted_anew_are_refused(small, tmp_path):
    photos = write_photos(tmp_path / 'others', first=50)
    image_folder_to_tfrecords.main(
        [str(photos), '--name', 'small', '--backbone', str(small / 'backbone.pb'), '--overwrite']
    )
    with pytest.raises(UserError, match=r'was converted anew since small was trained: .*--fresh'):
        freeze.freeze_model('small')


def test_an_untrained_model_is_told():
    with pytest.raises(UserError, match='no trained model nobody'):
        freeze.main(['--name', 'small', '--model', 'nobody'])


def test_pictures_that_only_pillow_reads_prove_the_model_too(small, tmp_path):
    folder = tmp_path / 'turned'
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for n in range(8):
            turned = with_orientation(encoded(photo(30, 20, seed=n) // (1 + place), 'JPEG'), 6)
            (folder / name / f'{n}.jpg').write_bytes(turned)
    backbone = str(small / 'backbone.pb')
    image_folder_to_tfrecords.main([str(folder), '--name', 'turned', '--backbone', backbone])
    train.main(['--name', 'turned', '--layers', f'{DEPTH},2', '--steps', '20'])
    path, gap, number = freeze.freeze_model('turned')
    assert number == 16
    assert gap < proof.TOLERANCE
    assert path.exists()


def test_a_frozen_model_may_be_the_next_backbone(small):
    """Its hidden layer as bottleneck: two heads, one on the other, in one file."""
    freeze.main(['--name', 'small'])
    flags = ['--backbone', str(paths.frozen('small')), '--bottleneck', 'head/Relu']
    image_folder_to_tfrecords.main([str(small / 'photos'), '--name', 'second', *flags])
    train.main(['--name', 'second', '--layers', '4,2', '--steps', '20'])
    _, gap, number = freeze.freeze_model('second')
    assert (number, gap < proof.TOLERANCE) == (20, True)


@pytest.mark.parametrize('name', ['conv', 'pool_3'])
def test_a_map_in_nchw_is_cut_and_answers_from_stored_bottlenecks(small, tmp_path, name):
    backbone = write_graph(graph_in_nchw(), tmp_path / 'nchw.pb')
    flags = ['--backbone', str(backbone), '--bottleneck', name, '--pixel-range=0,255']
    image_folder_to_tfrecords.main([str(small / 'photos'), '--name', f'nchw_{name}', *flags])
    train.main(['--name', f'nchw_{name}', '--layers', f'{DEPTH},2', '--steps', '20'])
    path, gap, _ = freeze.freeze_model(f'nchw_{name}')
    assert gap < proof.TOLERANCE
    records = open_records(f'nchw_{name}')
    model = load_model(path)
    answers = np.stack(list(model.from_pictures(data for _, data in pictures(records, 'train'))))
    held = load(records, 'train')
    np.testing.assert_allclose(model.from_bottlenecks(held.values), answers, atol=1e-4)


def test_neither_the_file_nor_the_saved_model_names_a_device(small, tmp_path):
    graph_def = graph_of_2015()
    for node in graph_def.node:
        node.device = '/device:GPU:0'
    backbone = write_graph(graph_def, tmp_path / 'gpu.pb')
    image_folder_to_tfrecords.main([str(small / 'photos'), '--name', 'gpu', '--backbone', str(backbone)])
    train.main(['--name', 'gpu', '--layers', f'{DEPTH},2', '--steps', '20'])
    path, _, _ = freeze.freeze_model('gpu')
    assert b'device:GPU' not in path.read_bytes()
    served = frozen_to_saved_model.export(path, tmp_path / 'served')
    assert b'device:GPU' not in (served / 'saved_model.pb').read_bytes()


def test_the_file_says_what_it_learned_from_and_carries_the_scores_of_its_own_checkpoint():
    freeze.main(['--name', 'small'])
    info = read_info(read_graph(paths.frozen('small')))
    told = files.read_json(paths.scores('small'))
    assert info['learned_from'] == ['train'] and info['records'] == told['records']
    assert info['scores'] == told['scores']
    # As if the training were at another step than the one whose scores were written down.
    files.write_json(paths.scores('small'), told | {'best_step': told['best_step'] + 1})
    freeze.main(['--name', 'small'])
    assert read_info(read_graph(paths.frozen('small')))['scores'] == {}
    files.write_json(paths.scores('small'), told)


def test_training_anew_forgets_the_scores_of_the_model_before(monkeypatch):
    class Stop(Exception):
        pass

    def stop(self, step):
        raise Stop

    assert paths.scores('small').exists()
    kept = paths.scores('small').read_bytes()
    monkeypatch.setattr(train.Head, 'feed', stop)
    with pytest.raises(Stop):
        train.main(['--name', 'small', '--layers', f'{DEPTH},4,2', '--fresh'])
    assert not paths.scores('small').exists()
    paths.scores('small').write_bytes(kept)
