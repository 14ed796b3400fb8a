"""Cats and dogs from records to a frozen file: models with one sigmoid unit, and augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from src.analysis import training_perf_analysis
from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import dogs_vs_cats_to_tfrecords
from src.engine import checkpoints
from src.engine.learners.head import checkpoint_layers
from src.freezing import freeze, frozen_to_saved_model, proof
from src.inference import classify, serve
from src.inference.predictor import load_model
from src.inference.versions import source_of
from src.recipes.recipe import AUGMENTATION
from src.records.dataset import open_records, pictures
from src.records.next_commands import to_train
from src.scoring.kinds import CROSS_VALIDATION
from src.training import train, train_images
from tests.data_preparation.photos import POCKET
from tests.pictures import encoded, photo

SIDE = 46
HEAD = ['--recipe', 'cats_dogs/transfer_head', '--steps', '60', '--patience', '0']


@pytest.fixture(scope='module', autouse=True)
def cats_dogs(empty_project, tmp_path_factory) -> None:
    """Records of photos in which dogs are redder than cats."""
    folder = tmp_path_factory.mktemp('photos')
    for place in range(60):
        for label, tint in (('cat', [0, 0, 90]), ('dog', [90, 0, 0])):
            pixels = photo(64, 64, seed=2 * place + (label == 'dog')) * 0.6 + tint
            data = encoded(pixels.astype(np.uint8), 'JPEG', quality=90)
            (folder / f'{label}.{place}.jpg').write_bytes(data)
    drawn = ['--train-per-class', '40', '--validation-per-class', '10', '--test-per-class', '10']
    dogs_vs_cats_to_tfrecords.main(['--data', str(folder), *drawn, *POCKET, '--precision', 'float32'])


def train_small(model: str, *flags: str, recipe: str = 'cnn_small', epochs: int = 4) -> dict:
    given = ['--recipe', f'cats_dogs/{recipe}', '--model', model, '--side', str(SIDE), '--batch-size', '10']
    given += ['--epochs', str(epochs), '--precision', 'float32', *flags]
    train_images.main(given)
    return files.read_json(paths.scores(model))


def weights(model: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def check_frozen(model: str, told: dict) -> None:
    """The frozen file has two labels, and gives the two probabilities that the model was scored with."""
    path, gap, number = freeze.freeze_model(model)
    assert gap < proof.TOLERANCE and number == 32
    frozen = load_model(path)
    assert list(frozen.labels) == ['cat', 'dog']
    held = list(pictures(open_records('cats_dogs'), 'test'))
    rows = np.stack(list(frozen.from_pictures(data for _, data in held)))
    assert rows.shape == (20, 2)
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    truth = np.array(['dog' in id_ for id_, _ in held])
    scores = told['scores']['test']
    assert ((rows[:, 1] > 0.5) == truth).mean() == pytest.approx(scores['top_1'], abs=1e-6)
    log_loss = -np.log(rows[np.arange(20), truth.astype(int)]).mean()
    assert log_loss == pytest.approx(scores['log_loss'], rel=1e-3)


def test_a_network_of_one_unit_is_used_like_all_others(tmp_path, capsys):
    told = train_small('unit', '--learning-rate', '0.001', epochs=8)
    assert told['settings']['optimiser'] == 'rmsprop' and told['scores']['test']['top_1'] > 0.8
    assert weights('unit')['network/logits/W'].shape == (512, 1)
    check_frozen('unit', told)
    training_perf_analysis.main(['--name', 'cats_dogs', '--model', 'unit'])
    dog = tmp_path / 'dog.jpg'
    dog.write_bytes(next(data for id_, data in pictures(open_records('cats_dogs'), 'test') if 'dog' in id_))
    capsys.readouterr()
    assert classify.main([str(dog), '--model', 'unit']) == 0
    out = capsys.readouterr().out
    assert out.index('dog') < out.index('cat')
    (model,) = serve.parse_args(['--model', 'unit']).model
    assert source_of(model, views=1).path.samefile(paths.frozen('unit'))
    frozen_to_saved_model.main(['--name', 'cats_dogs', '--model', 'unit'])
    assert (paths.SAVED_MODELS_DIR / 'unit').is_dir()
    assert to_train('cats_dogs', 'unit').startswith(
        'python -m src.training.train_images --recipe cats_dogs/cnn_small --name cats_dogs --model unit'
    )


def test_a_head_of_one_unit_is_used_like_all_others():
    train.main([*HEAD, '--model', 'head_unit'])
    told = files.read_json(paths.scores('head_unit'))
    width = open_records('cats_dogs').width
    assert told['settings']['layers'] == [width, 256, 1] and told['recipe'] == 'cats_dogs/transfer_head'
    assert told['changed'] == {'steps': 60, 'patience': 0} and told['scores']['test']['top_1'] > 0.8
    best = checkpoints.best_checkpoint(paths.checkpoints('head_unit'))
    assert checkpoint_layers(best) == [width, 256, 1]
    check_frozen('head_unit', told)
    training_perf_analysis.main(['--name', 'cats_dogs', '--model', 'head_unit'])


def test_heads_of_one_and_of_two_units_learn_as_much():
    train.main([*HEAD, '--model', 'one', '--all-splits', '--folds', '3'])
    train.main([*HEAD, '--model', 'two', '--all-splits', '--folds', '3', '--layers', '0,256,2'])
    one, two = (files.read_json(paths.scores(model)) for model in ('one', 'two'))
    assert 'layers' in two['changed'] and 'layers' not in one['changed']
    for scores in (one['scores'], two['scores']):
        assert scores[CROSS_VALIDATION]['top_1'] > 0.8


@pytest.mark.parametrize('layers', ['0,256,3', '0,1', '7,1'])
def test_layers_are_checked_and_a_head_may_be_one_unit_alone(layers):
    flags = ['--recipe', 'cats_dogs/transfer_head', '--layers', layers, '--model', 'alone', '--steps', '2']
    if layers == '0,1':
        train.main(flags)
        assert files.read_json(paths.scores('alone'))['settings']['layers'][1:] == [1]
        return
    with pytest.raises(UserError, match=r'do not fit: the bottleneck is .* wide and there are 2 classes'):
        train.main(flags)


def test_a_stopped_run_with_augmentation_goes_on_as_if_it_had_not_been(monkeypatch):
    flags = '--with-validation', '--learning-rate', '0.01'  # so the last step is the best
    run = {'recipe': 'cnn_small_augmented', 'epochs': 4}
    train_small('whole', *flags, **run)
    feed, fed = train_images.Network.feed, []

    def stops(self, step):
        fed.append(step)
        if len(fed) == 25:  # within the third epoch
            raise KeyboardInterrupt
        return feed(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(train_images.Network, 'feed', stops)
        with pytest.raises(KeyboardInterrupt):
            train_small('halved', *flags, **run)
    train_small('halved', *flags, **run)
    wanted, got = weights('whole'), weights('halved')
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    still = [word for name in AUGMENTATION[2:] for word in (f'--{name}', '0')]  # crop and flip stay
    train_small('still', *flags, *still, **run)
    assert np.abs(weights('still')['network/conv1/W'] - wanted['network/conv1/W']).max() > 1e-3


def test_pictures_too_small_for_the_network_are_refused():
    with pytest.raises(UserError, match='at least 46 pixels a side'):
        train_small('tiny', '--side', '32')
