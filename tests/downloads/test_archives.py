"""Valid and malicious archives."""

from __future__ import annotations

import collections
import gzip
import io
import random
import shutil
import tarfile

import pytest

from src.common.errors import UserError
from src.downloads import archives
from src.downloads.archives import extract
from tests.downloads.unpacked import tree


def entry(name, kind=tarfile.REGTYPE, body=b'', link='', mode=0o644, size=None):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(body) if size is None else size
    return info, body


def tar(path, *entries, mode='w'):
    with tarfile.open(path, mode) as made:
        for info, body in entries:
            made.addfile(info, io.BytesIO(body) if body else None)
    return path


GOOD = (entry('./d', tarfile.DIRTYPE, mode=0o000), entry('d/a', body=b'1'), entry('top', body=b'22'))


@pytest.mark.parametrize('mode', ['w', 'w:gz', 'w:bz2', 'w:xz'])
def test_tar(goal, tmp_path, mode):
    assert extract(tar(tmp_path / 'a.tar', *GOOD, mode=mode), goal) == ['d', 'top']
    assert tree(goal) == ['d', 'd/a', 'mine', 'top'] and (goal / 'd/a').read_bytes() == b'1'


def test_folders_merge_and_files_replace(goal, tmp_path):
    extract(tar(tmp_path / 'a.tar', entry('d/e/a', body=b'1'), entry('d/b', body=b'2')), goal)
    extract(tar(tmp_path / 'b.tar', entry('d/e/c', body=b'3'), entry('d/b', body=b'4')), goal)
    assert tree(goal) == ['d', 'd/b', 'd/e', 'd/e/a', 'd/e/c', 'mine'] and (goal / 'd/b').read_bytes() == b'4'


def test_a_file_does_not_replace_a_folder(goal, tmp_path):
    (goal / 'top').mkdir()
    with pytest.raises(UserError, match=r'cannot unpack into .*goal'):
        extract(tar(tmp_path / 'a.tar', *GOOD), goal)


def test_links_that_lead_downwards_are_kept(goal, tmp_path):
    made = tar(
        tmp_path / 'a.tar',
        entry('d/a', body=b'1'),
        entry('soft', tarfile.SYMTYPE, link='d/a'),
        entry('hard', tarfile.LNKTYPE, link='d/a'),
    )
    assert extract(made, goal) == ['d', 'hard', 'soft']
    assert (goal / 'soft').is_symlink() and (goal / 'soft').read_bytes() == (
        goal / 'hard'
    ).read_bytes() == b'1'


def test_permissions_of_the_archive_are_dropped(goal, tmp_path):
    extract(tar(tmp_path / 'a.tar', entry('tool', body=b'1', mode=0o6777)), goal)
    assert not (goal / 'tool').stat().st_mode & 0o7111


EVIL = {
    'upwards': entry('../evil', body=b'x'),
    'upwards inside': entry('d/../../evil', body=b'x'),
    'upwards as Windows reads it': entry('d\\..\\..\\evil', body=b'x'),
    'absolute': entry('/tmp/rootstock-evil', body=b'x'),
    'drive': entry('C:/evil', body=b'x'),
    'folder': entry('../evil', tarfile.DIRTYPE),
    'symlink up': entry('out', tarfile.SYMTYPE, link='../..'),
    'symlink absolute': entry('out', tarfile.SYMTYPE, link='/etc/passwd'),
    'symlink down and up': entry('d/out', tarfile.SYMTYPE, link='e/../../../evil'),
    'hard link out': entry('out', tarfile.LNKTYPE, link='../evil'),
    'hard link absolute': entry('out', tarfile.LNKTYPE, link='/etc/passwd'),
    'hard link to nothing': entry('out', tarfile.LNKTYPE, link='nothing'),
    'character device': entry('device', tarfile.CHRTYPE),
    'block device': entry('device', tarfile.BLKTYPE),
    'pipe': entry('pipe', tarfile.FIFOTYPE),
}


@pytest.mark.parametrize('own_filter', [True, False])
@pytest.mark.parametrize('name', EVIL)
def test_malicious_members_are_refused(goal, tmp_path, name, own_filter, monkeypatch):
    if not own_filter and hasattr(tarfile, 'data_filter'):
        monkeypatch.delattr(tarfile, 'data_filter')  # as early releases of 3.10
    evil = EVIL[name]
    made = tar(tmp_path / 'a.tar', entry('first', body=b'1'), evil)
    with pytest.raises(UserError) as caught:
        extract(made, goal)
    assert 'nothing was written' in str(caught.value) and repr(evil[0].name) in str(caught.value)
    assert tree(goal) == ['mine'] and tree(tmp_path) == ['a.tar', 'goal', 'goal/mine']


def test_chained_links_cannot_leave_the_folder(goal, tmp_path):
    """Each link is harmless alone; together they would reach the folder above."""
    made = tar(
        tmp_path / 'a.tar',
        entry('d/e/up', tarfile.SYMTYPE, link='../..'),
        entry('out', tarfile.SYMTYPE, link='d/e/up/..'),
        entry('out/evil', body=b'x'),
    )
    with pytest.raises(UserError, match='d/e/up'):
        extract(made, goal)
    assert tree(tmp_path) == ['a.tar', 'goal', 'goal/mine']


def test_a_repeated_name_does_not_write_through_a_link(goal, tmp_path):
    made = tar(
        tmp_path / 'a.tar',
        entry('a', body=b'1'),
        entry('b', tarfile.SYMTYPE, link='a'),
        entry('b', body=b'2'),
    )
    extract(made, goal)
    assert (goal / 'a').read_bytes() == b'1' and (goal / 'b').read_bytes() == b'2'


def test_an_archive_larger_than_the_disk(goal, tmp_path, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(1500))
    made = tar(tmp_path / 'a.tgz', entry('a', body=bytes(1000)), entry('b', body=bytes(1000)), mode='w:gz')
    with pytest.raises(UserError, match='unpacks to more than the free'):
        extract(made, goal)
    assert tree(goal) == ['mine']


@pytest.mark.parametrize(
    'body',
    [
        b'',
        b'not an archive',
        gzip.compress(b'no tar'),
        gzip.compress(bytes(9999))[:-20],
        b'\x1f\x8bxx',
    ],
    ids=['nothing', 'text', 'gzip without tar', 'gzip cut off', 'gzip header'],
)
def test_damaged(goal, tmp_path, body):
    (tmp_path / 'a.tgz').write_bytes(body)
    with pytest.raises(UserError, match=r'a\.tgz is (damaged|empty).*delete it'):
        extract(tmp_path / 'a.tgz', goal)


def test_cut_off(goal, tmp_path):
    made = tar(tmp_path / 'a.tar', entry('a', body=bytes(5000)), entry('b', body=bytes(5000)))
    made.write_bytes(made.read_bytes()[:3000])
    with pytest.raises(UserError, match='damaged'):
        extract(made, goal)
    assert tree(goal) == ['mine']


@pytest.mark.parametrize('mode', ['w:gz', 'w:bz2', 'w:xz'])
def test_a_flipped_bit_anywhere_is_refused(goal, tmp_path, mode):
    """Random bytes, which are stored as they are, so that a flipped one unpacks without complaint."""
    body = random.Random(3).randbytes(3000)
    made = tar(tmp_path / 'a.tgz', entry('first', body=b'1'), entry('a', body=body), mode=mode)
    good = made.read_bytes()
    harmless = []
    for place in range(0, len(good), 37):
        flipped = bytearray(good)
        flipped[place] ^= 1 << place % 8
        made.write_bytes(flipped)
        try:
            extract(made, goal)
        except UserError as error:
            assert 'a.tgz is damaged' in str(error)
            assert tree(goal) == ['mine'], 'nothing was written'
        else:
            harmless.append(place)
            assert (goal / 'a').read_bytes() == body and (goal / 'first').read_bytes() == b'1'
            for name in ('a', 'first'):
                (goal / name).unlink()
    assert len(harmless) < 3, 'date and file name in the header of gzip have no checksum'


@pytest.mark.parametrize('mode', ['w:gz', 'w:bz2', 'w:xz'])
@pytest.mark.parametrize('lost', [1, 5])
def test_an_end_that_is_cut_off(goal, tmp_path, mode, lost):
    made = tar(tmp_path / 'a.tgz', entry('a', body=bytes(5000)), mode=mode)
    made.write_bytes(made.read_bytes()[:-lost])
    with pytest.raises(UserError, match='is damaged'):
        extract(made, goal)
    assert tree(goal) == ['mine']


def test_a_damaged_header_is_not_the_end(goal, tmp_path):
    """tarfile ends at it without an error."""
    made = tar(tmp_path / 'a.tar', *(entry(name, body=b'1') for name in 'abc'))
    data = bytearray(made.read_bytes())
    data[2 * 512 + 3] ^= 1  # in the name of b
    made.write_bytes(data)
    with pytest.raises(UserError, match=r'is damaged \(a damaged header\)'):
        extract(made, goal)
    assert tree(goal) == ['mine']


def test_an_archive_without_end_mark_or_with_much_padding(goal, tmp_path):
    made = tar(tmp_path / 'a.tar', entry('a', body=b'1'))
    whole = made.read_bytes()
    made.write_bytes(whole[:1024])  # as some programs write it
    assert extract(made, goal) == ['a']
    made.write_bytes(gzip.compress(whole + bytes(3_000_000)))
    assert extract(made, goal) == ['a']


def test_padding_larger_than_the_disk(goal, tmp_path, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(2_000_000))
    made = tar(tmp_path / 'a.tar', entry('a', body=b'1'))
    made.write_bytes(gzip.compress(made.read_bytes() + bytes(3_000_000)))
    with pytest.raises(UserError, match='unpacks to more than the free'):
        extract(made, goal)


def test_ctrl_c_leaves_no_partial_files(goal, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    made = tar(tmp_path / 'a.tar', *GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, 'copyfileobj', stop)
        with pytest.raises(KeyboardInterrupt):
            extract(made, goal)
    assert tree(goal) == ['mine']


def test_leftovers_of_a_killed_run_are_ignored(goal, tmp_path):
    (goal / '.a.tar.unpacking').mkdir()
    (goal / '.a.tar.unpacking/stale').write_text('half')
    assert extract(tar(tmp_path / 'a.tar', *GOOD), goal) == ['d', 'top']
    assert tree(goal) == ['d', 'd/a', 'mine', 'top']
