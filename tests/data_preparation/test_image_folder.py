"""Class folders: which files are taken, by which names, and what is refused."""

from __future__ import annotations

import csv
import os
import shutil
import sys

import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.dataset import load, open_records
from src.data_preparation.image_folder_to_tfrecords import image_folder_samples
from tests.data_preparation.photos import POCKET, put, put_classes


def convert(folder, name: str, *more: str):
    image_folder_to_tfrecords.main([str(folder), '--name', name, *POCKET, *more])
    return open_records(name)


def told() -> dict[str, str]:
    """File name to reason, as skipped.csv has them."""
    path = paths.METRICS_DIR / 'skipped.csv'
    with path.open(encoding='utf-8', errors='surrogateescape', newline='') as stream:
        return {row['file'].rpartition('/')[2]: row['reason'] for row in csv.DictReader(stream)}


def ids_of(records) -> set[str]:
    return {id_ for split in records.counts for id_ in load(records, split).ids}


def test_names_may_hold_blanks_and_any_script(tmp_path):
    folder = put_classes(tmp_path / 'meine Photos', {'Äpfel und Birnen': 5, '猫': 5})
    put(folder / '猫' / 'more' / 'ein Bild.JPG', 20)
    records = convert(folder, 'scripts')
    assert records.classes == ['Äpfel und Birnen', '猫']
    assert {'Äpfel und Birnen/0.jpg', '猫/more/ein Bild.JPG'} < ids_of(records)
    assert sum(records.counts.values()) == 11


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are Unicode elsewhere')
def test_file_names_may_be_any_bytes(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'a': 3, 'b': 3})
    put(os.fsencode(folder) + b'/a/caf\xe9.jpg', 20)
    bad = os.fsdecode(os.fsencode(folder) + b'/a/b\xe9d.jpg')
    shutil.copy(__file__, bad)
    assert 'a/caf\udce9.jpg' in ids_of(convert(folder, 'bytes'))
    assert told() == {'b\udce9d.jpg': 'not an image'}


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are Unicode elsewhere')
def test_a_class_folder_that_is_no_utf_8_is_refused_before_any_work(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'a': 1})
    put(os.fsencode(folder) + b'/ros\xe9/1.jpg', 2)
    with pytest.raises(UserError, match=r"'ros\\udce9' .* rename it"):
        convert(folder, 'badclass')
    assert not paths.records('badclass').exists()


def test_what_is_called_like_a_photo_and_is_none_is_listed(tmp_path):
    folder = put_classes(tmp_path, {'a': 4, 'b': 4})
    (folder / 'a' / 'folder.jpg').mkdir()
    (folder / 'a' / 'link.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    (folder / 'b' / 'notes.txt').write_text('not a photo')
    (folder / 'b' / '.hidden.jpg').write_text('of no interest')
    (folder / 'b' / 'Thumbs.db').write_text('of no interest')
    records = convert(folder, 'nophotos')
    assert sum(records.counts.values()) == 8
    assert told() == {
        'folder.jpg': 'cannot be read: Is a directory',
        'link.jpg': 'no such file',
        'notes.txt': 'not an image',
    }


def test_a_link_to_a_photo_or_a_class_is_followed(tmp_path):
    elsewhere = put_classes(tmp_path / 'elsewhere', {'b': 3})
    folder = put_classes(tmp_path / 'photos', {'a': 1}, first=10)
    (folder / 'b').symlink_to(elsewhere / 'b')
    (folder / 'a' / 'link.jpg').symlink_to(put(tmp_path / 'x.jpg', 20))
    assert [s.id for s in image_folder_samples(folder)] == [
        'a/0.jpg', 'a/link.jpg', 'b/0.jpg', 'b/1.jpg', 'b/2.jpg',
    ]  # fmt: skip


def test_a_class_with_one_photo_is_converted_and_told_of_if_it_is_not_trained(tmp_path, capsys):
    folder = put_classes(tmp_path / 'photos', {'a': 4, 'b': 4})
    lonely = put(folder / 'lonely' / 'x.jpg', 30)
    (tmp_path / 'list.txt').write_text('lonely/x.jpg\n')
    records = convert(folder, 'lonely', '--test-list', str(tmp_path / 'list.txt'))
    assert load(records, 'test').ids == [f'lonely/{lonely.name}']
    assert records.manifest['untrained'] == ['lonely']
    assert 'class lonely has no training photo' in capsys.readouterr().out


def test_one_class_and_no_class_are_refused(tmp_path):
    with pytest.raises(UserError, match='holds no folders of photos'):
        convert(tmp_path, 'none')
    put(tmp_path / 'only' / '1.jpg', 1)
    with pytest.raises(UserError, match=r'one class only \(only\)'):
        convert(tmp_path, 'one')
    with pytest.raises(UserError, match=r'cannot read the folder .*nowhere: No such file'):
        convert(tmp_path / 'nowhere', 'nowhere')


def test_the_same_photo_in_two_classes_is_learned_in_neither(tmp_path):
    folder = put_classes(tmp_path, {'a': 4, 'b': 4})
    shutil.copy(folder / 'a' / '0.jpg', folder / 'b' / 'again.jpg')
    records = convert(folder, 'both')
    assert ids_of(records) == {f'{c}/{i}.jpg' for c in 'ab' for i in range(4)} - {'a/0.jpg'}
    assert told() == dict.fromkeys(['0.jpg', 'again.jpg'], 'the same picture stands under a and b')


def test_folders_called_train_and_test_are_the_splits(tmp_path):
    put_classes(tmp_path / 'train', {'a': 12, 'b': 12})
    put_classes(tmp_path / 'Test', {'a': 3, 'b': 3}, first=50)
    shutil.copy(tmp_path / 'train' / 'a' / '0.jpg', tmp_path / 'Test' / 'a' / 'copy.jpg')
    records = convert(tmp_path, 'splits')
    tested = set(load(records, 'test').ids)
    assert tested == {f'Test/{c}/{i}.jpg' for c in 'ab' for i in range(3)} | {'Test/a/copy.jpg'}
    assert all(id_.startswith('train/') for id_ in ids_of(records) - tested)
    assert told() == {'0.jpg': 'a copy of Test/a/copy.jpg'}


def test_a_validation_folder_leaves_all_of_train_to_training(tmp_path):
    for split, first in (('training', 0), ('val', 40), ('test', 50)):
        put_classes(tmp_path / split, {'a': 15 if first == 0 else 2, 'b': 2}, first=first)
    splits = {s.id.split('/')[0]: s.split for s in image_folder_samples(tmp_path)}
    assert splits == {'training': 'train', 'val': 'validation', 'test': 'test'}


def test_a_class_may_be_called_train(tmp_path):
    put_classes(tmp_path, {'car': 1, 'train': 1, 'test': 1})
    assert {s.label: s.split for s in image_folder_samples(tmp_path)} == {
        'car': None, 'train': None, 'test': None,
    }  # fmt: skip


def test_a_test_list_that_matches_nothing_is_refused(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'a': 2, 'b': 2})
    (tmp_path / 'list.txt').write_text('a/0.jpg\nc/9.jpg\n')
    with pytest.raises(UserError, match=r'list.txt names 1 photo missing .* such as c/9.jpg'):
        convert(folder, 'listed', '--test-list', str(tmp_path / 'list.txt'))
