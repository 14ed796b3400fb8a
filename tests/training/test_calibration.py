"""Training ends with a temperature that is fitted on photos the model did not learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common import files, paths
from src.common.tf1 import tf
from src.engine import checkpoints, learner
from src.engine.learners.head import Head
from src.engine.sources import InMemory
from src.recipes.recipe import HeadRecipe
from src.records.dataset import load, open_records
from src.scoring.calibration import apply_temperature, fit_temperature
from src.scoring.scores import score
from src.training import train

FLAGS = ['--layers', '16,8,4', '--learning-rate', '0.01', '--steps', '100']


def run(model: str, *flags: str) -> dict:
    train.main(['--name', 'clusters', '--model', model, *FLAGS, *flags])
    return files.read_json(paths.scores(model))


def predictions(model: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Uncalibrated probabilities of a trained model for a split, and its labels."""
    held = load(open_records('clusters'), split)
    with tf.Graph().as_default(), tf.Session() as session:
        head = Head(HeadRecipe(layers=[16, 8, 4]), InMemory({'train': held}, 8, 1), 4)
        saver = tf.train.Saver(tf.trainable_variables())
        checkpoints.restore(session, saver, checkpoints.best_checkpoint(paths.checkpoints(model)))
        return head.predict(session, held), held.labels


def test_the_temperature_is_fitted_on_validation_photos_and_stored_beside_the_weights(clusters, capsys):
    told = run('one')
    out = capsys.readouterr().out
    before, labels = predictions('one', 'validation')
    temperature = fit_temperature(before, labels)
    best = checkpoints.best_checkpoint(paths.checkpoints('one'))
    found = checkpoints.calibration_of(best)
    assert found.temperature == pytest.approx(temperature, rel=1e-3)
    assert (found.fitted_on, found.examples) == ('validation', 40)
    assert told['calibration'] == found.facts
    assert f'calibrated: temperature {temperature:.2f}, fitted on 40 validation photos' in out
    before, labels = predictions('one', 'test')
    test = told['scores']['test']
    after = score(apply_temperature(before, temperature), labels)
    assert test['log_loss'] == pytest.approx(after['log_loss'], abs=1e-4)
    assert test['log_loss_uncalibrated'] == pytest.approx(score(before, labels)['log_loss'], abs=1e-5)
    assert f'test log loss {test["log_loss_uncalibrated"]:.3f}, ECE' in out


def test_resuming_and_moving_keep_it_and_a_new_training_makes_its_own(clusters):
    told = run('two')
    assert run('two') == told | {'seconds': pytest.approx(told['seconds'])}
    folder = paths.checkpoints('two')
    folder.rename(paths.checkpoints('moved'))
    moved = checkpoints.calibration_of(checkpoints.best_checkpoint(paths.checkpoints('moved')))
    assert moved.facts == told['calibration']
    paths.checkpoints('moved').rename(folder)
    again = run('two', '--fresh', '--seed', '3')
    assert again['calibration'] != told['calibration']
    stored = list(folder.glob('*.calibration.json'))
    assert stored == [Path(f'{checkpoints.best_checkpoint(folder)}.calibration.json')]


def test_a_model_of_all_photos_gets_the_temperature_of_the_out_of_fold_predictions(clusters):
    told = run('all', '--all-splits', '--folds', '3')
    assert told['calibration']['fitted_on'] == 'cross-validation'
    assert told['calibration']['examples'] == 320
    estimate = told['scores']['cross-validation']
    assert told['calibration'] == estimate['calibration']
    assert estimate['log_loss_uncalibrated'] == pytest.approx(told['calibration']['log_loss_before'])
    assert estimate['log_loss'] >= told['calibration']['log_loss_after']
    found = checkpoints.calibration_of(checkpoints.best_checkpoint(paths.checkpoints('all')))
    assert found.facts == told['calibration']


def test_without_photos_to_fit_it_on_the_temperature_is_1(clusters, capsys):
    told = run('none', '--all-splits', '--folds', '0')
    assert told['calibration']['temperature'] == 1 and told['calibration']['fitted_on'] == ''
    assert 'log_loss_uncalibrated' not in told['scores']['train']
    assert 'not calibrated (temperature 1)' in capsys.readouterr().out


def test_of_many_validation_photos_the_first_are_fitted_on_and_all_are_scored(clusters, monkeypatch):
    monkeypatch.setattr(learner, 'MOST_FITTED', 10 * 4)
    records = open_records('clusters')
    parts = {split: load(records, split) for split in ('train', 'validation')}
    monkeypatch.setattr('src.engine.sources.CHUNK', 10)
    with tf.Graph().as_default(), tf.Session() as session:
        head = Head(HeadRecipe(layers=[16, 8, 4]), InMemory(parts, 8, 1), 4)
        head.initialize(session)
        calibration, scores = head.outcome(session)
        first = head.predict(session, parts['validation'][:10])
    assert calibration.examples == 10
    assert calibration.temperature == pytest.approx(
        fit_temperature(first, parts['validation'].labels[:10]), rel=1e-3
    )
    assert scores['validation']['examples'] == 40
