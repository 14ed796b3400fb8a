"""Archives from a server on this machine: downloaded, verified, unpacked; and interrupted runs."""

from __future__ import annotations

import collections
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from src.common import paths
from src.common.errors import UserError
from src.common.files import size_of
from src.downloads import download, transfer
from src.downloads.download import Download, RemoteFile, install, obtain
from tests.downloads.loopback import resets, serves, serves_ranges

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(transfer, 'FIRST_DELAY', 0.001)
    monkeypatch.delenv(download.MIRROR_VARIABLE, raising=False)


def sha(body):
    return hashlib.sha256(body).hexdigest()


def remote(site, body=BODY, checksum=True, name='a.tar', **more):
    return RemoteFile(f'{site.url}/x/{name}', len(body), sha(body) if checksum else None, **more)


def tar_of(mode='w', **contents):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as made:
        for name, body in contents.items():
            info = tarfile.TarInfo(name.replace('__', '/'))
            info.size = len(body)
            made.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def test_the_archive_gets_its_name_when_verified(site, tmp_path):
    site.answers = [serves(BODY)]
    archive, digest = obtain(remote(site), tmp_path)
    assert archive.read_bytes() == BODY and digest == sha(BODY)
    assert [path.name for path in tmp_path.iterdir()] == ['a.tar']
    assert site.asked[0]['User-Agent'].startswith('rootstock/')


def test_an_existing_archive_is_verified_and_not_downloaded(site, tmp_path):
    (tmp_path / 'a.tar').write_bytes(BODY)
    assert obtain(remote(site), tmp_path)[1] == sha(BODY)
    (tmp_path / 'a.tar').write_bytes(OTHER)
    with pytest.raises(UserError, match=r'wrong SHA-256.*move it away'):
        obtain(remote(site), tmp_path)
    assert (tmp_path / 'a.tar').read_bytes() == OTHER and not site.asked


def test_an_earlier_run_is_resumed_under_another_address_too(site, tmp_path):
    site.answers = [serves_ranges(BODY, cut=100_000, ETag='"here"'), serves(code=404)]
    with pytest.raises(UserError, match='404'):
        obtain(remote(site), tmp_path)
    assert (tmp_path / 'a.tar.part').stat().st_size == 100_000
    site.answers = [serves_ranges(BODY, ETag='"there"')]
    obtain(remote(site), tmp_path, mirror=site.url + '/mirror/')
    assert site.asked[-1]['path'] == '/mirror/a.tar' and 'If-Range' not in site.asked[-1]
    assert site.sent[-1] == 200_000


def test_a_complete_part_needs_no_request(site, tmp_path):
    (tmp_path / 'a.tar.part').write_bytes(BODY)
    obtain(remote(site), tmp_path)
    assert not site.asked


def test_without_checksum_nothing_is_resumed_blindly(site, tmp_path):
    (tmp_path / 'a.tar.part').write_bytes(OTHER[:1000])
    body = tar_of(graph_pb=BODY)
    site.answers = [serves_ranges(body)]
    archive, _ = obtain(remote(site, body, checksum=False), tmp_path)
    assert 'Range' not in site.asked[0] and archive.read_bytes() == body


@pytest.mark.parametrize('mode', ['w:gz', 'w:bz2', 'w:xz'])
def test_a_flipped_bit_in_an_archive_without_known_checksum(site, tmp_path, mode):
    body = tar_of(mode, graph_pb=BODY)
    flipped = bytearray(body)
    flipped[len(body) // 2] ^= 1
    what = Download('graph', tmp_path, (remote(site, body, checksum=False, name='g.tgz'),), 'terms', 'next')
    site.answers = [serves(bytes(flipped)), serves(body)]
    with pytest.raises(UserError, match=r'g\.tgz\.part is damaged \(.*\): removed; repeat, or try another'):
        install(what, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != '.lock'], 'nothing has a final name'
    install(what, tmp_path)
    assert (tmp_path / 'graph_pb').read_bytes() == BODY


def test_an_existing_archive_with_a_flipped_bit_is_not_unpacked(site, tmp_path):
    body = bytearray(tar_of('w:gz', graph_pb=BODY))
    body[-6] ^= 1  # in the checksum itself
    what = Download('graph', tmp_path, (remote(site, body, checksum=False, name='g.tgz'),), 'terms', 'next')
    (tmp_path / 'g.tgz').write_bytes(body)
    with pytest.raises(UserError, match=r'g\.tgz is damaged \(.*\): delete it, then repeat'):
        install(what, tmp_path)
    assert not (tmp_path / 'graph_pb').exists() and not site.asked


def test_the_minimum_speed_is_a_setting_of_the_command(dogs, monkeypatch, tmp_path):
    seen = []
    real = transfer.SpeedFloor
    monkeypatch.setattr(transfer, 'SpeedFloor', lambda least: seen.append(least) or real(least))
    monkeypatch.setitem(download.DOWNLOADS, 'dogs', dogs)
    download.main(['dogs', '--dest', str(tmp_path / 'one')])
    download.main(['dogs', '--dest', str(tmp_path / 'two'), '--min-speed', '2.5'])
    download.main(['dogs', '--dest', str(tmp_path / 'three'), '--min-speed', '0'])
    assert seen == [1000, 1000, 2500, 2500, 0, 0]


@pytest.mark.parametrize('speed', ['-1', 'fast', 'inf', 'nan'])
def test_a_minimum_speed_that_is_none(speed, capsys):
    with pytest.raises(SystemExit) as ended:
        download.main(['inception', f'--min-speed={speed}'])
    assert ended.value.code == 2 and '--min-speed' in capsys.readouterr().err


def test_wrong_bytes_are_removed(site, tmp_path):
    site.answers = [serves(OTHER)]
    with pytest.raises(UserError, match=rf'{sha(OTHER)}, expected {sha(BODY)}; removed; repeat'):
        obtain(remote(site), tmp_path)
    assert not list(tmp_path.iterdir())


IMAGES = tar_of(Images__n1__a_jpg=b'dog' * 500, Images__n2__b_jpg=b'cat')
LISTS = tar_of(one_mat=b'1', two_mat=b'2')


@pytest.fixture
def dogs(site, tmp_path):
    bodies = {'/x/images.tar': IMAGES, '/x/lists.tar': LISTS}
    site.answers = [lambda handler: serves_ranges(bodies[handler.path])(handler)]
    archives = (
        remote(site, IMAGES, name='images.tar'),
        remote(site, LISTS, name='lists.tar', extract_to='lists'),
    )
    return Download('dogs', tmp_path / 'dogs', archives, 'terms', 'use{data}')


def test_install_unpacks_each_archive_into_its_folder(dogs, site):
    assert install(dogs, dogs.folder) == list(dogs.files)
    assert (dogs.folder / 'Images/n2/b_jpg').read_bytes() == b'cat'
    assert (dogs.folder / 'lists/two_mat').read_bytes() == b'2'
    assert sorted(path.name for path in dogs.folder.iterdir()) == [
        '.images.tar.done', '.images.tar.lock', '.lists.tar.done', '.lists.tar.lock',
        'Images', 'images.tar', 'lists', 'lists.tar',
    ]  # fmt: skip
    assert json.loads((dogs.folder / '.images.tar.done').read_text()) == {
        'size': len(IMAGES), 'sha256': sha(IMAGES), 'unpacked': ['Images']
    }  # fmt: skip


def test_a_reset_between_archives_does_not_end_it(dogs, site):
    site.answers = [*site.answers, resets, *site.answers]
    assert install(dogs, dogs.folder) == list(dogs.files)
    assert [asked['path'] for asked in site.asked] == ['/x/images.tar', '/x/lists.tar', '/x/lists.tar']


def test_complete_archives_are_not_downloaded_again(dogs, site):
    install(dogs, dogs.folder)
    (dogs.folder / 'images.tar').unlink()
    assert install(dogs, dogs.folder) == [] and len(site.asked) == 2


def test_deleted_files_are_unpacked_again(dogs, site):
    install(dogs, dogs.folder)
    shutil.rmtree(dogs.folder / 'Images')
    assert install(dogs, dogs.folder) == [dogs.files[0]] and len(site.asked) == 2, 'from the archive'
    shutil.rmtree(dogs.folder / 'Images')
    (dogs.folder / 'images.tar').unlink()
    assert install(dogs, dogs.folder) == [dogs.files[0]] and len(site.asked) == 3
    assert (dogs.folder / 'Images/n2/b_jpg').exists()


@pytest.mark.parametrize(
    'spoilt', ['', '[]', '{"size": 1}', '{"size": SIZE, "sha256": "x", "unpacked": 3}', '[' * 100_000]
)
def test_a_damaged_marker_is_ignored(dogs, site, spoilt):
    install(dogs, dogs.folder)
    (dogs.folder / '.lists.tar.done').write_text(spoilt.replace('SIZE', str(len(LISTS))))
    assert install(dogs, dogs.folder) == [dogs.files[1]]


def test_a_full_disk_is_detected_before_any_request(dogs, site, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(1000))
    with pytest.raises(UserError, match=r'needs .* kB and has 1\.0 kB: free some space.*--dest'):
        install(dogs, dogs.folder)
    assert not site.asked


def test_existing_files_reduce_the_space_that_is_needed(dogs, monkeypatch):
    dogs.folder.mkdir()
    (dogs.folder / 'images.tar.part').write_bytes(IMAGES[:4000])
    need = int(len(IMAGES) * 2.2) + int(len(LISTS) * 2.2) - 4000
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(need - 1))
    with pytest.raises(UserError, match='needs'):
        install(dogs, dogs.folder)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(need))
    install(dogs, dogs.folder)


def test_the_first_checksum_is_stored_and_compared(site, tmp_path):
    first, second = (tar_of('w', graph_pb=body) for body in (b'first', b'other'))
    what = Download('graph', tmp_path, (remote(site, first, checksum=False, name='g.tgz'),), 'terms', 'next')
    site.answers = [serves(first)]
    install(what, tmp_path)
    assert json.loads((tmp_path / 'g.tgz.first_seen.json').read_text()) == {'sha256': sha(first)}

    for name in ('g.tgz', '.g.tgz.done'):
        (tmp_path / name).unlink()
    site.answers = [serves(second)]
    wanted = rf'{sha(second)}, expected {sha(first)}, as at the first download .*first_seen\.json: delete'
    with pytest.raises(UserError, match=wanted):
        install(what, tmp_path)
    assert not (tmp_path / 'g.tgz').exists() and (tmp_path / 'graph_pb').read_bytes() == b'first'


@pytest.mark.parametrize('spoilt', ['[]', '{}', '{"sha256": 5}'])
def test_a_damaged_first_checksum_is_named(site, tmp_path, spoilt):
    body = tar_of('w', graph_pb=BODY)
    (tmp_path / 'g.tgz.first_seen.json').write_text(spoilt)
    site.answers = [serves(body)]
    with pytest.raises(
        UserError, match=r'g\.tgz\.first_seen\.json is damaged \(.*\): delete it if you trust'
    ):
        obtain(remote(site, body, checksum=False, name='g.tgz'), tmp_path)


@pytest.mark.parametrize('spoilt', ['[]', '{"url": 5}', '{"validator": "x"}', '"x"'])
def test_damaged_notes_beside_a_part_are_ignored(site, tmp_path, spoilt):
    (tmp_path / 'a.tar.part').write_bytes(BODY[:1000])
    (tmp_path / 'a.tar.part.json').write_text(spoilt)
    site.answers = [serves_ranges(BODY, ETag='"1"')]
    obtain(remote(site), tmp_path)
    assert site.asked[0]['Range'] == 'bytes=1000-' and 'If-Range' not in site.asked[0]


def test_a_mirror_replaces_the_address_before_the_file_name(site):
    asked = RemoteFile('http://far.example/deep/images.tar', 1)
    assert asked.address(None) == 'http://far.example/deep/images.tar'
    assert asked.address('http://near:8000/d/') == 'http://near:8000/d/images.tar'
    with pytest.raises(UserError, match='must start with http'):
        asked.address('file:///data')


def test_the_real_downloads():
    dogs, inception = download.DOWNLOADS['stanford_dogs'], download.DOWNLOADS['inception']
    assert [file.name for file in dogs.files] == ['images.tar', 'annotation.tar', 'lists.tar']
    assert all(len(file.sha256) == 64 for file in dogs.files) and dogs.folder == paths.STANFORD_DS_DIR
    assert inception.files[0].name == 'inception-2015-12-05.tgz' and inception.files[0].sha256 is None


def test_main_prints_the_paths(dogs, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(download.DOWNLOADS, 'dogs', dogs)
    download.main(['dogs', '--dest', str(tmp_path / 'there')])
    said = capsys.readouterr().out
    assert said.startswith('terms\n') and said.endswith(f'next: use --data {tmp_path}/there\n')
    assert 'there/Images' in said and 'there/lists/one_mat' in said and 'there/images.tar' in said
    download.main(['dogs', '--dest', str(tmp_path / 'there')])
    assert 'dogs: nothing to do, all is there' in capsys.readouterr().out


def test_dest_is_for_one_name():
    with pytest.raises(UserError, match='--dest is for one name'):
        download.main(['inception', 'stanford_dogs', '--dest', 'x'])


@pytest.mark.parametrize('options', [['--mirror'], []])
def test_errors_of_the_command_line_are_one_line(site, tmp_path, options):
    site.answers = [serves(b'no photos')]
    there = [*options, site.url] if options else []
    run = subprocess.run(
        [sys.executable, '-m', 'src.downloads.download', 'stanford_dogs', '--dest', str(tmp_path), *there],
        cwd=paths.CHECKOUT,
        env={**os.environ, download.MIRROR_VARIABLE: site.url},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and run.stderr.count('\n') == 1 and 'Traceback' not in run.stderr
    assert run.stderr.startswith(
        f'error: {site.url}/images.tar is another file: 9 bytes, expected 793,579,520'
    )
    assert 'Khosla' in run.stdout


def drips(body, until, over, **headers):
    """Sends the first `until` bytes in small pieces, then no more, until `over` is set."""

    def answer(handler) -> int:
        serves(body, cut=0, **headers)(handler)
        for start in range(0, until, 4096):
            handler.wfile.write(body[start : min(start + 4096, until)])
            over.wait(0.002)
        over.wait()
        return until

    return answer


def run_command(what: Download, folder) -> subprocess.Popen:
    """`src.downloads.download NAME --dest FOLDER` in a process of its own, which knows `what` too."""
    code = (
        'from pathlib import *\n'
        'from src.downloads.download import *\n'
        f'DOWNLOADS[{what.name!r}] = {what!r}\n'
        'errors.run(main)\n'
    )
    return subprocess.Popen(
        [sys.executable, '-c', code, what.name, '--dest', folder],
        cwd=paths.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.posix
def test_after_ctrl_c_the_same_command_resumes(site, tmp_path):
    archive = tar_of(Images__a_jpg=BODY)
    what = Download('one', tmp_path, (remote(site, archive),), 'terms', 'next')
    part, over = tmp_path / 'a.tar.part', threading.Event()

    site.answers = [drips(archive, 200_000, over, ETag='"1"')]
    process = run_command(what, tmp_path)
    while size_of(part) < 100_000 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    over.set()
    assert process.returncode == 130 and complaint.count('\n') == 1
    assert complaint.startswith('stopped') and 'the same command continues' in complaint
    kept = part.read_bytes()
    assert 100_000 <= len(kept) <= 200_000 and archive.startswith(kept)
    assert not (tmp_path / 'a.tar').exists()

    site.answers = [serves_ranges(archive, ETag='"1"')]
    process = run_command(what, tmp_path)
    assert process.communicate()[1] == '' and process.returncode == 0
    assert site.asked[-1]['Range'] == f'bytes={len(kept)}-' and site.asked[-1]['If-Range'] == '"1"'
    assert site.sent[-1] == len(archive) - len(kept)
    assert (tmp_path / 'a.tar').read_bytes() == archive and (tmp_path / 'Images/a_jpg').read_bytes() == BODY
