"""Kaggle's submission file, from records and from a folder of photos."""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import (
    dogs_vs_cats_to_tfrecords,
    image_folder_to_tfrecords,
    kaggle_images_to_tfrecords,
)
from src.freezing import freeze
from src.inference import classify, inference
from src.inference.from_records import answered
from src.inference.predictor import load_model
from src.records.dataset import open_records, pictures
from src.scoring.clipping import clipped, log_loss
from src.training import train, train_images
from tests.data_preparation.photos import POCKET, put, put_classes
from tests.inference.models import brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded

EXACT = ['--precision', 'float32']  # cached bottlenecks then equal what the frozen file computes
BREEDS = ['boxer', 'chow', 'pug']
UNREADABLE = {'empty': 'empty file', 'link': 'No such file or directory', 'text': 'not an image'}


def made_from(folder: Path, name: str, steps: int = 20) -> None:
    """Convert, train and freeze by the commands."""
    kaggle_images_to_tfrecords.main(['--data', str(folder), '--name', name, *POCKET, *EXACT])
    train.main(['--name', name, '--steps', str(steps)])
    freeze.main(['--name', name])


@pytest.fixture(scope='module')
def kaggle(tmp_path_factory) -> Path:
    """Kaggle's layout: 30 labeled photos, 5 unlabeled ones, and 3 that cannot be read."""
    folder = tmp_path_factory.mktemp('kaggle')
    rows = ['id,breed', *(f'{put(folder / "train" / f"{i}.jpg", i).stem},{BREEDS[i % 3]}' for i in range(30))]
    (folder / 'labels.csv').write_text('\n'.join(rows))
    for i in range(4):
        put(folder / 'test' / f'asked{i}.jpg', 100 + i)
    shutil.copy(folder / 'test' / 'asked0.jpg', folder / 'test' / 'again.jpg')
    (folder / 'test' / 'text.jpg').write_text('no picture')
    (folder / 'test' / 'empty.jpg').touch()
    (folder / 'test' / 'link.jpg').symlink_to(folder / 'nowhere.jpg')
    made_from(folder, 'kaggle')
    return folder


def submission(*argv: str, name: str = 'kaggle') -> pd.DataFrame:
    inference.main([*argv, '--name', name])
    return pd.read_csv(paths.METRICS_DIR / f'{name}_submission.csv', index_col='id')


def test_every_photo_has_one_row_and_every_breed_a_column(kaggle, capsys):
    table = submission()
    assert list(table.columns) == BREEDS
    assert list(table.index) == sorted(p.stem for p in (kaggle / 'test').iterdir())
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    assert '5 photos classified, 3 photos given uniform probabilities' in capsys.readouterr().out


def test_answers_are_those_of_classify(kaggle):
    table = submission()
    for id_ in ('asked1', 'again'):
        one = classify.classify('file', kaggle / 'test' / f'{id_}.jpg', paths.frozen('kaggle'))
        np.testing.assert_allclose(table.loc[id_, one.breed], one.prob, atol=1e-5)


def test_a_model_without_backbone_classifies_the_pictures_in_the_records(kaggle, tmp_path):
    name, parts = 'kaggle_pixels', ['--epochs', '2', '--side', '16', '--batch-size', '8']
    kaggle_images_to_tfrecords.main(['--data', str(kaggle), '--name', name, '--no-backbone'])
    train_images.main(['--recipe', 'cifar10/cnn_simple', '--name', name, '--model', name, *parts])
    freeze.main(['--name', name, '--model', name])
    table = submission(name=name)
    inference.main([str(kaggle / 'test'), '--name', name, '--out', str(tmp_path / 'out.csv')])
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / 'out.csv', index_col='id'), atol=1e-5)
    assert len(table.drop(index=list(UNREADABLE)).drop_duplicates()) == 4  # one photo lies there twice


def test_a_tflite_file_gives_nearly_the_same(kaggle, tmp_path):
    """TensorFlow decodes JPEGs less precisely than Pillow."""
    pytest.importorskip('ai_edge_litert')
    lite, out = tflite_of(paths.frozen('kaggle'), tmp_path / 'kaggle.tflite'), tmp_path / 'out.csv'
    inference.main([str(kaggle / 'test'), '--model', str(lite), '--out', str(out)])
    made = pd.read_csv(out, index_col='id')
    pd.testing.assert_frame_equal(made, submission(), atol=0.02, rtol=0)
    inference.main(['--name', 'kaggle', '--model', str(lite), '--out', str(out)])  # the photos in the records
    pd.testing.assert_frame_equal(pd.read_csv(out, index_col='id'), made, atol=1e-6, rtol=0)


def test_the_file_of_a_model_without_a_data_set_has_the_name_of_the_model(kaggle, capsys):
    inference.main([str(kaggle / 'test'), '--model', 'pocket_dogs'])
    assert len(pd.read_csv(paths.METRICS_DIR / 'pocket_dogs_submission.csv')) == 8
    assert 'stanford' not in capsys.readouterr().out


def test_a_folder_and_the_frozen_file_alone_give_the_same(kaggle, tmp_path, forks):
    """In a process whose ROOTSTOCK_HOME has no records."""
    model, out = tmp_path / 'alone.pb', tmp_path / 'out.csv'
    shutil.copy(paths.frozen('kaggle'), model)
    words = str(kaggle / 'test'), '--model', str(model), '--out', str(out)
    done = forks.command('src.inference.inference', *words, ROOTSTOCK_HOME=str(tmp_path / 'home'))
    _, error = done.communicate()
    assert done.returncode == 0, error
    pd.testing.assert_frame_equal(pd.read_csv(out, index_col='id'), submission(), atol=1e-5)
    assert [line.split(':')[0] for line in error.splitlines()] == [
        f'uniform probabilities for {id_}' for id_ in sorted(UNREADABLE)
    ]


@pytest.mark.parametrize('source', ['records', 'folder'])
def test_unreadable_photos_are_reported_and_get_uniform_probabilities(kaggle, source, capsys):
    table = submission(*([str(kaggle / 'test')] if source == 'folder' else []))
    reasons = UNREADABLE if source == 'folder' else UNREADABLE | {'link': 'no such file'}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for line, (id_, reason) in zip(lines, sorted(reasons.items()), strict=True):
        assert line.startswith(f'uniform probabilities for {id_}: ') and line.endswith(reason)
        np.testing.assert_allclose(table.loc[id_], 1 / 3, atol=1e-8)


def test_two_photos_with_one_id_are_refused(kaggle, tmp_path):
    for ending in ('jpg', 'jpeg'):
        put(tmp_path / f'x.{ending}', 1)
    with pytest.raises(UserError, match=r'with the id x, x\.jpeg and x\.jpg: rename or remove one'):
        submission(str(tmp_path))


def test_photos_with_any_suffix_are_found_and_other_files_are_reported(kaggle, tmp_path, capsys):
    for place, name in enumerate(('a.jfif', 'b', 'deep/er/c.jpg', 'd.txt')):
        put(tmp_path / name, place)
    for name in ('a.txt', 'notes.md', '.hidden.jpg', '__MACOSX/._a.jpg', '._a.jfif'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('no picture')
    (tmp_path / 'e.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(40))
    (tmp_path / 'f.jpg').write_text('no picture')
    assert list(submission(str(tmp_path)).index) == ['a', 'b', 'c', 'd', 'e', 'f']
    assert capsys.readouterr().err.splitlines() == [
        f'left out {tmp_path}/a.txt: not an image',
        f'left out {tmp_path}/notes.md: not an image',
        f'uniform probabilities for e: {tmp_path}/e.heic: HEIC, which is not read: save it as JPEG',
        f'uniform probabilities for f: {tmp_path}/f.jpg: not an image',
    ]


def test_a_missing_photo_of_the_sample_submission_gets_uniform_probabilities(kaggle, tmp_path, capsys):
    folder = shutil.copytree(kaggle, tmp_path / 'data', symlinks=True)
    (folder / 'sample_submission.csv').write_text('id,pug\nasked1,0\nmissing,0\n')
    kaggle_images_to_tfrecords.main(['--data', str(folder), '--name', 'wanted', *POCKET, *EXACT])
    table = submission('--model', str(paths.frozen('kaggle')), name='wanted')
    np.testing.assert_allclose(table.loc['missing'], 1 / 3, atol=1e-8)
    assert 'uniform probabilities for missing: sample_submission.csv names it' in capsys.readouterr().err


def test_a_folder_without_photos_is_refused(kaggle, tmp_path):
    (tmp_path / '.hidden.jpg').touch()
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(UserError, match='there are no photos in'):
        submission(str(tmp_path))
    with pytest.raises(UserError, match=r'cannot read the folder .*gone: No such file'):
        submission(str(tmp_path / 'gone'))


def test_records_without_unlabeled_photos_are_refused(kaggle, tmp_path):
    folder = put_classes(tmp_path, {'a': 3, 'b': 3}, first=200)
    image_folder_to_tfrecords.main([str(folder), '--name', 'labelled', *POCKET, *EXACT])
    model = ['--model', str(paths.frozen('kaggle'))]
    with pytest.raises(UserError, match='holds no unlabeled photos'):
        submission(*model, name='labelled')
    with pytest.raises(UserError, match='the data set nowhere is not converted'):
        submission(*model, name='nowhere')


def test_records_of_another_backbone_are_refused(kaggle, tmp_path):
    """The file differs by an unknown field, which protocol buffers skip, so its width is the same."""
    other = tmp_path / 'other.pb'
    other.write_bytes(paths.POCKET_GRAPH_DEF.read_bytes() + b'\xf8\x7f\x01')  # an unknown field
    kaggle_images_to_tfrecords.main(['--data', str(kaggle), '--name', 'other', '--backbone', str(other)])
    with pytest.raises(UserError, match='belong to different backbones'):
        submission('--model', str(paths.frozen('kaggle')), name='other')


@pytest.mark.slow
def test_real_breeds_are_named_right(real_data, tmp_path):
    """Three dissimilar breeds: 35 training photos of each, 15 to classify."""
    truth, rows = {}, ['id,breed']
    for split in ('train', 'test'):
        (tmp_path / split).mkdir()
    with tarfile.open(real_data / 'stanford_dogs' / 'images.tar') as tar:
        seen: dict[str, int] = {}
        for member in tar:
            breed = Path(member.name).parent.name.partition('-')[2].lower()
            if not member.isfile() or breed not in ('pug', 'samoyed', 'doberman'):
                continue
            place = seen[breed] = seen.get(breed, 0) + 1
            id_ = f'{breed[0]}{place:031x}'
            split = 'train' if place <= 35 else 'test'
            (tmp_path / split / f'{id_}.jpg').write_bytes(tar.extractfile(member).read())
            if split == 'train':
                rows.append(f'{id_},{breed}')
            else:
                truth[id_] = breed
    (tmp_path / 'labels.csv').write_text('\n'.join(rows))
    made_from(tmp_path, 'real', steps=300)
    table = submission(name='real')
    assert set(table.index) == set(truth) and len(table) == 45
    right = (table.idxmax(axis=1) == pd.Series(truth)[table.index]).mean()
    assert right > 0.9


@pytest.fixture(scope='module')
def pets(tmp_path_factory) -> Path:
    """A model that takes a photo with a light sky for a cat and one with a light floor for a dog, records in
    which a few are the other way round, and Kaggle's folder test/ with sample_submission.csv beside it.

    A mistake of this model is a confident one, so a bound of its probabilities pays off.
    """
    folder = tmp_path_factory.mktemp('pets')
    for n in range(120):
        kind = ('cat', 'dog')[(n + (n % 5 == 0)) % 2]
        put_tilted(folder / 'classes' / kind / f'{n}.png', n % 2, n)
    image_folder_to_tfrecords.main([str(folder / 'classes'), '--name', 'pets', '--no-backbone'])
    facts = {'data_set': 'pets', 'backbone': {}, 'learned_from': ['train']}
    brightest_side(paths.frozen('pets'), ['cat', 'dog'], sides=2, sharpness=0.5, **facts)
    brightest_side(
        paths.frozen('all_pets'), ['cat', 'dog'], sides=2, **facts | {'learned_from': ['train', 'validation']}
    )
    for n in range(1, 13):
        put_tilted(folder / 'test' / f'{n}.png', n % 2, 500 + n)
    rows = [f'{n},0.5' for n in range(1, 13)]
    (folder / 'sample_submission.csv').write_text('\n'.join(['id,label', *rows]))
    return folder


def put_tilted(path: Path, floor: int, seed: int) -> None:
    """Write a picture that gets lighter from top to bottom if `floor` is 1, else darker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    slope = np.linspace(-1, 1, 16)[:, None, None] * (2 * floor - 1) * (5 + seed % 40)
    noise = np.random.default_rng(seed).normal(128, 9, (16, 16, 3))
    path.write_bytes(encoded((slope + noise).clip(0, 255).astype(np.uint8), 'PNG'))


def run_pets(pets: Path, out: Path, *argv: str) -> tuple[int, pd.DataFrame]:
    code = inference.main([str(pets / 'test'), '--model', 'pets', '--out', str(out), *argv])
    return code, pd.read_csv(out)


def test_cats_and_dogs_get_the_probability_of_a_dog_in_numeric_order(pets, tmp_path, capsys):
    code, table = run_pets(pets, tmp_path / 's.csv', '--clip', 'none')
    assert code == 0
    assert list(table.columns) == ['id', 'label'] and list(table['id']) == list(range(1, 13))
    for id_ in (2, 10):
        one = classify.classify('file', pets / 'test' / f'{id_}.png', paths.frozen('pets'))
        dog = one.set_index('breed').prob['dog']
        assert table.set_index('id').label[id_] == pytest.approx(dog, abs=1e-5)
    assert f'its columns and ids are those of {pets / "sample_submission.csv"}' in capsys.readouterr().out
    _, columns = run_pets(pets, tmp_path / 'c.csv', '--format', 'columns')
    assert list(columns.columns) == ['id', 'cat', 'dog']
    np.testing.assert_allclose(columns['dog'], table['label'], atol=1e-6)


def test_the_bound_is_chosen_on_validation_photos(pets, tmp_path, capsys):
    _, plain = run_pets(pets, tmp_path / 'plain.csv', '--clip', 'none')
    capsys.readouterr()
    _, bounded = run_pets(pets, tmp_path / 's.csv')
    said = re.search(
        r'clip ([\d.]+), chosen on (\d+) validation photos: log loss ([\d.]+) with it, ([\d.]+) without',
        capsys.readouterr().out,
    )
    least, photos, after, before = map(float, said.groups())
    records = open_records('pets')
    examples = answered(load_model(paths.frozen('pets')), records, 'validation')
    assert photos == records.counts['validation'] == len(examples)
    assert before == pytest.approx(log_loss(examples.values, examples.labels), abs=1e-4)
    assert after == pytest.approx(log_loss(clipped(examples.values, least), examples.labels), abs=1e-3)
    assert after < before
    np.testing.assert_allclose(bounded['label'], plain['label'].clip(least, 1 - least), rtol=0.01)
    assert bounded['label'].min() > plain['label'].min()


def test_the_bound_may_be_given(kaggle, pets, tmp_path, capsys):
    _, table = run_pets(pets, tmp_path / 's.csv', '--clip', '0')
    assert 'clip' not in capsys.readouterr().out
    assert table['label'].min() < 1e-4
    _, table = run_pets(pets, tmp_path / 's.csv', '--clip', '0.3')
    assert table['label'].between(0.3, 0.7).all() and set(table['label']) & {0.3, 0.7}
    with pytest.raises(UserError, match=r'--clip 0\.4 is too much: it has to be below 1 / 3 classes'):
        submission('--clip', '0.4')
    assert submission('--clip', '0.2').to_numpy().min() > 0.16


def test_no_bound_is_chosen_without_unseen_photos(pets, tmp_path, capsys):
    inference.main([str(pets / 'test'), '--model', 'all_pets', '--out', str(tmp_path / 's.csv')])
    assert 'no clip is chosen: the model was trained on the validation photos' in capsys.readouterr().out
    shutil.move(paths.records('pets'), tmp_path / 'pets')
    try:
        run_pets(pets, tmp_path / 's.csv')
    finally:
        shutil.move(tmp_path / 'pets', paths.records('pets'))
    assert 'no clip is chosen: there are no records of pets here' in capsys.readouterr().out


def test_ids_that_the_sample_does_not_have_are_reported_and_the_rest_is_in_its_order(pets, tmp_path, capsys):
    sample = tmp_path / 'sample.csv'
    sample.write_text('id,dog,cat\n12,0,0\n99,0,0\n3,0,0\n')
    code, table = run_pets(pets, tmp_path / 's.csv', '--sample', str(sample), '--format', 'columns')
    assert code == 2
    assert list(table.columns) == ['id', 'dog', 'cat']
    assert list(table['id']) == [12, 3, 1, 2, *range(4, 12)]
    assert capsys.readouterr().err.splitlines() == [
        f'{tmp_path}/s.csv differs from {sample}: 1 id is missing: 99',
        f'{tmp_path}/s.csv differs from {sample}: 10 ids are extra: 1, 2, 4, 5 and 6 more',
    ]


def test_labels_that_cannot_be_read_are_refused_before_photos_are_classified(pets, tmp_path):
    with pytest.raises(UserError, match=r'cannot read .*gone\.csv'):
        run_pets(pets, tmp_path / 's.csv', '--against', str(tmp_path / 'gone.csv'))
    assert not (tmp_path / 's.csv').exists()


def test_the_submission_is_scored_by_known_labels(pets, tmp_path, capsys):
    truth = tmp_path / 'truth.csv'
    truth.write_text('id,label\n' + ''.join(f'{n},{n % 2}\n' for n in range(1, 13)))
    _, table = run_pets(pets, tmp_path / 's.csv', '--against', str(truth))
    said = re.search(r'log loss ([\d.]+), accuracy ([\d.]+)%.* on 12 photos', capsys.readouterr().out)
    right = np.where(table['id'] % 2, table['label'], 1 - table['label'])
    assert float(said[1]) == pytest.approx(-np.log(right).mean(), abs=1e-5)
    assert float(said[2]) == pytest.approx(100 * (right > 0.5).mean(), abs=0.01)


@pytest.mark.slow
def test_real_cats_and_dogs_in_the_format_of_kaggle(real_data, tmp_path, capsys):
    """From Kaggle's photos to a scored submission, with two views, by the commands."""
    splits = ('train', '50', 'validation', '25', 'test', '25')
    draw = [f'--{word}-per-class' if n % 2 == 0 else word for n, word in enumerate(splits)]
    archive = real_data / 'dogs_vs_cats' / 'train.zip'
    dogs_vs_cats_to_tfrecords.main(['--data', str(archive), '--name', 'redux', *POCKET, *draw])
    train.main(['--name', 'redux'])
    freeze.main(['--name', 'redux', '--views', '2'])
    (tmp_path / 'test').mkdir()
    sample, truth = ['id,label'], ['id,label']
    for n, (id_, data) in enumerate(pictures(open_records('redux'), 'test'), 1):
        (tmp_path / 'test' / f'{n}.jpg').write_bytes(data)
        sample.append(f'{n},0.5')
        truth.append(f'{n},{"dog" if "dog." in id_ else "cat"}')
    (tmp_path / 'sample_submission.csv').write_text('\n'.join(sample))
    (tmp_path / 'truth.csv').write_text('\n'.join(truth))
    argv = [str(tmp_path / 'test'), '--name', 'redux', '--against', str(tmp_path / 'truth.csv')]
    scores = []
    for flags in ([], ['--views', '2'], ['--format', 'columns']):
        capsys.readouterr()
        assert inference.main([*argv, *flags]) == (2 if '--format' in flags else 0)  # the sample has label
        said = re.search(r'log loss ([\d.]+), accuracy ([\d.]+)%.* on 50 photos', capsys.readouterr().out)
        scores.append([float(value) for value in said.groups()])
        assert scores[-1][0] < 0.4 and scores[-1][1] > 85
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[2], rel=0.05)
