"""Freezing a model that was trained on int8 bottlenecks: a .tflite file to ship, and the .pb beside it."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.conversion import calibration
from src.engine.run_files import read_model
from src.freezing import freeze
from src.freezing import int8 as shipping
from src.graph.graph_io import read_graph
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.package import read_package
from src.graph.model_info import read_info
from src.inference.from_records import answered
from src.inference.predictor import load_model
from src.records.dataset import load, open_records, pictures
from src.training import fine_tune, train
from tests.data_preparation.photos import POCKET, put_classes
from tests.graph.several import several

pytest.importorskip('ai_edge_litert')

INT8 = ['--precision', 'int8']
QUICK = ['--layers', '0,4,0', '--steps', '40', '--mixup', '0']


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    return put_classes(tmp_path_factory.mktemp('photos'), {'ant': 16, 'bee': 16})


@pytest.fixture(scope='module')
def one(photos):
    """The records of a data set with a model of the same name, for the tests that leave both as they are."""
    return trained(photos, 'one', *POCKET)


@pytest.fixture
def unfrozen(one):
    """The same, before the model is frozen."""
    for path in (paths.frozen('one'), shipping.lite_path('one')):
        path.unlink(missing_ok=True)
    return one


def trained(photos, name, *flags, training=()):
    image_folder_to_tfrecords.main([str(photos), '--name', name, *INT8, *flags])
    train.main(['--name', name, *QUICK, *training])
    return open_records(name)


@pytest.mark.parametrize('mirror', [[], ['--mirror']])
def test_the_lite_file_gives_what_the_head_gives_for_the_recorded_bottlenecks(photos, one, capsys, mirror):
    records = trained(photos, 'both', *POCKET, *mirror, training=mirror) if mirror else one
    name = records.folder.name
    capsys.readouterr()
    freeze.main(['--name', name])
    out = capsys.readouterr().out
    lite, pb = shipping.lite_path(name), paths.frozen(name)
    assert 'same probabilities as the head for the recorded bottlenecks' in out
    assert '.tflite (int8): top-1' in out and f'classify PHOTO.jpg --model {name}' in out
    model = load_model(pb)
    held = load(records, 'train', field=records.bottlenecks(bool(mirror)))
    pixels = np.stack([model.reader.read(data) for _, data in pictures(records, 'train')])
    found = Interpreters(lite).run(pixels)
    assert np.abs(found - model.from_bottlenecks(held.values)).max() < 1e-5
    graph = model.from_pixels(pixels)
    assert 1e-5 < np.abs(found - graph).max() < 0.3
    scored = answered(model, records, 'train')  # not from the bottlenecks of the other backbone
    assert scored.ids == held.ids and np.abs(scored.values - graph).max() < 1e-5


def test_both_files_say_what_the_other_gives(unfrozen):
    freeze.main(['--name', 'one'])
    package, info = read_package(shipping.lite_path('one')), read_info(read_graph(paths.frozen('one')))
    lite = package.info['lite']
    assert lite['precision'] == info['precision'] == 'int8' and package.labels == ['ant', 'bee']
    assert lite['graph_sha256'] == files.sha256(paths.frozen('one'))
    assert lite['agreement'] == info['int8']['agreement']
    assert lite['agreement']['top_1'].keys() == {'graph', 'exported'}
    assert 'preprocessing' in package.info and package.info['model'] == 'one'
    (model,) = (info['backbone']['int8'],)
    assert model['sha256'] == files.sha256(paths.records('one') / model['file'])


def test_a_model_that_was_trained_on_several_backbones_gets_the_frozen_graph_alone(photos, tmp_path, capsys):
    _, small, other = several(tmp_path)
    trained(photos, 'several', '--backbone', str(small), str(other))
    freeze.main(['--name', 'several'])
    assert 'no .tflite file is written: the model takes the bottlenecks of several' in capsys.readouterr().out
    assert paths.frozen('several').exists() and not shipping.lite_path('several').exists()


def test_a_fine_tuned_model_computes_in_float32(one, capsys):
    fine_tune.main(['--name', 'one', '--model', 'tuned_tail', '--last-convolutions', '1', '--epochs', '2'])
    assert read_model('tuned_tail')['precision'] == 'float32'
    freeze.main(['--name', 'one', '--model', 'tuned_tail'])
    assert paths.frozen('tuned_tail').exists() and not shipping.lite_path('tuned_tail').exists()


@pytest.mark.parametrize('damage', ['missing', 'changed'])
def test_another_int8_backbone_is_refused(unfrozen, damage):
    model = unfrozen.folder / 'pocket.tflite'
    whole = model.read_bytes()
    model.unlink() if damage == 'missing' else model.write_bytes(b'another')
    try:
        with pytest.raises(UserError, match=r'pocket\.tflite, which computed .* repeat the conversion'):
            freeze.main(['--name', 'one'])
    finally:
        model.write_bytes(whole)
    assert not paths.frozen('one').exists()


def test_a_backbone_that_was_calibrated_anew_is_refused(photos, monkeypatch):
    trained(photos, 'anew', *POCKET)
    monkeypatch.setattr(calibration, 'PHOTOS', 3)
    image_folder_to_tfrecords.main([str(photos), '--name', 'anew', *POCKET, *INT8, '--overwrite'])
    with pytest.raises(UserError, match=r'another int8 backbone: run .*train --name anew.* --fresh'):
        freeze.main(['--name', 'anew'])


def test_a_lite_model_that_differs_is_not_kept(unfrozen, monkeypatch):
    monkeypatch.setattr(shipping, 'TOLERANCE', -1.0)
    with pytest.raises(UserError, match='does not give the probabilities of the head for the bottlenecks'):
        freeze.main(['--name', 'one'])
    assert not paths.frozen('one').exists() and not list(unfrozen.folder.parent.glob('.*.tmp'))
    assert not shipping.lite_path('one').exists()
