"""Splits that depend on the bytes alone, duplicates, and lists of photos."""

from __future__ import annotations

import shutil
from collections import Counter
from hashlib import sha256

import pytest

from src.common import consts
from src.common.errors import UserError
from src.data_preparation.samples import Sample, class_names
from src.data_preparation.splits import plan, read_list, split_of, with_copies, with_test_list
from src.records.manifest import UNIFORM
from tests.data_preparation.photos import put


def samples_of(folder, number: int, label: str = 'a', **more) -> list[Sample]:
    return [Sample(f'{i}.jpg', put(folder / f'{i}.jpg', i), label, **more) for i in range(number)]


def test_shares_of_the_splits_are_those_of_consts():
    counts = Counter(split_of(sha256(b'%d' % i).hexdigest()) for i in range(20_000))
    assert counts['test'] / 20_000 == pytest.approx(consts.TEST_SHARE, abs=0.01)
    assert counts['validation'] / 20_000 == pytest.approx(consts.VALIDATION_SHARE, abs=0.01)


def test_learn_only_leaves_the_test_split_out():
    counts = Counter(split_of(sha256(b'%d' % i).hexdigest(), learn_only=True) for i in range(5_000))
    assert set(counts) == {'train', 'validation'}
    assert counts['validation'] / 5_000 == pytest.approx(consts.VALIDATION_SHARE, abs=0.02)


def test_a_split_does_not_depend_on_names_and_the_order_of_files(tmp_path):
    first, *_ = plan(samples_of(tmp_path / 'one', 30))
    renamed = [
        Sample(f'new {i}', shutil.copy(s.path, tmp_path / f'new {i}.jpeg'), 'a')
        for i, s in enumerate(reversed(samples_of(tmp_path / 'one', 30)))
    ]
    second, *_ = plan(renamed)
    assert [(p.digest, p.split) for p in second] == [(p.digest, p.split) for p in first]
    assert len({p.split for p in first}) > 1


def test_of_duplicates_the_one_in_the_test_list_is_kept(tmp_path):
    path = put(tmp_path / 'x.jpg', 1)
    listed = Sample('z', path, 'a', 'test')
    planned, remarks, _ = plan([Sample('b', path, 'a', 'train'), listed, Sample('c', path, 'a')])
    assert [p.sample for p in planned] == [listed]
    assert [r.reason for r in remarks] == ['a copy of z'] * 2


def test_a_photo_with_two_labels_is_skipped_and_both_are_named(tmp_path):
    path = put(tmp_path / 'x.jpg', 1)
    planned, remarks, _ = plan([Sample('1', path, 'cat'), Sample('2', path, 'dog')])
    assert planned == []
    assert [(r.outcome, r.reason) for r in remarks] == [
        ('skipped', 'the same picture has the labels cat and dog')
    ] * 2


def test_every_unlabeled_photo_is_kept_even_beside_a_labeled_copy(tmp_path):
    path = put(tmp_path / 'x.jpg', 1)
    unlabeled = [Sample(id_, path, None, consts.UNLABELLED) for id_ in 'pq']
    planned, remarks, _ = plan([Sample('1', path, 'cat'), *unlabeled])
    assert sorted(p.sample.id for p in planned) == ['1', 'p', 'q']
    assert remarks == []


def test_files_that_cannot_be_read_get_remarks(tmp_path):
    (tmp_path / 'empty.jpg').touch()
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'link.jpg').symlink_to(tmp_path / 'nowhere')
    bad = [Sample(name, tmp_path / f'{name}.jpg', 'a') for name in ('empty', 'folder', 'link')]
    planned, remarks, _ = plan([*bad, Sample('asked', tmp_path / 'empty.jpg', None, consts.UNLABELLED)])
    assert planned == []
    assert [(r.outcome, r.reason) for r in remarks] == [
        ('skipped', 'empty file'),
        ('skipped', 'cannot be read: Is a directory'),
        ('skipped', 'no such file'),
        (UNIFORM, 'empty file'),
    ]


def test_copies_are_made_of_training_photos_only(tmp_path):
    planned, *_ = plan(samples_of(tmp_path, 40))
    grown = with_copies(planned, ['dark', 'mirror'])
    copies = [p for p in grown if p.sample.copy]
    assert {p.split for p in copies} == {'train'}
    assert len(copies) == 2 * sum(p.split == 'train' for p in planned) > 0
    assert len({p.sample.id for p in grown}) == len(grown)


def test_class_names_are_sorted_and_need_two(tmp_path):
    assert class_names(['b', 'Ä', 'a', 'b'], tmp_path) == ['a', 'b', 'Ä']
    with pytest.raises(UserError, match=r'one class only \(b\)'):
        class_names(['b'], tmp_path)
    with pytest.raises(UserError, match='no pictures with a label'):
        class_names([], tmp_path)


@pytest.mark.parametrize('name', ['two\nlines', 'ros\udce9'])
def test_a_class_name_that_is_not_one_line_of_utf_8_is_refused(name, tmp_path):
    with pytest.raises(UserError, match='rename it'):
        class_names([name, 'a'], tmp_path)


def test_paths_in_a_test_list_are_relative_to_the_folder_or_its_parent(tmp_path):
    base = tmp_path / 'photos'
    samples = samples_of(base / 'a', 4)
    listed = tmp_path / 'list.txt'
    listed.write_text('\ufeffa/0.jpg\r\n\r\nphotos/a/1.jpg\n./a/2.jpg\n', encoding='utf-8')
    splits = {s.id: s.split for s in with_test_list(samples, listed, base)}
    assert splits == {'0.jpg': 'test', '1.jpg': 'test', '2.jpg': 'test', '3.jpg': 'learn'}


def test_links_in_a_test_list_are_not_resolved(tmp_path):
    base = tmp_path / 'photos'
    base.mkdir()
    (base / 'link.jpg').symlink_to(put(tmp_path / 'elsewhere' / 'x.jpg', 1))
    (tmp_path / 'list.txt').write_text('link.jpg\n')
    [sample] = with_test_list([Sample('1', base / 'link.jpg', 'a')], tmp_path / 'list.txt', base)
    assert sample.split == 'test'


def test_a_test_list_with_missing_photos_is_refused(tmp_path):
    samples = samples_of(tmp_path / 'a', 2)
    (tmp_path / 'list.txt').write_text('a/0.jpg\na/17.jpg\n')
    with pytest.raises(UserError, match=r'list.txt names 1 photo missing .* such as a/17.jpg'):
        with_test_list(samples, tmp_path / 'list.txt', tmp_path)
    with pytest.raises(UserError, match=r'cannot read the list .*nowhere.txt: No such file'):
        read_list(tmp_path / 'nowhere.txt')


def test_a_list_may_have_names_that_are_not_utf_8(tmp_path):
    (tmp_path / 'list.txt').write_bytes(b'caf\xe9.jpg\n')
    assert read_list(tmp_path / 'list.txt') == {'caf\udce9.jpg'}
