"""Class folders: which files are used, names of folders, and folders that are refused."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import socket
import sys

import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion import convert as conversion
from src.data_preparation.conversion.job import claim
from src.data_preparation.samples import Unused
from src.images.files import LINKED_BEFORE
from src.records.dataset import load, open_records
from tests.data_preparation.photos import POCKET, put, put_classes


def convert(folder, name: str, *more: str):
    image_folder_to_tfrecords.main([str(folder), '--name', name, *POCKET, *more])
    return open_records(name)


def reasons(name: str) -> dict[str, str]:
    """The reason for each file name in the list of skipped files."""
    with paths.skipped(name).open(encoding='utf-8', errors='surrogateescape', newline='') as stream:
        return {row['file'].rpartition('/')[2]: row['reason'] for row in csv.DictReader(stream)}


def ids_of(records) -> set[str]:
    return {id_ for split in records.counts for id_ in load(records, split).ids}


def test_names_may_have_spaces_and_any_script(tmp_path):
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
    assert reasons('bytes') == {'b\udce9d.jpg': 'not an image'}


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are Unicode elsewhere')
def test_a_class_folder_that_is_not_utf_8_is_refused_before_the_conversion(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'a': 1})
    put(os.fsencode(folder) + b'/ros\xe9/1.jpg', 2)
    with pytest.raises(UserError, match=r"'ros\\udce9' .* rename it"):
        convert(folder, 'badclass')
    assert not paths.records('badclass').exists()


def test_files_that_are_no_photos_are_listed(tmp_path):
    folder = put_classes(tmp_path, {'a': 4, 'b': 4})
    (folder / 'a' / 'folder.jpg').mkdir()
    (folder / 'a' / 'link.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    (folder / 'b' / 'notes.txt').write_text('not a photo')
    (folder / 'b' / '.hidden.jpg').write_text('of no interest')
    (folder / 'b' / 'Thumbs.db').write_text('of no interest')
    records = convert(folder, 'nophotos')
    assert sum(records.counts.values()) == 8
    assert reasons('nophotos') == {
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


def test_a_class_without_training_photos_is_converted_and_reported(tmp_path, capsys):
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


def test_the_same_photo_in_two_classes_is_skipped(tmp_path):
    folder = put_classes(tmp_path, {'a': 4, 'b': 4})
    shutil.copy(folder / 'a' / '0.jpg', folder / 'b' / 'again.jpg')
    records = convert(folder, 'both')
    assert ids_of(records) == {f'{c}/{i}.jpg' for c in 'ab' for i in range(4)} - {'a/0.jpg'}
    assert reasons('both') == dict.fromkeys(['0.jpg', 'again.jpg'], 'the same picture has the labels a and b')


def test_folders_named_train_and_test_are_the_splits(tmp_path):
    put_classes(tmp_path / 'train', {'a': 12, 'b': 12})
    put_classes(tmp_path / 'Test', {'a': 3, 'b': 3}, first=50)
    shutil.copy(tmp_path / 'train' / 'a' / '0.jpg', tmp_path / 'Test' / 'a' / 'copy.jpg')
    records = convert(tmp_path, 'splits')
    tested = set(load(records, 'test').ids)
    assert tested == {f'Test/{c}/{i}.jpg' for c in 'ab' for i in range(3)} | {'Test/a/copy.jpg'}
    assert all(id_.startswith('train/') for id_ in ids_of(records) - tested)
    assert reasons('splits') == {'0.jpg': 'a copy of Test/a/copy.jpg'}


def test_with_a_validation_folder_the_whole_training_folder_is_for_training(tmp_path):
    for split, first in (('training', 0), ('val', 40), ('test', 50)):
        put_classes(tmp_path / split, {'a': 15 if first == 0 else 2, 'b': 2}, first=first)
    splits = {s.id.split('/')[0]: s.split for s in image_folder_samples(tmp_path)}
    assert splits == {'training': 'train', 'val': 'validation', 'test': 'test'}


def test_a_class_may_be_named_train(tmp_path):
    put_classes(tmp_path, {'car': 1, 'train': 1, 'test': 1})
    assert {s.label: s.split for s in image_folder_samples(tmp_path)} == {
        'car': None, 'train': None, 'test': None,
    }  # fmt: skip


def test_a_test_list_that_matches_nothing_is_refused(tmp_path):
    folder = put_classes(tmp_path / 'photos', {'a': 2, 'b': 2})
    (tmp_path / 'list.txt').write_text('a/0.jpg\nc/9.jpg\n')
    with pytest.raises(UserError, match=r'list.txt names 1 photo missing .* such as c/9.jpg'):
        convert(folder, 'listed', '--test-list', str(tmp_path / 'list.txt'))


def labels_and_splits(folder, choice: str | None = None) -> set[tuple[str, str | None]]:
    samples = image_folder_samples(folder, choice)
    return {(s.label, s.split) for s in samples if not isinstance(s.path, Unused)}


@pytest.mark.parametrize(
    ('names', 'splits'),
    [
        ('training_set test_set', 'learn test'),
        ('Training Testing', 'learn test'),
        ('TRAIN VAL', 'train validation'),
        ('train dev', 'train validation'),
        ('train eval', 'train validation'),
        ('train valid eval', 'train validation test'),
        ('trainImages test-images', 'learn test'),
        ('train2017 val2017', 'train validation'),
        ('seg_train seg_test', 'learn test'),
    ],
)
def test_splits_have_many_names(names, splits, tmp_path, capsys):
    for place, name in enumerate(names.split()):
        put_classes(tmp_path / name, {'a': 1, 'b': 1}, first=10 * place)
    (tmp_path / 'notes').mkdir()
    (tmp_path / 'notes' / 'of no interest.txt').write_text('no picture')
    assert labels_and_splits(tmp_path) == {(label, split) for label in 'ab' for split in splits.split()}
    assert f'{names.split()[0]}/ is train' in capsys.readouterr().out


@pytest.mark.parametrize(
    'layout',
    [
        'bus car train/steam train/diesel',  # train may be a class
        'train/a train/b test/a test/b birds',  # a class beside splits
        'train/a train/b test/c test/d',  # splits without a common class
        'daisy/small daisy/large rose/small rose/large',  # the same folders in folders that are not splits
        'train/a train/b test/a test/b more/a more/b',
    ],
)
def test_an_ambiguous_layout_is_refused_with_both_readings(layout, tmp_path):
    for place, name in enumerate(layout.split()):
        put(tmp_path / name / '1.jpg', place)
    with pytest.raises(UserError) as refused:
        image_folder_samples(tmp_path)
    tops = sorted({name.partition('/')[0] for name in layout.split()})
    assert f'its folders are the classes ({", ".join(tops)}): add --class-folders top' in str(refused.value)
    assert '--class-folders inside' in str(refused.value)
    assert labels_and_splits(tmp_path, 'top') == {(top, None) for top in tops}


def test_splits_without_class_folders_are_classes_on_request_only(tmp_path):
    for place, name in enumerate(('train', 'Test')):
        put(tmp_path / name / '1.jpg', place)
    with pytest.raises(UserError, match=r'\(Test, train\) are named like splits .* --class-folders top'):
        image_folder_samples(tmp_path)
    assert labels_and_splits(tmp_path, 'top') == {('train', None), ('Test', None)}


def test_the_flag_chooses_the_folders_inside(tmp_path):
    for place, name in enumerate(['bus', 'car', 'train/steam', 'train/diesel']):
        put(tmp_path / 'a' / name / '1.jpg', place)
    assert labels_and_splits(tmp_path / 'a', 'inside') == {('steam', 'learn'), ('diesel', 'learn')}
    for place, name in enumerate(['2019/a', '2019/b', '2020/a', '2020/b']):
        put(tmp_path / 'b' / name / '1.jpg', place)
    assert labels_and_splits(tmp_path / 'b', 'inside') == {('a', None), ('b', None)}
    for place, name in enumerate(['train/a', 'test/a', 'more/b']):
        put(tmp_path / 'c' / name / '1.jpg', place)
    assert labels_and_splits(tmp_path / 'c', 'inside') == {('a', 'learn'), ('a', 'test'), ('b', 'learn')}
    put_classes(tmp_path / 'd', {'a': 1, 'b': 1})
    with pytest.raises(UserError, match='its folders hold no folders: use --class-folders top'):
        image_folder_samples(tmp_path / 'd', 'inside')


def test_nested_folders_of_a_class_belong_to_it(tmp_path):
    for place, name in enumerate(['a/x/y', 'b/x/y', 'c', 'c/red']):
        put(tmp_path / name / '1.jpg', place)
    assert labels_and_splits(tmp_path) == {('a', None), ('b', None), ('c', None)}


def test_a_folder_around_the_class_folders_is_reported(tmp_path):
    put_classes(tmp_path / 'flowers', {'daisy': 1, 'rose': 1})
    with pytest.raises(UserError, match=r'holds one folder only \(flowers\): .* name .*/flowers instead'):
        image_folder_samples(tmp_path)


def test_unused_files_are_printed_and_listed(tmp_path, capsys):
    put_classes(tmp_path / 'train', {'a': 4, 'b': 4})
    put_classes(tmp_path / 'test', {'a': 1, 'b': 1}, first=20)
    (tmp_path / 'train' / 'empty').mkdir()
    (tmp_path / 'train' / 'words').mkdir()
    (tmp_path / 'train' / 'words' / 'a.txt').write_text('no picture')
    (tmp_path / 'docs').mkdir()
    for name in ('docs/1.txt', 'docs/2.txt', 'labels.csv', '.hidden'):
        (tmp_path / name).write_text('no picture')
    put(tmp_path / 'train' / 'beside.jpg', 30)
    (tmp_path / 'train' / 'a' / 'up').symlink_to(tmp_path)
    (tmp_path / 'self').symlink_to(tmp_path)
    assert convert(tmp_path, 'unused').classes == ['a', 'b']
    assert reasons('unused') == {
        'beside.jpg': 'beside the class folders, so it has no class',
        'labels.csv': 'beside the class folders, so it has no class',
        'docs': 'no class folders in it: 2 files',
        'empty': 'an empty folder, so no class',
        'a.txt': 'not an image',
        'up': LINKED_BEFORE,
        'self': LINKED_BEFORE,
    }
    out = capsys.readouterr().out
    for name in ('train/beside.jpg', 'labels.csv', 'docs', 'train/empty', 'train/a/up', 'self'):
        assert f'{tmp_path}/{name}' in out
    assert '6 files not used' in out and '1 file skipped' in out and 'unused_skipped.csv' in out


def test_a_class_needs_a_picture_with_whatever_ending(tmp_path):
    put_classes(tmp_path, {'a': 2, 'b': 2})
    for name, ending in (('c', '.txt'), ('d', ''), ('e', '.jfif')):
        put(tmp_path / name / '1.jpg', ord(name)).rename(tmp_path / name / f'1{ending}')
    (tmp_path / 'words').mkdir()
    (tmp_path / 'words' / 'text.jpg').write_text('no picture')
    assert convert(tmp_path, 'content').classes == ['a', 'b', 'c', 'd', 'e']
    assert reasons('content') == {'text.jpg': 'not an image'}


def test_photos_in_unsupported_formats_are_listed_and_named_as_the_reason(tmp_path):
    for name in ('a/1.heic', 'a/2', 'b/3.HEIC'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'\0\0\0\x18ftypheic' + bytes(40))
    reason = 'HEIC, which is not read: save it as JPEG'
    with pytest.raises(UserError, match=f'no pictures with a label; 3 files skipped: {reason}'):
        convert(tmp_path, 'heic')
    put_classes(tmp_path, {'b': 2, 'c': 2})
    assert convert(tmp_path, 'heic').classes == ['b', 'c']
    assert reasons('heic') == dict.fromkeys(['1.heic', '2', '3.HEIC'], reason)


def test_a_conversion_keeps_the_list_of_another_data_set(tmp_path):
    for name in ('first', 'second'):
        put_classes(tmp_path / name, {'a': 2, 'b': 2})
        (tmp_path / name / 'a' / f'{name}.txt').write_text('no picture')
        convert(tmp_path / name, name)
    assert reasons('first') == {'first.txt': 'not an image'}
    assert reasons('second') == {'second.txt': 'not an image'}


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='the system has no named pipes')
def test_pipes_and_devices_are_listed_and_not_read(tmp_path):
    put_classes(tmp_path, {'a': 2, 'b': 2})
    os.mkfifo(tmp_path / 'a' / 'pipe.jpg')
    (tmp_path / 'b' / 'link.jpg').symlink_to(tmp_path / 'a' / 'pipe.jpg')
    (tmp_path / 'b' / 'zero.jpg').symlink_to('/dev/zero')
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.path.relpath(tmp_path / 'a' / 'socket.jpg'))
        convert(tmp_path, 'pipes')
    assert reasons('pipes') == {
        'pipe.jpg': 'a named pipe, not a file',
        'link.jpg': 'a named pipe, not a file',
        'zero.jpg': 'a device, not a file',
        'socket.jpg': 'a socket, not a file',
    }


@pytest.mark.parametrize('backbone', [POCKET, ['--no-backbone']], ids=['backbone', 'pixels'])
def test_a_photo_that_changes_after_it_was_hashed_is_skipped(backbone, tmp_path, monkeypatch):
    folder = put_classes(tmp_path, {'a': 8, 'b': 8})

    def claim_late(*arguments):
        put(folder / 'a' / '3.jpg', 99)
        (folder / 'b' / '4.jpg').unlink()
        claim(*arguments)

    monkeypatch.setattr(conversion, 'claim', claim_late)
    name = 'changed' + backbone[0].strip('-').partition('-')[0]
    image_folder_to_tfrecords.main([str(folder), '--name', name, *backbone])
    assert sum(open_records(name).counts.values()) == 14
    assert reasons(name)['3.jpg'] == 'changed during the conversion: convert again with --overwrite'
    assert reasons(name)['4.jpg'].startswith('cannot be read: ')
