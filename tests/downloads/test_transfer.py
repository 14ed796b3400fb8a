"""Transfers from a faulty server on this machine."""

from __future__ import annotations

import itertools
import random
import re
import threading
from pathlib import Path

import pytest

from src.common.errors import UserError
from src.downloads import speed, transfer
from tests.downloads.loopback import resets, serves, serves_ranges

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(transfer, 'FIRST_DELAY', 0.001)
    monkeypatch.setattr(transfer, 'LONGEST_DELAY', 0.002)
    monkeypatch.setattr(transfer, 'READ_SECONDS', 0.3)


def bring(site, folder) -> bytes:
    """What transfer() leaves of an address that should hold BODY."""
    part = folder / 'a.tar.part'
    transfer.transfer(f'{site.url}/x/a.tar', part, len(BODY))
    return part.read_bytes()


@pytest.mark.parametrize(
    'version', [{'ETag': '"v1"'}, {'Last_Modified': 'Mon, 01 Jan 2024 00:00:00 GMT'}, {}]
)
def test_a_dropped_connection_is_resumed(site, tmp_path, version, capsys):
    site.answers = [serves_ranges(BODY, cut=100_000, **version), serves_ranges(BODY, **version)]
    assert bring(site, tmp_path) == BODY
    assert sum(site.sent) == len(BODY), 'no byte was sent twice'
    assert site.asked[1].get('If-Range') == next(iter(version.values()), None)
    assert re.search(r'a\.tar: .* after \d.* kB; trying again in \d+ s\n', capsys.readouterr().out)


def test_a_server_without_ranges_starts_over(site, tmp_path):
    site.answers = [serves(BODY, cut=100_000), serves(BODY)]
    assert bring(site, tmp_path) == BODY
    assert site.asked[1]['Range'] == 'bytes=100000-' and site.sent == [100_000, 300_000]


def test_a_changed_file_is_not_spliced(site, tmp_path):
    site.answers = [serves_ranges(OTHER, cut=100_000, ETag='"old"'), serves_ranges(BODY, ETag='"new"')]
    assert bring(site, tmp_path) == BODY
    assert site.asked[1]['If-Range'] == '"old"' and site.sent[1] == 300_000


def test_a_changed_file_is_not_spliced_when_if_range_is_ignored(site, tmp_path):
    place = 'bytes 100000-299999/300000'
    wrong = serves(BODY[100_000:], 206, Content_Range=place, ETag='"new"')
    site.answers = [serves_ranges(OTHER, cut=100_000, ETag='"old"'), wrong, serves_ranges(BODY, ETag='"new"')]
    assert bring(site, tmp_path) == BODY
    assert 'Range' not in site.asked[2]


@pytest.mark.parametrize('place', ['bytes 0-199999/300000', 'bytes 100001-299999/300000', 'rubbish', None])
def test_a_wrong_content_range_starts_over(site, tmp_path, place):
    wrong = serves(BODY[:200_000], 206, Content_Range=place)
    site.answers = [serves_ranges(BODY, cut=100_000), wrong, serves_ranges(BODY)]
    assert bring(site, tmp_path) == BODY


def test_a_weak_etag_is_no_validator(site, tmp_path):
    site.answers = [serves_ranges(BODY, cut=100_000, ETag='W/"1"'), serves_ranges(BODY)]
    bring(site, tmp_path)
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
def test_temporary_errors_are_retried(site, tmp_path, fault):
    site.answers = [fault, fault, serves(BODY)]
    assert bring(site, tmp_path) == BODY
    assert len(site.asked) == 3


def test_silence_is_retried_and_ends(site, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, 'TRIES', 2)
    silent = threading.Event()
    site.answers = [lambda handler: silent.wait(5)]
    with pytest.raises(UserError, match=r'no answer in time.*repeat$'):
        bring(site, tmp_path)
    silent.set()
    assert len(site.asked) == 2


def test_received_bytes_are_kept_and_reported(site, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, 'TRIES', 1)
    site.answers = [serves(BODY, cut=100_000)]
    with pytest.raises(UserError, match=r'repeat; 100\.0 kB of 300\.0 kB are kept$'):
        bring(site, tmp_path)


def test_tries_are_counted_anew_after_progress(site, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, 'PROGRESS', 10_000)
    site.answers = [serves_ranges(BODY, cut=30_000)]
    bring(site, tmp_path)
    assert len(site.asked) == 10 > transfer.TRIES and sum(site.sent) == len(BODY)


def in_turn(*answers):
    """One answer after the other, for ever."""
    turns = itertools.cycle(answers)
    return lambda handler: next(turns)(handler)


CUT = serves(BODY, cut=100_000)
CUT_RANGES = serves_ranges(BODY, cut=100_000)
NO_PROGRESS = {
    'no ranges': CUT,
    'no ranges, cut sooner and sooner': in_turn(*(serves(BODY, cut=n) for n in range(100_000, 0, -9000))),
    '416': in_turn(CUT_RANGES, serves(code=416)),
    '416 with the size': in_turn(CUT_RANGES, serves(code=416, Content_Range='bytes */300000')),
    'no Content-Range': in_turn(CUT_RANGES, serves(BODY[100_000:], 206)),
    'Content-Range of other bytes': in_turn(
        CUT_RANGES, serves(BODY[:100_000], 206, Content_Range='bytes 0-99999/300000')
    ),
    'another version each time': in_turn(
        *(serves_ranges(BODY, cut=100_000, ETag=f'"{n}"') for n in range(7))
    ),
    'another version, If-Range ignored': in_turn(
        serves(BODY, cut=100_000, ETag='"1"'),
        serves(BODY[100_000:], 206, Content_Range='bytes 100000-299999/300000', ETag='"2"'),
    ),
}


@pytest.mark.parametrize('fault', NO_PROGRESS)
def test_the_same_bytes_again_are_no_progress(site, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(transfer, 'PROGRESS', 10_000)
    site.answers = [NO_PROGRESS[fault]]
    with pytest.raises(UserError, match=r'cannot fetch .*/x/a\.tar \(.*\): check the network and repeat'):
        bring(site, tmp_path)
    assert len(site.asked) == transfer.TRIES


def test_bytes_of_an_earlier_run_are_no_progress(site, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, 'PROGRESS', 10_000)
    (tmp_path / 'a.tar.part').write_bytes(BODY[:120_000])
    site.answers = [CUT]
    with pytest.raises(UserError, match=r'100\.0 kB of 300\.0 kB are kept'):
        bring(site, tmp_path)
    assert len(site.asked) == transfer.TRIES


def trickles(pause, *, headers=False):
    """Sends 100 bytes with a pause before each, in the body or in the headers."""

    def answer(handler) -> None:
        if not headers:
            serves(BODY, cut=0)(handler)
        for letter in b'HTTP/1.0 200 OK\r\nX-Long: ' + b'x' * 80 if headers else BODY[:100]:
            handler.wfile.write(bytes([letter]))
            pause.wait(0.05)

    return answer


@pytest.mark.parametrize('headers', [False, True])
def test_a_connection_below_the_minimum_speed_is_cut(site, tmp_path, monkeypatch, headers):
    monkeypatch.setattr(speed, 'WINDOW', 0.3)
    monkeypatch.setattr(transfer, 'READ_SECONDS', 30)
    monkeypatch.setattr(transfer, 'TRIES', 2)
    over = threading.Event()
    site.answers = [trickles(over, headers=headers)]
    with pytest.raises(UserError, match=r'\(slower than 1\.0 kB/s, see --min-speed\): check the network'):
        bring(site, tmp_path)
    over.set()
    assert len(site.asked) == 2
    assert not [thread for thread in threading.enumerate() if 'SpeedFloor' in str(thread)]


@pytest.mark.parametrize('least', [0, 10])
def test_a_connection_above_the_minimum_speed_is_not_cut(site, tmp_path, monkeypatch, least):
    monkeypatch.setattr(speed, 'WINDOW', 0.3)
    monkeypatch.setattr(transfer, 'READ_SECONDS', 30)
    pause = threading.Event()

    def steady(handler) -> None:
        serves(BODY, cut=0)(handler)
        for start in range(0, len(BODY), 10_000):
            handler.wfile.write(BODY[start : start + 10_000])
            pause.wait(0.03)

    site.answers = [steady]
    part = tmp_path / 'a.tar.part'
    transfer.transfer(f'{site.url}/x/a.tar', part, len(BODY), min_speed=least)
    assert part.read_bytes() == BODY and len(site.asked) == 1


def test_after_a_slow_connection_a_fast_one_resumes(site, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, 'WINDOW', 0.3)
    monkeypatch.setattr(transfer, 'READ_SECONDS', 30)
    over = threading.Event()

    def stops(handler) -> None:
        serves(BODY, cut=100_000)(handler)
        over.wait()

    site.answers = [stops, serves_ranges(BODY)]
    assert bring(site, tmp_path) == BODY
    over.set()
    assert int(site.asked[1]['Range'][len('bytes=') : -1]) > 99_000


def test_the_body_of_a_redirect_is_not_read(site, tmp_path):
    over = threading.Event()

    def endless(handler) -> None:
        serves(code=302, Location='/elsewhere', Content_Length=None)(handler)
        while not over.is_set():
            handler.wfile.write(bytes(65536))

    site.answers = [endless, serves(BODY)]
    assert bring(site, tmp_path) == BODY
    over.set()


def test_redirects_in_circles_end(site, tmp_path):
    site.answers = [serves(code=302, Location='/again')]
    with pytest.raises(UserError, match='more than 5 redirects'):
        bring(site, tmp_path)


def test_delays_grow_and_respect_retry_after(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(transfer, 'FIRST_DELAY', 1.0)
    monkeypatch.setattr(transfer, 'LONGEST_DELAY', 60.0)
    monkeypatch.setattr(transfer.time, 'sleep', waits.append)
    site.answers = [
        serves(code=500),
        serves(code=500),
        serves(code=429, Retry_After=30),
        serves(code=429, Retry_After=999),
    ]
    with pytest.raises(UserError, match='429 Too Many Requests'):
        bring(site, tmp_path)
    assert waits == [1, 2, 30, 60] and len(site.asked) == 5


@pytest.mark.parametrize('code', [401, 403, 404, 410])
def test_permanent_errors_are_not_retried(site, tmp_path, code):
    site.answers = [serves(code=code)]
    with pytest.raises(UserError, match=rf'/x/a\.tar answers {code} .*--mirror'):
        bring(site, tmp_path)
    assert len(site.asked) == 1


def test_no_server(site, tmp_path, capsys):
    site.close()
    with pytest.raises(UserError, match=r'connection refused.*check the network and repeat'):
        bring(site, tmp_path)
    assert 'a.tar: connection refused; trying again' in capsys.readouterr().out


def test_a_wrong_size_is_detected_before_the_body_is_read(site, tmp_path):
    site.answers = [serves(BODY + b'x')]
    with pytest.raises(UserError, match=r'another file: 300,001 bytes, expected 300,000; .*--mirror'):
        bring(site, tmp_path)
    assert not (tmp_path / 'a.tar.part').exists()


def test_another_file_on_a_mirror_does_not_delete_the_received_bytes(site, tmp_path):
    part = tmp_path / 'a.tar.part'
    part.write_bytes(BODY[:100_000])
    site.answers = [serves(code=416, Content_Range='bytes */5000')]
    with pytest.raises(UserError, match='another file: 5,000 bytes, expected 300,000'):
        bring(site, tmp_path)
    assert part.read_bytes() == BODY[:100_000] and len(site.asked) == 1


def test_a_body_without_length_that_does_not_end(site, tmp_path):
    site.answers = [serves(BODY * 3, Content_Length=None)]
    with pytest.raises(UserError, match='another file'):
        bring(site, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_encoding_of_an_archive_is_left_alone(site, tmp_path):
    site.answers = [serves(BODY, Content_Encoding='gzip')]
    assert bring(site, tmp_path) == BODY


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='there is no device that is always full')
def test_a_full_disk_while_writing(site, tmp_path):
    (tmp_path / 'a.tar.part').symlink_to('/dev/full')
    site.answers = [serves(BODY)]
    with pytest.raises(UserError, match=r'cannot write .*a\.tar\.part: No space left.*free some space'):
        bring(site, tmp_path)


def test_a_redirect_is_followed(site, tmp_path):
    site.answers = [serves(code=302, Location='/elsewhere'), serves(BODY)]
    assert bring(site, tmp_path) == BODY
    assert site.asked[1]['path'] == '/elsewhere'


def test_a_redirect_to_a_file_is_not_followed(site, tmp_path):
    site.answers = [serves(code=302, Location='file:///etc/passwd')]
    with pytest.raises(UserError, match='is not a web address'):
        bring(site, tmp_path)
    assert len(site.asked) == 1 and not list(tmp_path.iterdir())
