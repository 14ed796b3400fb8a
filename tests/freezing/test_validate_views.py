"""`freeze --views`: scores with several views of the validation photos, kept in the frozen file."""

from __future__ import annotations

import re

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords, kaggle_images_to_tfrecords
from src.freezing import freeze
from src.freezing.validate_views import best_views
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph
from src.graph.model_info import read_info, read_labels
from src.inference import inference
from src.inference.predictor import load_model
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.records.dataset import load, open_records, pictures
from src.scoring.scores import whole_score
from src.training import train
from tests.data_preparation.photos import POCKET, put, put_classes
from tests.inference.models import brightest_side


@pytest.fixture(scope='module')
def records(tmp_path_factory):
    """Photos of two classes, four without a label; the models `twins` and, trained on all, `all_twins`."""
    folder = tmp_path_factory.mktemp('twins')
    rows = ['id,breed', *(f'{put(folder / "train" / f"{n}.jpg", n).stem},{"ab"[n % 2]}' for n in range(30))]
    (folder / 'labels.csv').write_text('\n'.join(rows))
    for n in range(4):
        put(folder / 'test' / f'{n}.jpg', 100 + n)
    kaggle_images_to_tfrecords.main(['--data', str(folder), '--name', 'twins', *POCKET])
    for model, flags in (('twins', []), ('all_twins', ['--all-splits'])):
        train.main(['--name', 'twins', '--model', model, '--steps', '10', *flags])
    return folder


def score_by_hand(views: int) -> dict[str, float]:
    model = TensorFlowPredictor(load_graph(paths.frozen('twins')), views=views)
    records = open_records('twins')
    answers = list(model.from_pictures(data for _, data in pictures(records, 'validation')))
    return whole_score([(np.stack(answers), load(records, 'validation').labels)])


def test_the_scores_are_printed_and_kept(records, capsys):
    freeze.main(['--name', 'twins'])
    plain = paths.frozen('twins').read_bytes()
    freeze.main(['--name', 'twins', '--views', '2', '--views', '6'])
    lines = capsys.readouterr().out.splitlines()
    graph_def = read_graph(paths.frozen('twins'))
    info = read_info(graph_def)
    assert read_labels(graph_def) == ['a', 'b']
    assert list(info['validated_views']) == ['1', '2', '6']
    for views in (1, 2, 6):
        found = info['validated_views'][str(views)]
        assert found == pytest.approx(score_by_hand(views), abs=1e-6)
        (line,) = (line for line in lines if re.match(rf'{views} views? +\d', line))
        assert {f'{found["examples"]}', f'{found["top_1"]:.1%}', f'{found["log_loss"]:.3f}'} <= {
            *line.split()
        }
    assert len({info['validated_views'][views]['log_loss'] for views in info['validated_views']}) == 3
    best = min(info['validated_views'], key=lambda views: info['validated_views'][views]['log_loss'])
    assert lines[-1].endswith('--model twins' + ('' if best == '1' else f' --views {best}'))
    freeze.main(['--name', 'twins'])
    assert paths.frozen('twins').read_bytes() == plain  # nothing else changed


def test_inference_from_records_goes_through_the_pictures(records, tmp_path):
    freeze.main(['--name', 'twins', '--views', '2'])
    out = {source: tmp_path / f'{source}.csv' for source in ('records', 'folder', 'one')}
    flags = ['--name', 'twins', '--views', '2']
    inference.main([*flags, '--out', str(out['records'])])
    inference.main([str(records / 'test'), *flags, '--out', str(out['folder'])])
    inference.main(['--name', 'twins', '--out', str(out['one'])])
    values = {source: np.loadtxt(path, delimiter=',', skiprows=1) for source, path in out.items()}
    np.testing.assert_allclose(values['records'], values['folder'], atol=1e-6)
    assert np.abs(values['records'] - values['one']).max() > 1e-4


def test_photos_that_the_model_has_learned_from_validate_nothing(records):
    with pytest.raises(UserError, match='that the model has not seen, and it was trained on them too'):
        freeze.main(['--name', 'twins', '--model', 'all_twins', '--views', '2'])
    assert not paths.frozen('all_twins').exists()
    freeze.main(['--name', 'twins', '--model', 'all_twins'])
    with pytest.raises(UserError, match='was not validated with 2 views'):
        load_model(paths.frozen('all_twins'), views=2)


def test_records_without_validation_photos_are_refused(tmp_path):
    put_classes(tmp_path / 'photos' / 'train', {'a': 4, 'b': 4})
    put_classes(tmp_path / 'photos' / 'test', {'a': 2, 'b': 2}, first=50)
    image_folder_to_tfrecords.main([str(tmp_path / 'photos'), '--name', 'few', *POCKET])
    assert 'validation' not in open_records('few').counts
    train.main(['--name', 'few', '--steps', '5'])
    with pytest.raises(UserError, match=r'--views needs validation photos, and .*few holds none'):
        freeze.main(['--name', 'few', '--views', '2'])


@pytest.mark.parametrize(
    ('scores', 'best'),
    [
        ({}, 1),
        ({'1': 0.2, '2': 0.21, '6': 0.25}, 1),  # `freeze` advises against views that raise the log loss
        ({'1': 0.2, '2': 0.1, '6': 0.15}, 2),
        ({'1': 0.2, '6': 0.1}, 6),
        ({'1': 0.2, '2': 0.2}, 1),
    ],
)
def test_the_next_command_takes_the_best_number_of_views(tmp_path, scores, best):
    noted = {views: {'log_loss': loss} for views, loss in scores.items()}
    assert best_views(brightest_side(tmp_path / 'm.pb', validated_views=noted)) == best
