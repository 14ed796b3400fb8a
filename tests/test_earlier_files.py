"""Files of earlier versions can be read, resumed, frozen, classified and analyzed as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from src.analysis import training_perf_analysis
from src.analysis.runs import read_curves
from src.common import files, paths
from src.common.tf1 import tf
from src.freezing import freeze
from src.inference import classify, inference
from src.inference.predictor import load_model
from src.records import dataset
from src.records.manifest import UNIFORM
from src.training import train

EARLIER = Path(__file__).parent / 'data' / 'earlier'
EXPECTED = json.loads((EARLIER / 'expected.json').read_text(encoding='utf-8'))
HEAD = ['--name', 'earlier', '--model', 'earlier_head']
NETWORK = ['--name', 'earlier', '--model', 'earlier_network']
SETTINGS = ['--layers', '48,24,8', '--steps', '400', '--learning-rate', '0.01', '--patience', '0']
MODELS = ('earlier_head', 'earlier_network')


@pytest.fixture(autouse=True)
def project():
    """A new copy of the earlier files in the project's folders."""
    for folder in ('data', 'checkpoints', 'frozen', 'metrics'):
        shutil.copytree(EARLIER / folder, paths.ROOT / folder, dirs_exist_ok=True)
    yield
    shutil.rmtree(paths.records('earlier'))
    paths.frozen('earlier_backbone').unlink()
    for model in MODELS:
        for folder in (paths.checkpoints(model), paths.summaries(model), paths.analysis(model)):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (paths.frozen(model), paths.scores(model)):
            file.unlink(missing_ok=True)


def test_pictures() -> list[tuple[str, bytes]]:
    return list(dataset.pictures(dataset.open_records('earlier'), 'test'))


test_pictures.__test__ = False


def assert_answers_as_before(model: str) -> None:
    pictures = test_pictures()
    answers = list(load_model(paths.frozen(model)).from_pictures([data for _, data in pictures]))
    expected = [EXPECTED[model]['answers'][id_] for id_, _ in pictures]
    np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_records_are_read():
    records = dataset.open_records('earlier')
    assert records.counts == {'train': 61, 'validation': 11, 'test': 8}
    assert [shard.name for shard in records.shards('train')] == [
        'train-00000-of-00002.tfrecord',
        'train-00001-of-00002.tfrecord',
    ]
    examples = dataset.load(records, 'train', 'validation', 'test')
    assert examples.values.shape == (80, 48)
    assert set(examples.labels) == set(range(8))


@pytest.mark.parametrize('model', MODELS)
def test_frozen_files_answer_as_before(model):
    assert_answers_as_before(model)


def test_classify_takes_an_earlier_frozen_file(tmp_path, capsys):
    id_, data = test_pictures()[0]
    (tmp_path / 'dog.jpg').write_bytes(data)
    model = str(paths.frozen('earlier_head'))
    assert not classify.main(['file', str(tmp_path / 'dog.jpg'), '--model', model, '--json', '--top', '8'])
    (answer,) = json.loads(capsys.readouterr().out)
    expected = sorted(EXPECTED['earlier_head']['answers'][id_], reverse=True)
    np.testing.assert_allclose([c['probability'] for c in answer['classes']], expected, atol=1e-4)


def test_a_stopped_head_training_resumes_with_the_scores_of_an_uninterrupted_one():
    train.main([*HEAD, *SETTINGS])
    scores = json.loads(paths.scores('earlier_head').read_text(encoding='utf-8'))
    assert scores['steps'] == 400
    assert read_curves(paths.summaries('earlier_head'))['cost'].steps.min() > 200
    for split, expected in EXPECTED['earlier_head']['scores'].items():
        found = scores['scores'][split]['log_loss_uncalibrated']
        assert found == pytest.approx(expected['log_loss'], abs=1e-4)
    last = tf.train.load_checkpoint(str(paths.checkpoints('earlier_head') / 'last-400'))
    np.testing.assert_allclose(last.get_tensor('head/b2'), EXPECTED['earlier_head']['last_b2'], atol=1e-3)


@pytest.mark.parametrize('outcome', ['given even odds', UNIFORM], ids=['earlier', 'now'])
def test_photos_that_could_not_be_read_are_in_the_submission(outcome, tmp_path):
    remark = {'file': 'data/kaggle/test/broken.jpg', 'outcome': outcome, 'reason': 'empty file'}
    path = paths.manifest('earlier')
    files.write_json(path, files.read_json(path) | {'remarks': [remark]})
    out = tmp_path / 'submission.csv'
    inference.main(['--name', 'earlier', '--model', 'earlier_head', '--out', str(out)])
    assert out.read_text(encoding='utf-8').splitlines()[1:] == ['broken' + ',0.125' * 8]


@pytest.mark.parametrize('model', MODELS)
def test_checkpoints_freeze_to_the_same_answers(model):
    paths.frozen(model).unlink()
    freeze.main(['--name', 'earlier', '--model', model])
    assert_answers_as_before(model)


@pytest.mark.parametrize('flags', [HEAD, NETWORK], ids=MODELS)
def test_earlier_models_are_analyzed(flags):
    training_perf_analysis.main(flags)
    lines = (paths.analysis(flags[-1]) / 'training_confusion.csv').read_text(encoding='utf-8').splitlines()
    assert len(lines) == 1 + 8
