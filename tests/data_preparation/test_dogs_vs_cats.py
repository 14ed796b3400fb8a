"""Dogs vs. Cats in Kaggle's and Microsoft's layouts, with splits drawn by number."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.data_preparation import dogs_vs_cats_to_tfrecords
from src.data_preparation.dogs_vs_cats_to_tfrecords import A_FOLDER, NO_CLASS, TWO_CLASSES, class_of
from src.records.dataset import labelled, open_records
from src.records.next_commands import to_convert
from tests.data_preparation.photos import POCKET, put
from tests.pictures import encoded

NO_BACKBONE = ['--no-backbone']


def kaggle(folder: Path, number: int = 12) -> Path:
    """Write so many photos of each class as Kaggle names them."""
    for place in range(number):
        put(folder / 'train' / f'cat.{place}.jpg', place)
        put(folder / 'train' / f'dog.{place}.jpg', 1000 + place)
    return folder


def zipped(folder: Path, path: Path, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, 'w') as made:
        for file in sorted(folder.rglob('*.jpg')):
            made.write(file, file.relative_to(folder).as_posix())
        for name, body in (extra or {}).items():
            made.writestr(name, body)
    return path


def convert(data: Path, name: str, *flags: str, backbone=NO_BACKBONE) -> dict:
    dogs_vs_cats_to_tfrecords.main(['--data', str(data), '--name', name, *flags, *backbone])
    return open_records(name).manifest


def per_class(train, validation, test, seed=1) -> list[str]:
    flags = ['--train-per-class', train, '--validation-per-class', validation, '--test-per-class', test]
    return [*map(str, flags), '--seed', str(seed)]


def ids(name: str) -> dict[str, list[str]]:
    records = open_records(name)
    return {
        split: sorted(id_ for some, _, _ in labelled(records, [split], {}, 50) for id_ in some)
        for split in records.counts
    }


def reasons(manifest: dict) -> dict[str, str]:
    return {Path(remark['file']).name: remark['reason'] for remark in manifest['remarks']}


def test_a_hash_splits_the_photos_by_default(tmp_path):
    manifest = convert(kaggle(tmp_path), 'hashed', backbone=POCKET)
    assert manifest['classes'] == ['cat', 'dog'] and manifest['split_by'] == 'hash' and 'draw' not in manifest
    assert sum(manifest['counts'].values()) == 24 and manifest['backbone']


def test_the_draw_takes_as_many_of_each_class_and_is_recorded(tmp_path, capsys):
    manifest = convert(kaggle(tmp_path), 'numbers', *per_class(6, 3, 2))
    assert manifest['counts'] == {'train': 12, 'validation': 6, 'test': 4}
    assert manifest['draw'] == {'train': 6, 'validation': 3, 'test': 2, 'seed': 1}
    for split, names in ids('numbers').items():
        cats = sum('cat' in name for name in names)
        assert 2 * cats == len(names) == manifest['counts'][split]
    assert 'drew 22 photos with seed 1; 2 left out' in capsys.readouterr().out
    assert '--train-per-class 6 --validation-per-class 3 --test-per-class 2 --seed 1' in to_convert('numbers')


def test_the_same_seed_draws_the_same_photos_from_any_copy(tmp_path):
    folder = kaggle(tmp_path / 'one')
    convert(folder, 'first', *per_class(6, 3, 2))
    (folder / 'train').rename(tmp_path / 'one' / 'elsewhere')
    put(folder / 'elsewhere' / 'cat.100.jpg', 0)  # a copy of cat.0.jpg
    again = convert(zipped(folder, tmp_path / 'one.zip'), 'again', *per_class(6, 3, 2))
    names = {split: [Path(id_).name for id_ in found] for split, found in ids('first').items()}
    assert names == {split: [Path(id_).name for id_ in found] for split, found in ids('again').items()}
    assert reasons(again)['cat.100.jpg'] == 'a copy of elsewhere/cat.0.jpg'
    convert(folder, 'other', *per_class(6, 3, 2, seed=2))
    assert names != {split: [Path(id_).name for id_ in found] for split, found in ids('other').items()}


def test_more_training_photos_leave_the_test_photos_as_they_are(tmp_path):
    folder = kaggle(tmp_path)
    convert(folder, 'few', *per_class(3, 3, 2))
    convert(folder, 'many', *per_class(7, 3, 2))
    few, many = ids('few'), ids('many')
    assert few['test'] == many['test'] and few['validation'] == many['validation']
    assert set(few['train']) < set(many['train'])


def test_shares_of_each_class(tmp_path):
    manifest = convert(kaggle(tmp_path), 'shares', *per_class('0.5', '0.25', '0.25'))
    assert manifest['counts'] == {'train': 12, 'validation': 6, 'test': 6}


def test_commas_stand_between_thousands(tmp_path):
    with pytest.raises(UserError, match=r'but 1,500 = 1,500 of each class are asked for'):
        convert(kaggle(tmp_path, 2), 'thousands', '--train-per-class', '1,500')


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['--train-per-class', '0.01'], '--train-per-class 0.01 of them is no photo, ask for a larger share'),
        (per_class(2, '0.01', 2), r'holds 12 cat photos .*: --validation-per-class 0.01 of them is no photo'),
    ],
)
def test_a_share_that_is_no_photo_is_refused(tmp_path, flags, words):
    with pytest.raises(UserError, match=words):
        convert(kaggle(tmp_path), 'no_share', *flags)
    assert not paths.records('no_share').exists()


def test_photos_that_cannot_be_decoded_are_replaced_by_others(tmp_path):
    folder = kaggle(tmp_path, 12)
    cut = sorted((folder / 'train').glob('cat.*'))[:3]
    for path in cut:
        path.write_bytes(path.read_bytes()[:-200])
    manifest = convert(folder, 'cut', *per_class(5, 2, 2))
    assert manifest['counts'] == {'train': 10, 'validation': 4, 'test': 4}
    assert set(reasons(manifest).values()) <= {'truncated'}
    with pytest.raises(UserError, match=r'holds 9 cat photos that can be used, but 6 \+ 2 \+ 2 = 10 of each'):
        convert(folder, 'cut_too_few', *per_class(6, 2, 2))


def test_fewer_photos_than_asked_for(tmp_path):
    folder = kaggle(tmp_path)
    (folder / 'train' / 'dog.3.jpg').unlink()
    with pytest.raises(UserError) as caught:
        convert(folder, 'few', *per_class(1000, 500, 500), '--overwrite')
    assert str(caught.value).endswith(
        'holds 12 cat and 11 dog photos that can be used, but 1,000 + 500 + 500 = 2,000 of each class are '
        'asked for: ask for fewer, or add photos'
    )


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['--test-per-class', '5'], 'give --train-per-class too'),
        (['--seed', '5'], '--seed is for splits that are drawn: give --train-per-class too'),
        (per_class('0.8', '0.2', '0.2'), r'the shares 0.8 \+ 0.2 \+ 0.2 are more than 1'),
    ],
)
def test_flags_that_do_not_go_together(tmp_path, flags, words):
    with pytest.raises(UserError, match=words):
        convert(kaggle(tmp_path, 1), 'flags', *flags)


@pytest.mark.parametrize('text', ['0', '-3', '1.5', 'all', '0,25', '12,5', '1,00'])
def test_what_is_no_number_of_photos_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        dogs_vs_cats_to_tfrecords.main([f'--train-per-class={text}'])
    assert 'is neither a number of photos such as 500 nor a share' in capsys.readouterr().err


def test_microsofts_copy_with_its_corrupt_files(tmp_path):
    pets = tmp_path / 'PetImages'
    for place in range(5):
        put(pets / 'Cat' / f'{place}.jpg', place)
        put(pets / 'Dog' / f'{place}.jpg', 1000 + place)
    (pets / 'Cat' / '666.jpg').touch()
    (pets / 'Dog' / '11702.jpg').touch()
    (pets / 'Dog' / '9500.jpg').write_text('<html>no picture</html>')
    (pets / 'Dog' / 'Thumbs.db').write_bytes(b'\xd0\xcf\x11\xe0')
    (pets / 'Cat' / '7.jpg').mkdir()
    (tmp_path / 'readme[1].txt').write_text('license')
    for data, name in ((tmp_path, 'whole'), (pets, 'pets')):
        manifest = convert(data, name)
        assert sum(manifest['counts'].values()) == 10 and manifest['classes'] == ['cat', 'dog']
        found = reasons(manifest)
        assert found.pop('readme[1].txt', NO_CLASS) == NO_CLASS
        assert found.pop('7.jpg').startswith('cannot be read: ')
        assert found == {'666.jpg': 'empty file', '11702.jpg': 'empty file', '9500.jpg': 'not an image'}
    listed = paths.skipped('whole').read_text()
    assert '666.jpg,skipped,empty file' in listed and 'readme[1].txt,not used' in listed


def test_a_zip_is_unpacked_beside_the_other_data_sets_once(tmp_path):
    archive = zipped(
        kaggle(tmp_path, 4),
        tmp_path / 'train.zip',
        {
            'train/cat.77.jpg/': b'',
            'train/dog.77.jpg/notes.txt': b'inside a folder that is named like a picture',
            '__MACOSX/train/._cat.0.jpg': b'of no interest',
        },
    )
    manifest = convert(archive, 'packed')
    assert sum(manifest['counts'].values()) == 8
    assert reasons(manifest) == {'cat.77.jpg': A_FOLDER, 'notes.txt': NO_CLASS}
    assert manifest['source'] == str(archive)
    photo = paths.DATA_DIR / 'packed' / 'train' / 'cat.0.jpg'
    before, other = photo.stat().st_ino, photo.with_name('cat.1.jpg')
    other.write_bytes(b'damaged')
    put(photo.with_name('cat.500.jpg'), 500)  # not of the archive
    shutil.rmtree(paths.records('packed'))
    assert convert(archive, 'packed')['fingerprint'] == manifest['fingerprint']
    assert photo.stat().st_ino == before and len(other.read_bytes()) > 100


def test_a_photo_of_one_color_is_a_photo(tmp_path):
    folder = kaggle(tmp_path, 3)
    (folder / 'train' / 'cat.9.jpg').write_bytes(encoded(np.full((40, 60, 3), 127, np.uint8), 'JPEG'))
    manifest = convert(folder, 'gray', '--train-per-class', '1.0')
    assert manifest['counts'] == {'train': 7} and manifest['remarks'] == []


def test_data_that_cannot_be_used_is_answered_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r'there is no .*nowhere: download train.zip'):
        convert(tmp_path / 'nowhere', 'none')
    (tmp_path / 'text.zip').write_text('no zip')
    with pytest.raises(UserError, match=r'text.zip is neither a folder nor a complete zip archive'):
        convert(tmp_path / 'text.zip', 'none')
    outer = tmp_path / 'outer'
    zipped(kaggle(tmp_path / 'inner', 1), outer.with_suffix('.zip'))
    outer.mkdir()
    outer.with_suffix('.zip').rename(outer / 'train.zip')
    put(outer / 'holiday.jpg', 5)
    with pytest.raises(UserError, match=r'holds no photos .*in its train.zip, use --data .*outer/train.zip'):
        convert(outer, 'none')
    assert not paths.records('none').exists()


@pytest.mark.parametrize(
    ('name', 'label'),
    [
        ('train/cat.0.jpg', 'cat'),
        ('DOG.12499.JPG', 'dog'),
        ('PetImages/Cat/17.jpg', 'cat'),
        ('Dog/dog.3.jpg', 'dog'),
        ('Cat/dog.3.jpg', None),
        ('test1/1.jpg', ''),
        ('cats/1.jpg', ''),
        ('concat.0.jpg', ''),
    ],
)
def test_the_class_in_a_path(name, label):
    assert class_of(name) == label


def test_a_photo_whose_folder_contradicts_its_name_is_left_out(tmp_path):
    folder = kaggle(tmp_path, 2)
    put(folder / 'Cat' / 'dog.9.jpg', 50)
    assert reasons(convert(folder, 'odd')) == {'dog.9.jpg': TWO_CLASSES}


def test_the_real_archive_gives_the_same_splits_again(real_data):
    archive = real_data / 'dogs_vs_cats' / 'train.zip'
    manifest = convert(archive, 'real', *per_class(20, 10, 10))
    assert manifest['counts'] == {'train': 40, 'validation': 20, 'test': 20}
    test = ids('real')['test']
    shutil.rmtree(paths.records('real'))
    assert convert(archive, 'real', *per_class(20, 10, 10))['fingerprint'] == manifest['fingerprint']
    assert ids('real')['test'] == test
    assert files.read_json(paths.manifest('real'))['draw']['seed'] == 1
