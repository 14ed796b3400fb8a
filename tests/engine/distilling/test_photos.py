"""Photos of folders, archives and records as pixels on the disk."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords
from src.engine.distilling.photo_sources import source_of
from src.engine.distilling.photos import Photos, left_out, stored
from src.images.decode import decode_with_pillow
from tests.pictures import encoded, photo

SIDE = 32


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """Four photos of two classes, one of them twice, a text file and a damaged picture."""
    made = tmp_path_factory.mktemp('photos')
    for place, name in enumerate(['a/1.jpg', 'a/2.png', 'b/3.jpg', 'b/4.jpg']):
        (made / name).parent.mkdir(exist_ok=True)
        kind = {'.jpg': 'JPEG', '.png': 'PNG'}[Path(name).suffix]
        (made / name).write_bytes(encoded(photo(30, 20 + 40 * place, seed=place).astype(np.uint8), kind))
    (made / 'b' / 'copy.jpg').write_bytes((made / 'b' / '3.jpg').read_bytes())
    (made / 'b' / 'broken.jpg').write_bytes((made / 'b' / '3.jpg').read_bytes()[:200])
    (made / 'notes.txt').write_text('no picture')
    return made


def test_photos_are_decoded_once_and_at_most_of_the_stored_side(folder, monkeypatch):
    opened = stored(source_of(str(folder)), SIDE)
    assert opened.names == ['a/1.jpg', 'a/2.png', 'b/3.jpg', 'b/4.jpg', 'b/copy.jpg']
    assert opened.skipped.keys() == {'b/broken.jpg'}
    assert 'truncated' in opened.skipped['b/broken.jpg']
    assert opened.sizes.tolist() == [[20, 30], [60, 30], [100, 30], [140, 30], [100, 30]]
    np.testing.assert_array_equal(opened.photo(1), decode_with_pillow((folder / 'a' / '2.png').read_bytes()))
    small = stored(source_of(str(folder)), 16)
    assert small.sizes.tolist() == [[16, 24], [32, 16], [53, 16], [75, 16], [53, 16]]
    monkeypatch.setattr('src.engine.distilling.photos.decode_with_pillow', None)
    assert stored(source_of(str(folder)), SIDE).names == opened.names


def test_a_changed_folder_is_decoded_again(folder, tmp_path):
    copy = tmp_path / 'copy'
    for file in ('1.jpg', '2.png'):
        copy.mkdir(exist_ok=True)
        (copy / file).write_bytes((folder / 'a' / file).read_bytes())
    assert len(stored(source_of(str(copy)), SIDE).names) == 2
    (copy / '3.jpg').write_bytes((folder / 'b' / '3.jpg').read_bytes())
    assert len(stored(source_of(str(copy)), SIDE).names) == 3


@pytest.mark.parametrize('kind', ['tar', 'tar.gz', 'zip'])
def test_archives_hold_the_same_photos(folder, tmp_path, kind):
    path = tmp_path / f'photos.{kind}'
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w') as made:
            for file in sorted(folder.rglob('*.*')):
                made.write(file, f'all/{file.relative_to(folder).as_posix()}')
    else:
        with tarfile.open(path, 'w:gz' if kind == 'tar.gz' else 'w') as made:
            made.add(folder, 'all')
    opened, wanted = stored(source_of(str(path)), SIDE), stored(source_of(str(folder)), SIDE)
    assert set(opened.digests) == set(wanted.digests)
    assert Photos([opened, wanted]).fingerprint == Photos([wanted]).fingerprint
    assert {name.removeprefix('all/') for name in opened.names} == set(wanted.names)
    assert opened.skipped.keys() == {'all/b/broken.jpg'}


def test_records_are_photos_too(folder):
    image_folder_to_tfrecords.main([str(folder), '--name', 'few', '--no-backbone'])
    opened = stored(source_of('few'), SIDE)
    assert len(opened.names) == 4  # the converter leaves the copy out
    assert set(opened.digests) <= set(stored(source_of(str(folder)), SIDE).digests)


def test_copies_are_used_once_and_listed_photos_not_at_all(folder, tmp_path):
    opened = stored(source_of(str(folder)), SIDE)
    assert sorted(Photos([opened]).names) == ['a/1.jpg', 'a/2.png', 'b/3.jpg', 'b/4.jpg']
    listed = tmp_path / 'unseen.txt'
    listed.write_text('Images/a/2.png\nImages/b/copy.jpg\nImages/b/other.jpg\n\n')
    keep, unmet = left_out(listed)
    photos = Photos([opened], keep)
    assert sorted(photos.names) == ['a/1.jpg', 'b/4.jpg']  # without 3.jpg, of which copy.jpg is a copy
    assert photos.refused == 2 and unmet == {'b/other.jpg'}
    np.testing.assert_array_equal(photos[photos.names.index('b/4.jpg')], opened.photo(3))


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda path: path.mkdir(), 'holds no photos that can be read'),
        (lambda path: path.write_text('text'), 'neither a folder nor a tar or zip archive'),
        (lambda path: None, 'there is no folder, archive or data set'),
    ],
)
def test_a_source_without_photos_is_refused(tmp_path, make, message):
    place = tmp_path / 'place'
    make(place)
    with pytest.raises(UserError, match=message):
        stored(source_of(str(place)), SIDE)


def test_a_damaged_archive_is_refused(folder, tmp_path):
    path = tmp_path / 'photos.tar.gz'
    with tarfile.open(path, 'w:gz') as made:
        made.add(folder, 'all')
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UserError, match='is damaged'):
        stored(source_of(str(path)), SIDE)


def test_a_folder_of_pixels_that_was_cut_off_is_refused(folder):
    opened = stored(source_of(str(folder)), 24)
    place = next((paths.DATA_DIR / 'photos').glob('*-24')) / 'pixels'
    del opened
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(UserError, match='is damaged: delete it'):
        stored(source_of(str(folder)), 24)


@pytest.mark.parametrize('text', ['', 'other,columns\n1,2\n', 'name,height,width,sha256,skipped\na,x,y,z,\n'])
def test_a_damaged_table_is_named(folder, text):
    stored(source_of(str(folder)), 20)
    table = next((paths.DATA_DIR / 'photos').glob('*-20')) / 'photos.csv'
    before = table.read_text()
    table.write_text(text)
    try:
        with pytest.raises(UserError, match='is damaged: delete it'):
            stored(source_of(str(folder)), 20)
    finally:
        table.write_text(before)


def test_an_archive_with_a_flipped_bit_is_refused(folder, tmp_path):
    path = tmp_path / 'photos.tar.gz'
    with tarfile.open(path, 'w:gz') as made:
        made.add(folder, 'all')
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of gzip's checksum
    path.write_bytes(data)
    with pytest.raises(UserError, match='is damaged'):
        stored(source_of(str(path)), SIDE)


def test_a_link_to_a_missing_file_is_skipped_and_named(folder, tmp_path):
    photos = tmp_path / 'photos'
    photos.mkdir()
    (photos / 'good.jpg').write_bytes((folder / 'a' / '1.jpg').read_bytes())
    (photos / 'link.jpg').symlink_to(tmp_path / 'gone.jpg')
    opened = stored(source_of(str(photos)), SIDE)
    assert opened.names == ['good.jpg']
    assert opened.skipped == {'link.jpg': 'cannot be read: No such file or directory'}
    (tmp_path / 'gone.jpg').write_bytes((folder / 'a' / '2.png').read_bytes())
    assert stored(source_of(str(photos)), SIDE).names == ['good.jpg', 'link.jpg']


def test_encrypted_photos_of_an_archive_are_skipped_and_named(folder, tmp_path):
    archive, encrypted = tmp_path / 'some.zip', 1
    with zipfile.ZipFile(archive, 'w') as made:
        for name in ('1.jpg', '2.png'):
            made.write(folder / 'a' / name, name)
    data = bytearray(archive.read_bytes())
    data[data.rindex(b'PK\x01\x02') + 8] |= encrypted  # the flags of the last entry
    archive.write_bytes(data)
    opened = stored(source_of(str(archive)), SIDE)
    assert opened.names == ['1.jpg'] and opened.skipped == {'2.png': 'is encrypted'}


def test_an_empty_word_is_not_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="there is no folder, archive or data set ''"):
        source_of('')


@pytest.mark.parametrize('data', ['a/1.jpg\n'.encode('utf-16'), bytes(range(256))], ids=['UTF-16', 'binary'])
def test_a_list_of_photos_to_leave_out_has_to_be_text(tmp_path, data):
    (tmp_path / 'list.txt').write_bytes(data)
    with pytest.raises(UserError, match=r'list\.txt is no UTF-8 text'):
        left_out(tmp_path / 'list.txt')


@pytest.mark.parametrize('height', ['-20', '0', '9' * 20, 'x'])
def test_sizes_that_no_photo_has_are_damage(folder, tmp_path, height):
    shutil.copy(folder / 'a' / '1.jpg', tmp_path)
    source = source_of(str(tmp_path))
    stored(source, SIDE)
    table = paths.DATA_DIR / 'photos' / f'{source.signature}-{SIDE}' / 'photos.csv'
    table.write_text(table.read_text().replace(',20,30,', f',{height},{height},'))
    with pytest.raises(UserError, match='is damaged: delete it, then repeat the command'):
        stored(source, SIDE)


@pytest.mark.parametrize('line', ['a/1.jpg', '1.jpg', '/other/place/a/1.jpg'])
def test_photos_right_below_a_folder_are_left_out_with_its_name_and_without(folder, tmp_path, line):
    (tmp_path / 'list.txt').write_text(f'{line}\nb/2.png\n')
    keep, unmet = left_out(tmp_path / 'list.txt')
    photos = Photos([stored(source_of(str(folder / 'a')), SIDE)], keep)
    assert photos.names == ['2.png'] and photos.refused == 1 and unmet == {'b/2.png'}
