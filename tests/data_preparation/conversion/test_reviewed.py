"""Conversions with the decisions of a review: what they change, and lists that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.data_preparation import (
    cifar10_to_tfrecords,
    dogs_vs_cats_to_tfrecords,
    image_folder_to_tfrecords,
    kaggle_images_to_tfrecords,
    stanford_ds_to_tfrecords,
)
from src.records.dataset import labelled, open_records
from src.records.decisions import Decision, write_decisions
from src.records.next_commands import to_convert
from tests.data_preparation.cifar import write_cifar
from tests.data_preparation.photos import put, put_classes

NO_BACKBONE = '--no-backbone'


def review(tmp_path: Path, *decisions: Decision, data_set: str = 'pets') -> list[str]:
    path = tmp_path / 'decisions.csv'
    write_decisions(path, data_set, decisions)
    return ['--review', str(path)]


def drop(*ids: str) -> list[Decision]:
    return [Decision(id_, 'drop') for id_ in ids]


def convert(folder: Path, name: str, *flags: str) -> dict:
    image_folder_to_tfrecords.main([str(folder), '--name', name, NO_BACKBONE, *flags])
    return files.read_json(paths.manifest(name))


def content(name: str) -> dict[str, tuple[str, str]]:
    """(split, label) of each record by its id."""
    records = open_records(name)
    return {
        id_: (split, records.classes[label] if label >= 0 else '')
        for split in records.counts
        for ids, labels, _ in labelled(records, [split], {}, 100)
        for id_, label in zip(ids, labels, strict=True)
    }


def test_photos_are_dropped_and_relabeled_and_the_others_stay_where_they_were(tmp_path, capsys):
    folder = put_classes(tmp_path / 'photos', {'cat': 30, 'dog': 30})
    before = convert(folder, 'whole')
    was = content('whole')
    flags = review(
        tmp_path, *drop('cat/1.jpg', 'cat/2.jpg'), Decision('cat/3.jpg', 'relabel', 'dog'),
        Decision('dog/4.jpg', 'keep'), Decision('dog/5.jpg', 'relabel', 'dog'),
    )  # fmt: skip
    capsys.readouterr()
    after = convert(folder, 'clean', *flags)
    said = capsys.readouterr().out
    assert said.count('2 photos dropped, 1 relabeled, 2 kept as they were') == 2
    assert '  cat                  30     27\n  dog                  30     31\n' in said
    expected = {id_: held for id_, held in was.items() if id_ not in ('cat/1.jpg', 'cat/2.jpg')}
    expected['cat/3.jpg'] = (was['cat/3.jpg'][0], 'dog')
    assert content('clean') == expected
    assert [remark['reason'] for remark in after['remarks']] == ['dropped in review'] * 2
    assert '/cat/2.jpg,skipped,dropped in review' in paths.skipped('clean').read_text()
    assert after['fingerprint'] != before['fingerprint']
    assert after['review'] == {
        'file': str(tmp_path / 'decisions.csv'),
        'sha256': files.sha256(tmp_path / 'decisions.csv'),
        'dropped': 2,
        'relabeled': 1,
        'kept': 2,
    }
    assert f'--review {tmp_path / "decisions.csv"}' in to_convert('clean')
    assert '--review' not in to_convert('whole')


def test_decisions_that_change_nothing_give_the_same_records(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'cat': 4, 'dog': 4})
    before = convert(folder, 'kept')
    after = convert(folder, 'kept', *review(tmp_path, Decision('cat/1.jpg', 'keep')))
    assert after['fingerprint'] == before['fingerprint'] and after['review']['kept'] == 1


def test_another_review_needs_overwrite(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'cat': 4, 'dog': 4})
    convert(folder, 'again')
    flags = review(tmp_path, *drop('cat/1.jpg'))
    with pytest.raises(UserError, match='holds records of another review of the photos: add --overwrite'):
        convert(folder, 'again', *flags)
    assert convert(folder, 'again', *flags, '--overwrite')['review']['dropped'] == 1


def test_a_copy_takes_the_place_of_a_dropped_photo_and_a_contradiction_is_settled(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'cat': 4, 'dog': 4})
    put(folder / 'cat' / 'copy.jpg', 0)  # as cat/0.jpg
    put(folder / 'dog' / 'cat.jpg', 1)  # as cat/1.jpg
    assert {'cat/copy.jpg', 'cat/1.jpg', 'dog/cat.jpg'}.isdisjoint(
        convert(folder, 'copies') and content('copies')
    )
    flags = review(tmp_path, *drop('cat/0.jpg'), Decision('dog/cat.jpg', 'relabel', 'cat'))
    convert(folder, 'settled', *flags)
    held = content('settled')
    assert 'cat/copy.jpg' in held and 'cat/0.jpg' not in held
    assert held['cat/1.jpg'][1] == 'cat' and 'dog/cat.jpg' not in held


def test_ids_that_are_gone_are_counted_and_the_conversion_goes_on(tmp_path, capsys):
    folder = put_classes(tmp_path / 'photos', {'cat': 4, 'dog': 4})
    flags = review(tmp_path, *drop('cat/91.jpg', 'cat/92.jpg', 'cat/1.jpg'))
    assert convert(folder, 'gone', *flags)['review']['dropped'] == 1
    assert f'2 photos not in {folder} any more, the first is cat/91.jpg' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('decisions', 'words'),
    [
        (drop('bird/1.jpg', 'bird/2.jpg'), r'names none of the photos in .*\(the first is bird/1.jpg\)'),
        ([Decision('cat/1.jpg', 'relabel', 'Dog')], r"relabeled as 'Dog', which is no class of .*; similar"),
        (
            [Decision('cat/1.jpg', 'relabel', 'bird')],
            r"'bird', which is no class .*; the classes are cat, dog",
        ),
        (drop(*(f'cat/{place}.jpg' for place in range(4))), r'pictures of one class only \(dog\)'),
    ],
)
def test_lists_that_do_not_fit(tmp_path, decisions, words):
    folder = put_classes(tmp_path / 'photos', {'cat': 4, 'dog': 4})
    with pytest.raises(UserError, match=words):
        convert(folder, 'unfit', *review(tmp_path, *decisions))
    assert not paths.records('unfit').exists()


def cats_and_dogs(folder: Path, number: int) -> Path:
    for place in range(number):
        put(folder / f'cat.{place}.jpg', place)
        put(folder / f'dog.{place}.jpg', 100 + place)
    return folder


def drawn(folder: Path, name: str, *flags: str) -> dict[str, tuple[str, str]]:
    numbers = ['--train-per-class', '6', '--validation-per-class', '3', '--test-per-class', '3']
    dogs_vs_cats_to_tfrecords.main(
        ['--data', str(folder), '--name', name, *numbers, '--seed', '1', NO_BACKBONE, *flags]
    )
    return content(name)


@pytest.mark.parametrize('number', [12, 15])
def test_a_draw_leaves_the_other_photos_where_they_were(tmp_path, number):
    folder = cats_and_dogs(tmp_path / 'train', number)
    before = drawn(folder, f'drawn_{number}')
    test = sorted(id_ for id_, held in before.items() if held == ('test', 'cat'))
    flags = review(tmp_path, *drop(test[0]), Decision(test[1], 'relabel', 'dog'))
    after = drawn(folder, f'drawn_clean_{number}', *flags)
    added = after.keys() - before.keys()
    assert {after[id_] for id_ in added} == ({('test', 'cat')} if number > 12 else set())
    assert {id_: after[id_] for id_ in after.keys() - added} == {
        id_: ('test', 'dog') if id_ == test[1] else held for id_, held in before.items() if id_ != test[0]
    }


def test_stanford_dogs(tmp_path):
    put_classes(tmp_path / 'Images', {'n1-Beagle': 4, 'n2-Pug': 4})
    flags = review(tmp_path, *drop('n1-Beagle/1.jpg'), Decision('n1-Beagle/2.jpg', 'relabel', 'pug'))
    stanford_ds_to_tfrecords.main(['--data', str(tmp_path), '--name', 'breeds', NO_BACKBONE, *flags])
    held = content('breeds')
    assert 'n1-Beagle/1.jpg' not in held and held['n1-Beagle/2.jpg'][1] == 'pug' and len(held) == 7


def test_kaggles_unlabeled_photos_stay_and_dropped_ones_have_no_copies(tmp_path, capsys):
    for place in range(6):
        put(tmp_path / 'train' / f'a{place}.jpg', place)
    put(tmp_path / 'test' / 'b0.jpg', 50)
    rows = [f'a{place},{"pug" if place % 2 else "beagle"}' for place in range(6)]
    (tmp_path / 'labels.csv').write_text('\n'.join(['id,breed', *rows]) + '\n')
    flags = review(tmp_path, *drop('a1', 'b0'))
    kaggle_images_to_tfrecords.main(
        ['--data', str(tmp_path), '--name', 'kaggle_clean', NO_BACKBONE, '--augment', *flags]
    )
    held = content('kaggle_clean')
    assert held['b0'] == ('unlabelled', '') and not [id_ for id_ in held if id_.startswith('a1')]
    assert any('~' in id_ for id_ in held)
    assert '1 photo without a label left as before: b0' in capsys.readouterr().out


def test_cifar(tmp_path):
    write_cifar(tmp_path / 'batches')
    flags = review(tmp_path, *drop('test_batch/00001'))
    cifar10_to_tfrecords.main(['--data', str(tmp_path / 'batches'), '--name', 'small', *flags])
    assert 'test_batch/00001' not in content('small') and 'test_batch/00000' in content('small')
