"""The honest estimate of a model that learned from every photo."""

from __future__ import annotations

import numpy as np
import pytest

from src.analysis import training_perf_analysis
from src.common import consts, files, paths
from src.common.errors import UserError
from src.engine.learners import linear
from src.engine.linear.plan import folds_of
from src.engine.run_files import read_model
from src.recipes.recipe import HeadRecipe
from src.records.dataset import load, open_records
from src.training import train
from src.training.cross_validation import cross_validate
from tests.clusters import COUNTS

FLAGS = ['--layers', '16,8,4', '--learning-rate', '0.01', '--steps', '100', '--all-splits']


def run(model: str, *flags: str) -> dict:
    train.main(['--name', 'clusters', '--model', model, *FLAGS, *flags])
    return files.read_json(paths.scores(model))


def test_folds_are_stratified_even_and_drawn_with_the_seed():
    labels = np.random.default_rng(1).choice(7, 503, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.04, 0.01])
    folds = folds_of(labels, 5, seed=3)
    sizes = np.bincount(folds)
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= 1
    for label in range(7):
        held = np.bincount(folds[labels == label], minlength=5)
        assert held.max() - held.min() <= 1, label
    np.testing.assert_array_equal(folds, folds_of(labels, 5, seed=3))
    assert (folds != folds_of(labels, 5, seed=4)).any()


def test_each_example_is_scored_once_by_a_head_that_did_not_learn_from_it(clusters, monkeypatch):
    examples = load(open_records(clusters), *COUNTS)
    learned, asked = [], []
    real = linear.SOLVED_BY['adam']

    class Watched(real):
        def __init__(self, recipe, source, classes):
            super().__init__(recipe, source, classes)
            self.seen = set(source.first('train', 1000).ids)
            learned.append(self.seen)

        def predict(self, session, some):
            if not set(some.ids) <= self.seen:
                asked.append((self.seen, some.ids))
            return super().predict(session, some)

    monkeypatch.setitem(linear.SOLVED_BY, 'adam', Watched)
    told = cross_validate(examples, HeadRecipe(layers=[16, 4], steps=10), 4)
    assert sorted(id_ for _, ids in asked for id_ in ids) == sorted(examples.ids)
    assert len(learned) == 4 and not any(seen & set(ids) for seen, ids in asked)
    assert told['examples'] == 320 and told['folds'] == len(told['top_1_of_folds']) == 4
    weights = [len(ids) for _, ids in asked]
    assert told['top_1'] == pytest.approx(np.average(told['top_1_of_folds'], weights=weights))


def test_a_model_of_all_photos_gets_an_honest_estimate(clusters, capsys):
    told = run('ships', '--folds', '5')
    estimate = told['scores']['cross-validation']
    assert told['scores'].keys() == {'train', 'cross-validation'}
    assert estimate['examples'] == told['scores']['train']['examples'] == 320
    honest = run_with_test('honest')
    assert estimate['top_1'] == pytest.approx(honest, abs=0.12)
    out = capsys.readouterr().out
    assert 'fold 5 of 5: top-1' in out and 'training score' in out
    assert 'training scores only' not in out
    assert told['learned_from'] == read_model('ships')['learned_from'] == list(COUNTS)


def run_with_test(model: str) -> float:
    train.main(['--name', 'clusters', '--model', model, *FLAGS[:-1]])
    assert read_model(model)['learned_from'] == ['train']
    return files.read_json(paths.scores(model))['scores']['test']['top_1']


def test_the_estimate_is_kept_and_repeated_only_for_other_folds(clusters, monkeypatch):
    first = run('kept', '--folds', '2')['scores']['cross-validation']
    with monkeypatch.context() as patched:
        patched.delattr(train, 'cross_validate')
        assert run('kept', '--folds', '2')['scores']['cross-validation'] == first
        assert run('kept')['scores']['cross-validation'] == first
    assert run('kept', '--folds', '3')['scores']['cross-validation']['folds'] == 3
    assert 'cross-validation' not in run('kept', '--folds', '0')['scores']


def test_five_folds_are_the_default_for_a_model_of_all_photos(clusters, monkeypatch, capsys):
    told = run('usual')
    assert told['scores']['cross-validation']['folds'] == 5
    assert told['calibration'] == told['scores']['cross-validation']['calibration']
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    assert 'cross-validation' not in run('streamed')['scores']
    assert 'not calibrated (temperature 1)' in capsys.readouterr().out


def test_without_folds_it_says_how_to_get_an_estimate(clusters, capsys):
    run('unscored', '--folds', '0')
    out = capsys.readouterr().out
    assert 'these are training scores' in out and '--all-splits --folds 5' in out


def test_folds_that_do_not_apply_are_refused(clusters, monkeypatch):
    with pytest.raises(UserError, match='--folds needs --all-splits'):
        train.main(['--name', 'clusters', '--model', 'refused', *FLAGS[:-1], '--folds', '5'])
    with pytest.raises(UserError, match='320 photos cannot be cut into 321 folds'):
        run('refused', '--folds', '321', '--fresh')
    with pytest.raises(UserError, match='at least 2 folds'):
        run('refused', '--folds', '1', '--fresh')
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    with pytest.raises(UserError, match='use --folds 0'):
        run('refused', '--folds', '5', '--fresh')


def test_analysis_exists_for_the_command_named(clusters):
    with pytest.raises(UserError, match=r'src\.freezing\.freeze --name clusters --model ships'):
        training_perf_analysis.main(['--name', 'clusters', '--model', 'ships'])
