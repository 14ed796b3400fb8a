"""Finding and reading the pictures in a folder."""

from __future__ import annotations

import os

import pytest

from src.images.faults import BadImage, NotAPicture
from src.images.files import LINKED_BEFORE, folders_in, ignored, pictures_below, read_picture, walk
from src.images.find import find_pictures
from tests.pictures import encoded, photo

JPEG = encoded(photo())
LINKS = pytest.mark.skipif(os.name == 'nt', reason='links need a privilege there')


def put(folder, *names: str):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG)
    return folder


def below(folder) -> list[tuple[str, str]]:
    return [(os.path.relpath(path, folder).replace(os.sep, '/'), fault) for path, fault in walk(folder)]


@pytest.mark.parametrize('name', ['.a.jpg', '._a.jpg', '__MACOSX', 'Thumbs.db', 'thumbs.DB', 'desktop.ini'])
def test_ignored_names(name):
    assert ignored(name)
    assert not ignored('a' + name)


def test_files_are_sorted_and_come_before_subfolders(tmp_path):
    put(tmp_path, 'b/2.jpg', 'b/1', 'z.txt', 'a/c/3.jpg', 'a/x.jpg', '.git/4.jpg', '__MACOSX/b/5.jpg')
    assert below(tmp_path) == [(name, '') for name in ('z.txt', 'a/x.jpg', 'a/c/3.jpg', 'b/1', 'b/2.jpg')]


@LINKS
def test_linked_folders_are_followed_once(tmp_path):
    put(tmp_path, 'set/a/1.jpg', 'set/b/2.jpg', 'elsewhere/3.jpg')
    (tmp_path / 'elsewhere' / 'home').symlink_to(tmp_path / 'set' / 'a')
    (tmp_path / 'set' / 'a' / 'out').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'set' / 'a' / 'out again').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'set' / 'a' / 'up').symlink_to('..')
    (tmp_path / 'set' / 'a' / 'self').symlink_to('self')
    assert below(tmp_path / 'set' / 'a') == [
        ('1.jpg', ''), ('self', ''), ('out again', LINKED_BEFORE), ('up', LINKED_BEFORE),
        ('out/3.jpg', ''), ('out/home', LINKED_BEFORE),
    ]  # fmt: skip
    (tmp_path / 'set' / 'self').symlink_to(tmp_path)
    assert folders_in(tmp_path / 'set') == (['a', 'b'], ['self'])


@LINKS
def test_folders_that_link_to_one_another_are_walked_once(tmp_path):
    """Following every path would visit 2 to the power of 30 folders."""
    for depth in range(30):
        (tmp_path / str(depth)).mkdir()
        for name in 'ab':
            (tmp_path / str(depth) / name).symlink_to(tmp_path / str(depth + 1))
    put(tmp_path, '30/1.jpg')
    assert sum(path.endswith('1.jpg') for path, _ in walk(tmp_path / '0')) == 1
    pictures, _ = find_pictures([f'{tmp_path}/0/**/*.jpg'])
    assert len(pictures) == 1


@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may read everything')
def test_an_unreadable_folder(tmp_path):
    put(tmp_path, 'a/1.jpg', 'closed/2.jpg')
    (tmp_path / 'closed').chmod(0)
    try:
        with pytest.raises(PermissionError):
            below(tmp_path)
        assert pictures_below(tmp_path)[1] == [
            (str(tmp_path / 'closed'), 'cannot be read: Permission denied')
        ]
    finally:
        (tmp_path / 'closed').chmod(0o700)


def test_content_decides_and_only_the_start_of_other_files_is_read(tmp_path):
    put(tmp_path, 'photo.txt')
    assert read_picture(tmp_path / 'photo.txt') == JPEG
    with (tmp_path / 'film.jpg').open('wb') as film:
        film.write(b'\0\0\0\x18ftypmp42')
        film.truncate(1 << 40)  # a sparse file of a terabyte
    with pytest.raises(NotAPicture, match='not an image'):
        read_picture(tmp_path / 'film.jpg')
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(30))
    with pytest.raises(BadImage, match='HEIC, which is not read') as caught:
        read_picture(tmp_path / 'a.heic')
    assert not isinstance(caught.value, NotAPicture)
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path)
    pictures, left_out = pictures_below(tmp_path)
    assert [os.path.basename(path) for path in pictures] == ['a.heic', 'film.jpg', 'photo.txt']  # noqa: PTH119
    assert left_out == []
