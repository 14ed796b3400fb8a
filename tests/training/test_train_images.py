"""Training from pixels as the command does it: from records to a frozen file, on pictures drawn here."""

from __future__ import annotations

import re

import numpy as np
import pytest

from src.analysis import compare_runs, layer_table, training_curves, training_perf_analysis
from src.analysis.runs import read_run
from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import cifar10_to_tfrecords
from src.engine import checkpoints, loop
from src.freezing import freeze, proof
from src.graph.graph_io import read_graph
from src.inference.predictor import load_model
from src.records.dataset import open_records, pictures
from src.training import train, train_images
from tests.data_preparation.cifar import CLASSES, write_cifar

TRAINING_OPS = ('Momentum', 'Adam', 'Assign', 'Grad', 'Random', 'Variable')


@pytest.fixture(scope='module')
def coloured(tmp_path_factory) -> str:
    """The name of a data set like CIFAR-10, whose classes differ in colour."""
    folder = write_cifar(tmp_path_factory.mktemp('official'), train=400, test=100)
    cifar10_to_tfrecords.main(['--data', str(folder), '--name', 'coloured'])
    return 'coloured'


@pytest.fixture(scope='module')
def few(tmp_path_factory) -> str:
    """The same with fewer pictures, for the networks that take long."""
    folder = write_cifar(tmp_path_factory.mktemp('official'), train=110, test=50)
    cifar10_to_tfrecords.main(['--data', str(folder), '--name', 'few'])
    return 'few'


def run(model: str, *flags: str, recipe: str = 'cnn_simple', epochs: float = 4) -> dict:
    given = [
        '--recipe',
        f'cifar10/{recipe}',
        '--name',
        'coloured',
        '--model',
        model,
        '--precision',
        'float32',
    ]
    train_images.main([*given, '--batch-size', '40', '--epochs', str(epochs), *flags])
    return files.read_json(paths.scores(model))


def weights(model: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize('recipe', ['logistic_regression', 'mlp', 'cnn_simple', 'cnn_deep', 'cnn_best'])
def test_every_network_trains_freezes_and_answers_as_it_was_scored(few, recipe, capsys):
    told = run(f'all_{recipe}', '--name', few, recipe=recipe, epochs=2)
    assert told['recipe'] == f'cifar10/{recipe}' and told['scores']['test']['examples'] == 50
    path, gap, number = freeze.freeze_model(f'all_{recipe}')
    assert gap < proof.TOLERANCE and number == 32
    kinds = {node.op for node in read_graph(path).node}
    assert not [kind for kind in kinds if any(word in kind for word in TRAINING_OPS)]
    model = load_model(path)
    records = open_records(few)
    held = list(pictures(records, 'test'))
    truth = [id_ for id_, _ in held]
    answers = list(model.from_pictures(data for _, data in held))
    hits = [
        model.labels[answer.argmax()] == CLASSES[int(id_.split('/')[1]) % 10]
        for id_, answer in zip(truth, answers, strict=True)
    ]
    assert np.mean(hits) == pytest.approx(told['scores']['test']['top_1'], abs=1e-6)


def test_it_learns(coloured):
    told = run('learns_colours', '--learning-rate', '0.003', epochs=12)
    assert told['scores']['test']['top_1'] > 0.8  # even odds: 0.1
    assert told['scores']['validation']['examples'] > 0


def test_a_network_that_guesses_is_told(coloured, capsys):
    run('guesses', '--learning-rate', '1e-9', epochs=0.2)
    out = capsys.readouterr().out
    assert 'test top-1 of' in out and 'is at chance: on 100 pho' in out and 'train longer' in out
    assert 'training score' in out
    assert files.read_json(paths.scores('guesses'))['learned_from'] == ['train']


@pytest.mark.parametrize('optimiser, rate', [('sgd', '0.05'), ('muon', '0.05')])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(few, monkeypatch, optimiser, rate):
    flags = '--name', few, '--batch-size', '10', '--averaging', '0.9'
    flags += '--crop', '4', '--flip', '--cutout', '8'
    flags += '--optimiser', optimiser, '--learning-rate', rate
    whole, halved = f'whole_{optimiser}', f'halved_{optimiser}'
    run(whole, *flags, recipe='cnn_deep', epochs=2)
    feed, fed = train_images.Network.feed, []

    def stops(self, step):
        fed.append(step)
        if len(fed) == 12:  # in the second epoch
            raise KeyboardInterrupt
        return feed(self, step)

    monkeypatch.setattr(train_images.Network, 'feed', stops)
    with pytest.raises(KeyboardInterrupt):
        run(halved, *flags, recipe='cnn_deep', epochs=2)
    monkeypatch.setattr(train_images.Network, 'feed', feed)
    run(halved, *flags, recipe='cnn_deep', epochs=2)
    wanted, got = weights(whole), weights(halved)
    assert wanted.keys() == got.keys() and 'network/norm1/mean' in wanted
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    for model in (whole, halved):  # what TensorBoard shows of the inputs stands there once
        assert len(list(paths.summaries(model).glob('*.inputs'))) == 1


def test_pictures_too_many_for_memory_teach_as_much(coloured, monkeypatch):
    flags = '--learning-rate', '0.003'
    held = run('held_pixels', *flags, epochs=6)['scores']
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    streamed = run('streamed_pixels', *flags, epochs=6)['scores']
    for split, scores in held.items():
        assert streamed[split]['examples'] == scores['examples']
        assert streamed[split]['top_1'] == pytest.approx(scores['top_1'], abs=0.2)


def test_with_validation_pictures_are_learned_from(coloured):
    without, with_them = run('without', epochs=2), run('with', '--with-validation', epochs=2)
    assert with_them['steps'] > without['steps']
    assert 'validation' not in with_them['scores'] and 'validation' in without['scores']
    assert with_them['scores']['test']['examples'] == 100
    assert with_them['learned_from'] == ['train', 'validation'] and without['learned_from'] == ['train']
    assert with_them['changed'] | {'with_validation': True} == with_them['changed']


def test_averaged_weights_are_those_that_are_kept(coloured):
    run('averaged', '--averaging', '0.99', epochs=2)
    run('latest', epochs=2)
    averaged, latest = weights('averaged'), weights('latest')
    assert averaged.keys() == latest.keys()
    name = 'network/conv1/W'
    assert not np.allclose(averaged[name], latest[name], rtol=1e-4, atol=1e-5)


def test_a_cost_that_is_no_number_ends_with_a_line_and_keeps_the_checkpoint(coloured, monkeypatch):
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', 0)
    with pytest.raises(UserError, match=r'the cost became (nan|inf).*lower --learning-rate.*is kept'):
        run('explodes', '--optimiser', 'sgd', '--learning-rate', '1e8', '--schedule', 'constant', epochs=20)
    assert tf.train.latest_checkpoint(str(paths.checkpoints('explodes')))


def test_another_network_under_the_same_name_is_refused(coloured):
    run('taken', epochs=0.5)
    with pytest.raises(UserError, match=r'another value of --network \(cnn_simple\): add --fresh'):
        run('taken', '--network', 'mlp', epochs=0.5)
    told = files.read_json(paths.checkpoints('taken') / 'model.json')
    told['settings']['network'] = 'cnn_deep'  # a checkpoint of another network
    files.write_json(paths.checkpoints('taken') / 'model.json', told)
    with pytest.raises(UserError, match='does not fit this network'):
        freeze.freeze_model('taken')


def test_an_unknown_recipe_names_the_near_ones():
    with pytest.raises(UserError, match="unknown recipe 'cifar10/cnn_dep'; there is cifar10/cnn_deep"):
        train_images.main(['--recipe', 'cifar10/cnn_dep'])
    with pytest.raises(UserError, match=r'inception_head is a recipe for python -m src\.training\.train$'):
        train_images.main(['--recipe', 'stanford_dogs/inception_head'])
    with pytest.raises(UserError, match=r'cnn_deep is a recipe for python -m src\.training\.train_images'):
        train.main(['--recipe', 'cifar10/cnn_deep'])


def test_the_list_names_every_recipe(capsys):
    train_images.main(['--list'])
    out = capsys.readouterr().out
    assert 'cifar10/cnn_best' in out and 'inception_head' not in out


def test_a_head_is_not_trained_on_pictures_alone(coloured):
    with pytest.raises(UserError, match='holds pictures without bottlenecks'):
        train.main(['--name', coloured, '--model', 'nothing'])


def test_tensorboard_gets_scalars_inputs_and_parameters(coloured):
    run('boarded', '--crop', '4', '--flip')
    tags = set()
    for file in paths.summaries('boarded').iterdir():
        for event in tf.train.summary_iterator(str(file)):
            tags.update(value.tag for value in event.summary.value)
    scalars = {'cost', 'train_error', 'train_log_loss', 'validation_error', 'validation_log_loss'}
    assert {f'curves/{name}' for name in scalars} <= tags and 'visual/inputs/image/15' in tags
    # TensorBoard shows these groups in this order, and opens two of them.
    groups = sorted({tag.partition('/')[0] for tag in tags} - {'_hparams_', ''})
    assert groups in (['curves', 'final', 'visual', 'weights'], ['curves', 'visual', 'weights'])
    pytest.importorskip('tensorboard')
    assert '_hparams_/session_start_info' in tags and 'final/test_top_1' in tags


def test_curves_tables_and_mistakes_of_a_run(coloured, capsys, tmp_path):
    run('seen', epochs=3)
    assert '(best validation error)' in capsys.readouterr().out
    freeze.main(['--name', coloured, '--model', 'seen'])
    training_perf_analysis.main(['--name', coloured, '--model', 'seen'])
    sheets = [f for f in paths.summaries('seen').iterdir() if f.name.endswith('.worst_mistakes')]
    assert bool(sheets) == (paths.METRICS_DIR / 'seen' / 'worst_mistakes.jpg').exists()
    training_curves.main(['--name', coloured, '--model', 'seen'])
    assert (paths.METRICS_DIR / 'seen' / 'training_curves.png').stat().st_size > 10_000
    scores = files.read_json(paths.scores('seen'))['scores']['validation']
    said = re.findall(
        r'^saved model \(epoch \d\.\d\): validation (.*)$', capsys.readouterr().out, re.MULTILINE
    )
    texts = [f'{scores["top_1"]:.1%}', f'{scores["log_loss"]:.3f}']
    assert said == [f'accuracy {texts[0]}', f'log loss {texts[1]}']
    marked = [panel.saved for panel in training_curves.panels_of(read_run('seen'))]
    assert [mark[1:] for mark in marked] == [
        (scores['top_1'], texts[0]),
        (scores['log_loss'], texts[1]),
    ]
    layer_table.main([str(paths.frozen('seen'))])
    assert '42,442' in capsys.readouterr().out
    run('also_seen', '--epochs', '1', recipe='mlp')
    compare_runs.main(['--name', coloured, '--out', str(tmp_path)])
    out = capsys.readouterr().out
    assert 'also_seen' in out and 'cifar10/mlp' in out
    text = (tmp_path / 'runs.html').read_text()
    assert text.count('<tr>') >= 3 and 'polyline' in text and 'http' not in text
    header, *rows = (tmp_path / 'runs.csv').read_text().splitlines()
    assert 'learning_rate' in header and any(row.startswith('also_seen,') for row in rows)


def test_what_is_missing_is_told(coloured):
    with pytest.raises(
        UserError, match=r'run python -m src\.training\.train_images --name coloured --model nowhere'
    ):
        training_curves.main(['--name', coloured, '--model', 'nowhere'])
    with pytest.raises(UserError, match='holds no runs'):
        compare_runs.main(['--name', 'of_nothing'])
    with pytest.raises(UserError, match="unknown network 'cnn_dep'; there is cnn_deep"):
        layer_table.main(['cnn_dep'])
