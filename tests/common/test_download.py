"""Downloads from a server on this machine that misbehaves in every way we know."""

from __future__ import annotations

import collections
import errno
import hashlib
import http.server
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import threading

import pytest
from tqdm import tqdm

from src.common import download, paths
from src.common.download import Download, RemoteFile, install, obtain, transfer
from src.common.errors import UserError

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


class Site:
    """A web server on loopback. Each of `answers` serves one request, the last all that follow."""

    def __init__(self):
        self.answers, self.asked, self.sent = [], [], []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append({'path': self.path, **self.headers})
                answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                site.sent.append(answer(self) or 0)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # the client hung up, as it should
                pass

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def serves(body=b'', code=200, cut=None, **headers):
    """Sends `body`, but only its first `cut` bytes; underscores in header names stand for hyphens."""

    def answer(handler) -> int:
        handler.send_response(code)
        for name, value in {'Content_Length': len(body), **headers}.items():
            if value is not None:
                handler.send_header(name.replace('_', '-'), str(value))
        handler.end_headers()
        handler.wfile.write(body[:cut])
        return len(body[:cut])

    return answer


def serves_ranges(body, cut=None, **headers):
    """Heeds Range and If-Range."""

    def answer(handler) -> int:
        asked, condition = handler.headers.get('Range'), handler.headers.get('If-Range')
        if not asked or condition not in (None, headers.get('ETag'), headers.get('Last_Modified')):
            return serves(body, cut=cut, **headers)(handler)
        start = int(asked[len('bytes=') : -1])
        place = f'bytes {start}-{len(body) - 1}/{len(body)}'
        return serves(body[start:], 206, cut, Content_Range=place, **headers)(handler)

    return answer


def resets(handler) -> None:
    """Ends the connection with a reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    handler.connection.close()


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(download, 'FIRST_DELAY', 0.001)
    monkeypatch.setattr(download, 'LONGEST_DELAY', 0.002)
    monkeypatch.setattr(download, 'READ_SECONDS', 0.3)
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


def test_an_archive_that_lies_there_is_verified_not_fetched(site, tmp_path):
    (tmp_path / 'a.tar').write_bytes(BODY)
    assert obtain(remote(site), tmp_path)[1] == sha(BODY)
    (tmp_path / 'a.tar').write_bytes(OTHER)
    with pytest.raises(UserError, match=r'wrong SHA-256.*move it away'):
        obtain(remote(site), tmp_path)
    assert (tmp_path / 'a.tar').read_bytes() == OTHER and not site.asked


@pytest.mark.parametrize(
    'version', [{'ETag': '"v1"'}, {'Last_Modified': 'Mon, 01 Jan 2024 00:00:00 GMT'}, {}]
)
def test_a_dropped_connection_is_resumed(site, tmp_path, version, capsys):
    site.answers = [serves_ranges(BODY, cut=100_000, **version), serves_ranges(BODY, **version)]
    archive, _ = obtain(remote(site), tmp_path)
    assert archive.read_bytes() == BODY
    assert sum(site.sent) == len(BODY), 'no byte was sent twice'
    assert site.asked[1].get('If-Range') == next(iter(version.values()), None)
    assert 'trying again' in capsys.readouterr().out


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
    site.answers = [serves_ranges(BODY)]
    archive, _ = obtain(remote(site, checksum=False), tmp_path)
    assert 'Range' not in site.asked[0] and archive.read_bytes() == BODY


def test_a_server_without_ranges_starts_over(site, tmp_path):
    site.answers = [serves(BODY, cut=100_000), serves(BODY)]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY
    assert site.asked[1]['Range'] == 'bytes=100000-' and site.sent == [100_000, 300_000]


def test_a_changed_file_is_not_spliced(site, tmp_path):
    site.answers = [serves_ranges(OTHER, cut=100_000, ETag='"old"'), serves_ranges(BODY, ETag='"new"')]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY
    assert site.asked[1]['If-Range'] == '"old"' and site.sent[1] == 300_000


def test_a_changed_file_is_not_spliced_when_if_range_is_ignored(site, tmp_path):
    place = 'bytes 100000-299999/300000'
    wrong = serves(BODY[100_000:], 206, Content_Range=place, ETag='"new"')
    site.answers = [serves_ranges(OTHER, cut=100_000, ETag='"old"'), wrong, serves_ranges(BODY, ETag='"new"')]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY
    assert 'Range' not in site.asked[2]


@pytest.mark.parametrize('place', ['bytes 0-199999/300000', 'bytes 100001-299999/300000', 'rubbish', None])
def test_a_wrong_content_range_starts_over(site, tmp_path, place):
    wrong = serves(BODY[:200_000], 206, Content_Range=place)
    site.answers = [serves_ranges(BODY, cut=100_000), wrong, serves_ranges(BODY)]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY


def test_a_weak_etag_is_no_validator(site, tmp_path):
    site.answers = [serves_ranges(BODY, cut=100_000, ETag='W/"1"'), serves_ranges(BODY)]
    obtain(remote(site), tmp_path)
    assert 'If-Range' not in site.asked[1]


@pytest.mark.parametrize(
    'fault',
    [
        serves(code=500),
        serves(code=520),
        serves(code=429, Retry_After=1),
        resets,
        serves(BODY, cut=0),
        serves(code=416),
    ],
)
def test_passing_faults_are_tried_again(site, tmp_path, fault):
    site.answers = [fault, fault, serves(BODY)]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY
    assert len(site.asked) == 3


def test_silence_is_tried_again_and_ends(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'TRIES', 2)
    silent = threading.Event()
    site.answers = [lambda handler: silent.wait(5)]
    with pytest.raises(UserError, match=r'no answer in time.*repeat; 0 bytes of 300\.0 kB are kept'):
        obtain(remote(site), tmp_path)
    silent.set()
    assert len(site.asked) == 2


def test_tries_are_counted_anew_after_progress(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'PROGRESS', 10_000)
    site.answers = [serves_ranges(BODY, cut=30_000)]
    obtain(remote(site), tmp_path)
    assert len(site.asked) == 10 > download.TRIES and sum(site.sent) == len(BODY)


def test_delays_grow_and_heed_the_server(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download, 'FIRST_DELAY', 1.0)
    monkeypatch.setattr(download, 'LONGEST_DELAY', 60.0)
    monkeypatch.setattr(download.time, 'sleep', waits.append)
    site.answers = [
        serves(code=500),
        serves(code=500),
        serves(code=429, Retry_After=30),
        serves(code=429, Retry_After=999),
    ]
    with pytest.raises(UserError, match='429 Too Many Requests'):
        obtain(remote(site), tmp_path)
    assert waits == [1, 2, 30, 60] and len(site.asked) == 5


@pytest.mark.parametrize('code', [401, 403, 404, 410])
def test_lasting_refusals_are_not_tried_again(site, tmp_path, code):
    site.answers = [serves(code=code)]
    with pytest.raises(UserError, match=rf'/x/a\.tar answers {code} .*--mirror'):
        obtain(remote(site), tmp_path)
    assert len(site.asked) == 1


def test_no_server(site, tmp_path):
    site.close()
    with pytest.raises(UserError, match=r'connection refused.*check the network and repeat'):
        obtain(remote(site), tmp_path)


def test_a_redirect_is_followed_but_not_to_a_file(site, tmp_path):
    site.answers = [
        serves(code=302, Location='/elsewhere'),
        serves(BODY),
        serves(code=302, Location='file:///etc/passwd'),
    ]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY
    with pytest.raises(UserError, match='not a valid web address'):
        obtain(remote(site, name='b.tar'), tmp_path)


def test_wrong_bytes_are_removed(site, tmp_path):
    site.answers = [serves(OTHER)]
    with pytest.raises(UserError, match=rf'{sha(OTHER)}, expected {sha(BODY)}; removed; repeat'):
        obtain(remote(site), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_size_is_seen_before_the_body_comes(site, tmp_path):
    site.answers = [serves(BODY + b'x')]
    with pytest.raises(UserError, match=r'another file: 300,001 bytes, expected 300,000; .*--mirror'):
        obtain(remote(site), tmp_path)
    assert not (tmp_path / 'a.tar.part').exists()


def test_a_body_without_length_that_does_not_end(site, tmp_path):
    site.answers = [serves(BODY * 3, Content_Length=None)]
    with pytest.raises(UserError, match='another file'):
        obtain(remote(site), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_encoding_of_an_archive_is_left_alone(site, tmp_path):
    site.answers = [serves(BODY, Content_Encoding='gzip')]
    assert obtain(remote(site), tmp_path)[0].read_bytes() == BODY


def test_a_full_disk_while_writing(site, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, '_store', full)
    site.answers = [serves(BODY)]
    with pytest.raises(UserError, match=r'cannot write .*a\.tar\.part: No space left.*free some space'):
        obtain(remote(site), tmp_path)


def test_stopping_keeps_what_arrived(site, tmp_path, monkeypatch):
    class Stops(tqdm):
        def update(self, count):
            if self.n >= 65536:
                raise KeyboardInterrupt
            return super().update(count)

    with monkeypatch.context() as patch:
        patch.setattr(download, 'progress', lambda total, *_: Stops(total=total, file=io.StringIO()))
        site.answers = [serves_ranges(BODY, ETag='"1"')]
        with pytest.raises(KeyboardInterrupt):
            transfer(f'{site.url}/a.tar', tmp_path / 'a.tar.part', len(BODY))
    kept = (tmp_path / 'a.tar.part').stat().st_size
    assert kept == 131_072
    obtain(RemoteFile(f'{site.url}/a.tar', len(BODY), sha(BODY)), tmp_path)
    assert site.sent[-1] == len(BODY) - kept


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
    return Download('dogs', tmp_path / 'dogs', archives, 'terms', 'next')


def test_install_unpacks_each_archive_where_it_belongs(dogs, site):
    assert install(dogs, dogs.folder) == list(dogs.files)
    assert (dogs.folder / 'Images/n2/b_jpg').read_bytes() == b'cat'
    assert (dogs.folder / 'lists/two_mat').read_bytes() == b'2'
    assert sorted(path.name for path in dogs.folder.iterdir()) == [
        '.images.tar.done', '.lists.tar.done', 'Images', 'images.tar', 'lists', 'lists.tar'
    ]  # fmt: skip
    assert json.loads((dogs.folder / '.images.tar.done').read_text()) == {
        'size': len(IMAGES), 'sha256': sha(IMAGES), 'unpacked': ['Images']
    }  # fmt: skip


def test_what_is_done_is_not_done_again(dogs, site):
    install(dogs, dogs.folder)
    (dogs.folder / 'images.tar').unlink()
    assert install(dogs, dogs.folder) == [] and len(site.asked) == 2


def test_what_is_gone_is_done_again(dogs, site):
    install(dogs, dogs.folder)
    shutil.rmtree(dogs.folder / 'Images')
    assert install(dogs, dogs.folder) == [dogs.files[0]] and len(site.asked) == 2, 'from the archive'
    shutil.rmtree(dogs.folder / 'Images')
    (dogs.folder / 'images.tar').unlink()
    assert install(dogs, dogs.folder) == [dogs.files[0]] and len(site.asked) == 3
    assert (dogs.folder / 'Images/n2/b_jpg').exists()


@pytest.mark.parametrize('spoilt', ['', '[]', '{"size": 1}'])
def test_a_spoilt_marker_is_none(dogs, site, spoilt):
    install(dogs, dogs.folder)
    (dogs.folder / '.lists.tar.done').write_text(spoilt)
    assert install(dogs, dogs.folder) == [dogs.files[1]]


def test_no_room_is_seen_before_any_request(dogs, site, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(1000))
    with pytest.raises(UserError, match=r'needs .* kB and has 1\.0 kB: free some space.*--dest'):
        install(dogs, dogs.folder)
    assert not site.asked


def test_room_counts_what_lies_there(dogs, monkeypatch):
    dogs.folder.mkdir()
    (dogs.folder / 'images.tar.part').write_bytes(IMAGES[:4000])
    need = int(len(IMAGES) * 2.2) + int(len(LISTS) * 2.2) - 4000
    usage = collections.namedtuple('usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(need - 1))
    with pytest.raises(UserError, match='needs'):
        install(dogs, dogs.folder)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(need))
    install(dogs, dogs.folder)


def test_the_first_checksum_seen_is_remembered(site, tmp_path):
    first, second = (tar_of('w', graph_pb=body) for body in (b'first', b'other'))
    what = Download('graph', tmp_path, (remote(site, first, checksum=False, name='g.tgz'),), 'terms', 'next')
    site.answers = [serves(first)]
    install(what, tmp_path)
    assert json.loads((tmp_path / 'g.tgz.first_seen.json').read_text()) == {'sha256': sha(first)}

    for name in ('g.tgz', '.g.tgz.done'):
        (tmp_path / name).unlink()
    site.answers = [serves(second)]
    with pytest.raises(
        UserError, match=rf'{sha(second)}, expected {sha(first)}, seen first .*first_seen\.json: delete'
    ):
        install(what, tmp_path)
    assert not (tmp_path / 'g.tgz').exists() and (tmp_path / 'graph_pb').read_bytes() == b'first'


def test_mirror_takes_the_place_of_all_before_the_file_name(site):
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


def test_main_tells_what_lies_where(dogs, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(download.DOWNLOADS, 'dogs', dogs)
    download.main(['dogs', '--dest', str(tmp_path / 'there')])
    said = capsys.readouterr().out
    assert said.startswith('terms\n') and said.endswith('next: next\n')
    assert 'there/Images' in said and 'there/lists/one_mat' in said and 'there/images.tar' in said
    download.main(['dogs', '--dest', str(tmp_path / 'there')])
    assert 'dogs: nothing to do, all is there' in capsys.readouterr().out


def test_dest_is_for_one_name():
    with pytest.raises(UserError, match='--dest is for one name'):
        download.main(['inception', 'stanford_dogs', '--dest', 'x'])


@pytest.mark.parametrize('options', [['--mirror'], []])
def test_the_command_line_complains_in_one_line(site, tmp_path, options):
    site.answers = [serves(b'no photos')]
    there = [*options, site.url] if options else []
    run = subprocess.run(
        [sys.executable, '-m', 'src.common.download', 'stanford_dogs', '--dest', str(tmp_path), *there],
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
