"""When a bound of the probabilities is chosen on validation photos, and why not."""

from __future__ import annotations

import argparse

import pytest

from src.common import files, paths
from src.data_preparation import image_folder_to_tfrecords
from src.inference.predictor import load_model
from src.inference.submissions.clip import AUTO, NONE, clip_or_word, least_probability
from src.records.dataset import open_records
from tests.data_preparation.photos import put_classes
from tests.inference.models import SIDES, brightest_side


@pytest.fixture(scope='module')
def data_sets(tmp_path_factory) -> str:
    """The records `sides` of random photos of four classes, and `few` without validation photos. Returns the
    fingerprint of `sides`."""
    folder = tmp_path_factory.mktemp('photos')
    put_classes(folder / 'sides', dict.fromkeys(SIDES, 12))
    put_classes(folder / 'few' / 'train', dict.fromkeys(SIDES, 2), first=100)
    put_classes(folder / 'few' / 'test', dict.fromkeys(SIDES, 1), first=200)
    for name in ('sides', 'few'):
        image_folder_to_tfrecords.main([str(folder / name), '--name', name, '--no-backbone'])
    return open_records('sides').manifest['fingerprint']


def chosen(tmp_path, capsys, labels=SIDES, wanted=AUTO, **info) -> tuple[float, str]:
    """The bound for a model with this `model_info`, and what is printed."""
    facts = {'backbone': {}, 'learned_from': ['train']} | info
    predictor = load_model(brightest_side(tmp_path / 'm.pb', sorted(labels), sharpness=9, **facts))
    capsys.readouterr()
    least = least_probability(wanted, predictor)
    return least, capsys.readouterr().out.strip()


def test_four_classes_that_are_guessed_with_certainty_get_a_bound(data_sets, tmp_path, capsys):
    least, said = chosen(tmp_path, capsys, data_set='sides', records=data_sets)
    assert 0.01 < least <= 0.1
    photos = open_records('sides').counts['validation']
    assert said.startswith(f'clip {least:.3g}, chosen on {photos} validation photos: log loss ')


def test_records_that_got_another_backbone_after_training_are_the_same(data_sets, tmp_path, capsys):
    path = paths.manifest('sides')
    manifest = files.read_json(path)
    files.write_json(path, manifest | {'fingerprint': 'grown', 'earlier': [data_sets]})
    try:
        least, said = chosen(tmp_path, capsys, data_set='sides', records=data_sets)
    finally:
        files.write_json(path, manifest)
    assert least and said.startswith(f'clip {least:.3g}, chosen on ')


@pytest.mark.parametrize(
    ('info', 'reason'),
    [
        ({}, 'the model file does not name its data set'),
        ({'data_set': 'gone'}, 'there are no records of gone here'),
        ({'data_set': 'few'}, 'few holds no validation photos'),
        (
            {'data_set': 'sides', 'learned_from': ['train', 'validation']},
            'the model was trained on the validation photos too',
        ),
        (
            {'data_set': 'sides', 'records': 'other'},
            'sides was converted again after training, so some may be training photos',
        ),
        ({'data_set': 'sides', 'labels': list('abcd')}, 'sides has other classes or another backbone'),
        (
            {'data_set': 'sides', 'backbone': {'sha256': '00', 'bottleneck': 'pool_3:0', 'width': 4}},
            'sides has other classes or another backbone',
        ),
    ],
)
def test_no_bound_without_fitting_records_of_unseen_photos(data_sets, tmp_path, capsys, info, reason):
    least, said = chosen(tmp_path, capsys, **info)
    assert least == 0
    assert said.startswith('no clip is chosen: ') and reason in said and '\n' not in said


def test_a_bound_that_is_given_is_taken(data_sets, tmp_path, capsys):
    assert chosen(tmp_path, capsys, wanted=0.2) == (0.2, '')
    assert chosen(tmp_path, capsys, wanted=NONE, data_set='sides') == (0, '')


def test_what_the_flag_takes():
    assert [clip_or_word(text) for text in ('auto', 'none', '0', '1e-3', '.49')] == [
        AUTO,
        NONE,
        0,
        0.001,
        0.49,
    ]
    for text in ('0.5', '-0.1', 'nan', 'much', ''):
        with pytest.raises(argparse.ArgumentTypeError, match='neither auto, none nor a number'):
            clip_or_word(text)
