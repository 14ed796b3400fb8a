"""Valid, malicious and half unpacked zip archives."""

from __future__ import annotations

import collections
import random
import shutil
import stat
import zipfile

import pytest

from src.common.errors import UserError
from src.downloads import zips
from src.downloads.zips import unpack
from tests.downloads.unpacked import tree


def zipped(path, entries: dict[str, bytes], modes: dict[str, int] | None = None):
    """Write a zip archive; names that end with / are folders."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as made:
        for name, body in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            made.writestr(info, body)
    return path


GOOD = {'d/': b'', 'd/a': b'1', './d/b': b'22', 'e\\c': b'3', 'empty.jpg/': b''}


def test_files_are_written_and_folders_listed(goal, tmp_path):
    content = unpack(zipped(tmp_path / 'a.zip', GOOD, {'d/': stat.S_IFDIR | 0o755}), goal)
    assert content == (['d/a', 'd/b', 'e/c'], ['d', 'empty.jpg'])
    assert tree(goal) == ['d', 'd/a', 'd/b', 'e', 'e/c', 'mine'] and (goal / 'd/b').read_bytes() == b'22'


def test_what_is_there_and_right_stays_and_the_rest_is_written(goal, tmp_path):
    made = zipped(tmp_path / 'a.zip', {'a': b'1111', 'b': b'2222', 'c': b'3333'})
    (goal / 'a').write_bytes(b'1111')
    (goal / 'b').write_bytes(b'2x22')  # damaged: of the same size
    (goal / '.c.123.tmp').write_bytes(b'33')  # of a run that was killed
    before = (goal / 'a').stat()
    unpack(made, goal)
    assert (goal / 'a').stat().st_ino == before.st_ino
    assert [(goal / name).read_bytes() for name in 'abc'] == [b'1111', b'2222', b'3333']
    assert tree(goal) == ['a', 'b', 'c', 'mine']


def test_ctrl_c_leaves_whole_files_only_and_the_next_run_goes_on(goal, tmp_path, monkeypatch):
    made = zipped(tmp_path / 'a.zip', {'a': b'1111', 'b': b'2222', 'c': b'3333'})
    copy, written = shutil.copyfileobj, []

    def stops(source, out, size):
        written.append(out.name)
        if len(written) == 2:
            out.write(b'22')
            raise KeyboardInterrupt
        copy(source, out, size)

    with monkeypatch.context() as patch:
        patch.setattr(zips.shutil, 'copyfileobj', stops)
        with pytest.raises(KeyboardInterrupt):
            unpack(made, goal)
    assert tree(goal) == ['a', 'mine']
    first = (goal / 'a').stat().st_ino
    unpack(made, goal)
    assert tree(goal) == ['a', 'b', 'c', 'mine'] and (goal / 'a').stat().st_ino == first


EVIL = {
    '../evil': 'leads out of the folder',
    'd/../../evil': 'leads out of the folder',
    'd\\..\\..\\evil': 'leads out of the folder',
    '/tmp/rootstock-evil': 'leads out of the folder',
    'C:/evil': 'leads out of the folder',
    '../evil/': 'leads out of the folder',
    'link': 'is a link or a special file',
    'pipe': 'is a link or a special file',
}


@pytest.mark.parametrize('name', EVIL)
def test_malicious_members_are_refused(goal, tmp_path, name):
    modes = {'link': stat.S_IFLNK | 0o777, 'pipe': stat.S_IFIFO | 0o644}
    made = zipped(tmp_path / 'a.zip', {'first': b'1', name: b'/etc/passwd'}, modes)
    with pytest.raises(UserError, match=EVIL[name]) as caught:
        unpack(made, goal)
    assert 'nothing was written' in str(caught.value) and repr(name) in str(caught.value)
    assert tree(tmp_path) == ['a.zip', 'goal', 'goal/mine']


def test_encrypted_members_are_refused(goal, tmp_path):
    made = zipped(tmp_path / 'a.zip', {'a': b'1'})
    data = bytearray(made.read_bytes())
    data[data.index(b'PK\x01\x02') + 8] |= 1  # the flags in the central directory
    made.write_bytes(data)
    with pytest.raises(UserError, match="'a' is encrypted"):
        unpack(made, goal)


def test_an_archive_larger_than_the_disk(goal, tmp_path, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(1500))
    with pytest.raises(UserError, match='unpacks to more than the free'):
        unpack(zipped(tmp_path / 'a.zip', {'a': bytes(1000), 'b': bytes(1000)}), goal)
    assert tree(goal) == ['mine']


@pytest.mark.parametrize('body', [b'', b'no zip', b'PK\x03\x04' + bytes(100)])
def test_a_file_that_is_no_zip(goal, tmp_path, body):
    (tmp_path / 'a.zip').write_bytes(body)
    with pytest.raises(UserError, match=r'a\.zip is no zip archive or damaged .*download it again'):
        unpack(tmp_path / 'a.zip', goal)


def test_a_zip_without_files(goal, tmp_path):
    with pytest.raises(UserError, match='holds no files'):
        unpack(zipped(tmp_path / 'a.zip', {}), goal)


def test_a_damaged_member_is_not_kept(goal, tmp_path):
    made = zipped(tmp_path / 'a.zip', {'a': bytes(range(256)) * 40})
    data = bytearray(made.read_bytes())
    data[40] ^= 0xFF
    made.write_bytes(data)
    with pytest.raises(UserError, match='damaged'):
        unpack(made, goal)
    assert tree(goal) == ['mine']


@pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_flipped_bit_in_the_last_member_is_noticed_before_the_first_is_written(goal, tmp_path, compression):
    made = tmp_path / 'a.zip'
    body = random.Random(3).randbytes(3000)
    with zipfile.ZipFile(made, 'w', compression) as archive:
        archive.writestr('first', b'1')
        archive.writestr('last', body)
        start = archive.getinfo('last').header_offset
    good = made.read_bytes()
    for place in range(start + 60, start + 2900, 371):
        flipped = bytearray(good)
        flipped[place] ^= 1 << place % 8
        made.write_bytes(flipped)
        with pytest.raises(UserError, match=r'a\.zip is no zip archive or damaged'):
            unpack(made, goal)
        assert tree(goal) == ['mine']
