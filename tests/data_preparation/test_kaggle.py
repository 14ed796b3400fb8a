"""Kaggle's layout: labels.csv, train/, and test/ without labels."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import kaggle_images_to_tfrecords
from src.data_preparation.kaggle_images_to_tfrecords import kaggle_samples, read_labels
from src.records.dataset import load, open_records, pictures
from src.records.manifest import UNIFORM
from tests.data_preparation.photos import POCKET, put


def kaggle(folder, number: int = 24, unlabeled: int = 3):
    """Write `number` labeled photos of two breeds and `unlabeled` ones without a label."""
    rows = ['id,breed']
    for i in range(number):
        put(folder / 'train' / f'{i:032x}.jpg', i)
        rows.append(f'{i:032x},{("pug", "boxer")[i % 2]}')
    for i in range(unlabeled):
        put(folder / 'test' / f'asked{i}.jpg', 1000 + i)
    (folder / 'labels.csv').write_text('\n'.join(rows) + '\n')
    return folder


def labels(tmp_path, data: str | bytes):
    path = tmp_path / 'labels.csv'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_labeled_photos_are_split_and_the_others_stay_unlabeled(tmp_path):
    kaggle_images_to_tfrecords.main(['--data', str(kaggle(tmp_path)), '--name', 'kag', *POCKET])
    records = open_records('kag')
    assert records.classes == ['boxer', 'pug']
    assert sum(records.counts.values()) == 27
    examples = load(records, 'train')
    assert [records.classes[i] for i in examples.labels] == [
        ('pug', 'boxer')[int(id_, 16) % 2] for id_ in examples.ids
    ]
    unlabeled = load(records, 'unlabelled')
    assert sorted(unlabeled.ids) == ['asked0', 'asked1', 'asked2'] and set(unlabeled.labels) == {-1}


def test_augmented_copies_are_made_of_training_photos_only(tmp_path):
    folder = kaggle(tmp_path, number=40)
    kaggle_images_to_tfrecords.main(['--data', str(folder), '--name', 'grown', '--augment', *POCKET])
    records = open_records('grown')
    ids = {split: load(records, split).ids for split in records.counts}
    originals = {id_ for id_ in ids['train'] if '~' not in id_}
    assert set(ids['train']) == originals | {
        f'{id_}~{kind}' for id_ in originals for kind in ('contrast', 'dark', 'mirror')
    }
    assert len(ids['validation']) + len(ids['test']) == 40 - len(originals) > 0
    assert not any('~' in id_ for split in ('validation', 'test', 'unlabelled') for id_ in ids[split])

    id_ = min(originals)
    kept = dict(pictures(records, 'train'))
    plain = pixels_of((folder / 'train' / f'{id_}.jpg').read_bytes())
    assert kept[id_] == (folder / 'train' / f'{id_}.jpg').read_bytes()
    dark, contrast, mirror = (pixels_of(kept[f'{id_}~{kind}']) for kind in ('dark', 'contrast', 'mirror'))
    assert np.abs(mirror[:, ::-1] - plain).mean() < 2  # levels of 255 that JPEG costs
    assert np.abs(dark - np.clip(plain - 0.15 * 255, 0, 255)).mean() < 2
    assert contrast.std() / plain.std() == pytest.approx(0.8, abs=0.02)
    assert contrast.mean() == pytest.approx(plain.mean(), abs=1)


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), np.float64)


def test_rows_without_a_photo_and_photos_without_a_row_are_listed(tmp_path):
    folder = kaggle(tmp_path, number=4)
    with (folder / 'labels.csv').open('a') as stream:
        stream.write('nowhere,pug\n')
    put(folder / 'train' / 'nobody.jpg', 50)
    (folder / 'train' / '.hidden.jpg').touch()
    samples, remarks = kaggle_samples(folder)
    assert len(samples) == 7
    assert [(r.file.rpartition('/')[2], r.outcome, r.reason) for r in remarks] == [
        ('nowhere.jpg', 'skipped', 'labels.csv names it, but it is not there'),
        ('nobody.jpg', 'skipped', 'labels.csv has no row for it'),
    ]


def test_unlabeled_photos_that_cannot_be_read_have_an_outcome_of_their_own(tmp_path):
    folder = kaggle(tmp_path, unlabeled=2)
    (folder / 'test' / 'text.jpg').write_text('no picture')
    (folder / 'test' / 'empty.jpg').touch()
    (folder / 'test' / 'link.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    (folder / 'test' / 'Thumbs.db').touch()
    (folder / 'train' / f'{0:032x}.jpg').write_text('no picture')
    kaggle_images_to_tfrecords.main(['--data', str(folder), '--name', 'odds', *POCKET])
    outcomes = {r['file'].rpartition('/')[2]: r['outcome'] for r in open_records('odds').manifest['remarks']}
    assert outcomes == {
        'text.jpg': UNIFORM, 'empty.jpg': UNIFORM, 'link.jpg': UNIFORM, f'{0:032x}.jpg': 'skipped',
    }  # fmt: skip


def test_photos_are_found_with_any_ending_and_other_files_are_listed(tmp_path):
    folder = kaggle(tmp_path, number=4)
    for split, first in (('train', 4), ('test', 50)):
        for place, name in enumerate(('a.jfif', 'b', 'deep/c.JPG', 'd.txt'), first):
            put(folder / split / name, place)
        (folder / split / 'a.txt').write_text('no picture beside the photo of the same id')
        (folder / split / '._a.jpg').write_text('of no interest')
    with (folder / 'labels.csv').open('a') as stream:
        stream.write('a,pug\nb,pug\nc,pug\nd,pug\n')
    samples, remarks = kaggle_samples(folder)
    for split in (None, 'unlabelled'):
        assert {s.id for s in samples if s.split == split} > {'a', 'b', 'c', 'd'}
    assert [(r.file.rpartition('/')[2], r.outcome, r.reason) for r in remarks] == [
        ('a.txt', 'skipped', 'not an image')
    ] * 2


@pytest.mark.parametrize('split', ['train', 'test'])
def test_two_photos_with_one_id_are_refused(split, tmp_path):
    folder = kaggle(tmp_path, number=4)
    put(folder / split / 'more' / 'x.jpg', 50)
    put(folder / split / 'x.png', 51)
    with pytest.raises(UserError, match=r'two photos with the id x, x.png and more/x.jpg: rename or remove'):
        kaggle_samples(folder)


def test_ids_of_the_sample_submission_without_a_photo_are_listed(tmp_path):
    folder = kaggle(tmp_path, number=4)
    (folder / 'sample_submission.csv').write_text('id,pug\nasked0,0.5\nmissing,0.5\n')
    assert [(r.file.rpartition('/')[2], r.outcome) for r in kaggle_samples(folder)[1]] == [
        ('missing.jpg', UNIFORM)
    ]
    (folder / 'sample_submission.csv').write_text('name\n1\n')
    with pytest.raises(UserError, match=r'sample_submission.csv has no columns id'):
        kaggle_samples(folder)


def test_unlabeled_photos_may_be_missing(tmp_path):
    shutil.rmtree(kaggle(tmp_path) / 'test')
    assert {s.split for s in kaggle_samples(tmp_path)[0]} == {None}


def test_labels_as_excel_saves_them(tmp_path):
    path = labels(tmp_path, b'\xef\xbb\xbfid,breed\r\n1, pug \r\n\r\n2,"boxer"\r\n')
    assert read_labels(path) == {'1': 'pug', '2': 'boxer'}


def test_a_repeated_row_counts_once(tmp_path):
    assert read_labels(labels(tmp_path, 'id,breed\n1,pug\n1,pug\n')) == {'1': 'pug'}


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ('id,breed\n1,pug\n1,boxer\n', 'labels.csv line 3: 1 has two breeds'),
        ('id,race\n1,pug\n', 'labels.csv has no columns id and breed'),
        ('id;breed\n1;pug\n', 'labels.csv has no columns id and breed'),
        ('', 'labels.csv has no columns id and breed'),
        ('id,breed\n1\n', 'labels.csv line 2: id or breed is empty'),
        ('id,breed\n,pug\n', 'labels.csv line 2: id or breed is empty'),
        (b'id,breed\n1,p\xfcg\n', 'cannot read .*labels.csv'),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        read_labels(labels(tmp_path, data))


def test_missing_labels_say_what_to_unpack(tmp_path):
    with pytest.raises(UserError, match=r'labels.csv \(No such file or directory\): unpack dog-breed'):
        kaggle_images_to_tfrecords.main(['--data', str(tmp_path), '--name', 'nolabels', *POCKET])
    assert not paths.records('nolabels').exists()
