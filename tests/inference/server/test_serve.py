"""The server as a process of its own: start, new versions, errors, and shutdown."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from benchmarks.served import children
from src.common import paths
from src.inference.server.http.listening import STOP_SECONDS
from src.inference.workers import CORES
from tests.forks import Forks
from tests.inference.models import bright_above, brightest_side
from tests.inference.server.test_models import endless_graph
from tests.lite import endless, tflite_of
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG')
COMMAND = [sys.executable, '-m', 'src.inference.serve']


@contextmanager
def running(*flags: str, forks: Forks | None = None, **environment: str):
    """A server, and its address; ended by SIGTERM if it still runs.

    forks: start it there. For servers that load TensorFlow.
    """
    words = '--port', '0', *flags
    if forks:
        process = forks.command('src.inference.serve', *words, merged=True, **environment)
    else:
        process = subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=paths.CHECKOUT,
            env=os.environ | environment,
        )
    printed = []
    try:
        for line in process.lines() if forks else process.stdout:
            printed.append(line)
            if found := re.match(r'open (http://127.0.0.1:\d+)/', line):
                break
        assert found, printed
        yield process, found[1]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.posix
@pytest.mark.parametrize('runtime', ['tensorflow', 'litert'])
def test_a_request_in_progress_is_answered_before_the_server_stops(tmp_path, request, runtime):
    lite = runtime == 'litert'
    model = request.getfixturevalue('lite_side') if lite else brightest_side(tmp_path / 'side.pb')
    with running('--model', str(model)) as (process, address):
        host, port = address.removeprefix('http://').split(':')
        unfinished = socket.create_connection((host, int(port)), 10)
        unfinished.sendall(b'POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc')
        large = encoded(bright_above(2400, 1800), 'JPEG')
        answers = []

        def ask() -> None:
            parts = [('image', (f'{i}.jpg', large)) for i in range(20)]
            answers.append(requests.post(f'{address}/classify', files=parts, timeout=60))

        thread = threading.Thread(target=ask)
        thread.start()
        while 'rootstock_queue_pictures 20.0' not in requests.get(f'{address}/metrics', timeout=10).text:
            assert thread.is_alive()
        process.send_signal(signal.SIGTERM)
        thread.join(60)
        output, _ = process.communicate(timeout=40)
        unfinished.close()
    (answer,) = answers
    assert answer.status_code == 200
    assert [p['classes'][0]['label'] for p in answer.json()['pictures']] == ['top'] * 20
    assert process.returncode == 0
    assert output.strip().endswith(
        'stopped; all requests that had arrived were answered; 1 cut off, as they had not arrived in whole'
    )


def test_new_versions_are_picked_up_and_no_request_is_lost(tmp_path, lite_side, forks):
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    versions, codes, wanted = ['1'], set(), ['1']
    flags = '--model', str(folder), '--watch-seconds', '0.1'
    with running(*flags, forks=forks) as (_, address), requests.Session() as session:
        for version, model in ('2', folder / '1.pb'), ('3', lite_side), ('4', folder / '1.pb'):
            shutil.copy(model, tmp_path / 'new.tmp')
            (tmp_path / 'new.tmp').rename(folder / f'{version}{model.suffix}')
            wanted.append(version)
            end = time.monotonic() + 150
            while versions[-1] != version and time.monotonic() < end:
                answer = session.post(f'{address}/classify', data=JPEG, timeout=10)
                codes.add(answer.status_code)
                if (now := answer.json()['version']) != versions[-1]:
                    versions.append(now)
                time.sleep(0.01)  # else most of two cores are taken until the version is served
            assert versions == wanted and codes == {200}
            there = f'{address}/v1/models/side/versions'
            assert requests.get(f'{there}/{version}', timeout=10).status_code == 200
            assert requests.get(f'{there}/{int(version) - 1}', timeout=10).status_code == 404


def test_the_lite_file_beside_a_named_model_is_served_as_long_as_it_belongs_to_it(tmp_path, forks):
    """`freeze` replaces the graph, and `export` the .tflite file after it."""
    frozen = tmp_path / 'frozen'
    frozen.mkdir()
    graph, lite = frozen / 'sides.pb', frozen / 'sides.tflite'
    brightest_side(graph)
    tflite_of(graph, lite)
    flags = '--model', 'sides', '--watch-seconds', '0.1'
    with running(*flags, forks=forks, ROOTSTOCK_HOME=str(tmp_path)) as (_, address):
        explain = f'{address}/explain'
        assert requests.post(f'{address}/classify', data=JPEG, timeout=10).json()['version'] == '1'
        assert (
            'no feature map' in requests.post(explain, data=JPEG, timeout=60).json()['error']
        )  # of the graph
        brightest_side(frozen / 'new.tmp', ['a', 'b', 'c', 'd']).rename(graph)
        assert wait_for_version(address, 2) == 'a'
        tflite_of(graph, frozen / 'new.tmp').rename(lite)
        assert wait_for_version(address, 3) == 'a'
        assert 'no feature map' in requests.post(explain, data=JPEG, timeout=60).json()['error']


def wait_for_version(address: str, version: int) -> str:
    """The best class of JPEG, as soon as a version is served."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = requests.post(f'{address}/classify', data=JPEG, timeout=10)
        assert answer.status_code == 200
        if answer.json()['version'] == str(version):
            return answer.json()['pictures'][0]['classes'][0]['label']
        time.sleep(0.05)
    raise AssertionError(f'version {version} is not served')


def alive(process: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.posix
def test_the_processes_of_a_server_that_is_killed_end(lite_side):
    if not Path('/proc/self/stat').exists():
        pytest.skip('no /proc to find the processes')
    with running('--model', str(lite_side)) as (process, address):
        assert requests.post(f'{address}/classify', data=JPEG, timeout=10).status_code == 200
        workers = children(process.pid)
        assert len(workers) > CORES  # and one of multiprocessing itself
        process.kill()
        end = time.monotonic() + 30
        while any(map(alive, workers)):
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.posix
def test_a_server_that_is_ended_while_it_loads_leaves_no_files(tmp_path, lite_side):
    model = endless(lite_side, tmp_path / 'endless.tflite')
    temporary = tmp_path / 'tmp'
    temporary.mkdir()
    process = subprocess.Popen(
        [*COMMAND, '--port', '0', '--model', str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=paths.CHECKOUT,
        env=os.environ | {'TMPDIR': str(temporary)},
    )
    end = time.monotonic() + 60
    while not list(temporary.glob('rootstock-*/*.tflite')):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.splitlines()[-1]) == (130, 'stopped')
    assert not list(temporary.glob('rootstock-*'))


@pytest.mark.posix
def test_the_server_ends_though_its_processes_are_stopped(lite_side):
    if not Path('/proc/self/stat').exists():
        pytest.skip('no /proc to find the processes')
    with running('--model', str(lite_side)) as (process, _):
        workers = workers_of(process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and 'Traceback' not in output
    assert not any(map(alive, workers))


@pytest.mark.posix
@pytest.mark.slow
def test_a_process_that_hangs_with_a_picture_does_not_hold_up_the_end(lite_side):
    """The picture is answered all the same, with 503."""
    if not Path('/proc/self/stat').exists():
        pytest.skip('no /proc to find the processes')
    with running('--model', str(lite_side)) as (process, address):
        for worker in workers_of(process.pid):
            os.kill(worker, signal.SIGSTOP)
        with ThreadPoolExecutor(CORES + 1) as pool:
            answers = [
                pool.submit(requests.post, f'{address}/classify', data=JPEG, timeout=60)
                for _ in range(CORES + 1)
            ]
            while f'queue_pictures {CORES + 1}.0' not in requests.get(f'{address}/metrics', timeout=10).text:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=STOP_SECONDS + 5)
        assert {answer.result().status_code for answer in answers} == {503}
    assert process.returncode == 0 and 'Traceback' not in output
    assert output.strip().endswith('stopped; all requests that had arrived were answered')


@pytest.mark.posix
@pytest.mark.parametrize('runtime', ['tensorflow', 'litert'])
def test_a_new_version_that_never_answers_holds_up_neither_requests_nor_the_end(
    tmp_path, request, forks, runtime
):
    if not Path('/proc/self/stat').exists():
        pytest.skip('no /proc to find the processes')
    folder, temporary = tmp_path / 'side', tmp_path / 'tmp'
    folder.mkdir()
    temporary.mkdir()
    if runtime == 'litert':
        endless(request.getfixturevalue('lite_side'), tmp_path / 'new.tmp')
        name = '2.tflite'
    else:
        endless_graph(tmp_path / 'new.tmp')
        name = '2.pb'
    brightest_side(folder / '1.pb')
    flags = '--model', str(folder), '--watch-seconds', '0.1'
    with running(*flags, forks=forks, TMPDIR=str(temporary)) as (process, address):
        (tmp_path / 'new.tmp').rename(folder / name)
        end = time.monotonic() + 60
        while not (trial := workers_of(process.pid)):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1)  # for it to load
        answer = requests.post(f'{address}/classify', data=JPEG, timeout=30)
        assert (answer.status_code, answer.json()['version']) == (200, '1')
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=STOP_SECONDS + 30)
        assert not any(map(alive, trial))
    assert process.returncode == 0
    assert output.strip().splitlines()[-1] == 'stopped; all requests that had arrived were answered'
    assert 'still serving' not in output and not list(temporary.glob('rootstock-*'))


@pytest.mark.posix
def test_processes_that_die_after_the_file_was_deleted_are_replaced(tmp_path, lite_side):
    if not Path('/proc/self/stat').exists():
        pytest.skip('no /proc to find the processes')
    model = Path(shutil.copy(lite_side, tmp_path))
    with running('--model', str(model)) as (process, address):
        model.unlink()
        for worker in workers_of(process.pid):
            os.kill(worker, signal.SIGKILL)
        codes = [requests.post(f'{address}/classify', data=JPEG, timeout=30).status_code for _ in range(20)]
        assert codes.count(200) >= 20 - CORES  # a process may have died with a picture
        assert codes[-5:] == [200] * 5
        assert requests.get(f'{address}/readyz', timeout=10).status_code == 200
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert 'Traceback' not in output


def workers_of(server: int) -> list[int]:
    """The processes that run a model for a server."""
    return [
        child for child in children(server) if b'spawn_main' in Path(f'/proc/{child}/cmdline').read_bytes()
    ]


def test_odd_bytes_on_the_line_do_not_hurt(tmp_path, forks):
    with running('--model', str(brightest_side(tmp_path / 'side.pb')), forks=forks) as (_, address):
        host, port = address.removeprefix('http://').split(':')
        for data in (
            b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',  # a TLS handshake
            b'GET / HTTP/9.9\r\n\r\n',
            b'POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
            b'POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n',
            b'POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
            b'GET /' + b'a' * 300_000 + b' HTTP/1.1\r\n\r\n',
            b'\0' * 1000,
        ):
            with socket.create_connection((host, int(port)), 10) as line:
                line.settimeout(3)
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                try:
                    answer = line.recv(100)
                except OSError:
                    answer = b''
            assert not answer or re.match(rb'HTTP/1.[01] ([24]\d\d|505)', answer), answer
        assert requests.post(f'{address}/classify', data=JPEG, timeout=10).status_code == 200


@pytest.mark.parametrize(
    'flags, words',
    [
        (['--model', 'nowhere.pb'], 'there is no nowhere.pb'),
        (['--queue', '0'], "'0' is not a whole number from 1 to 4096"),
        (['--queue', '9999999'], "'9999999' is not a whole number from 1 to 4096"),
        (['--per-client', '200'], '--per-client 200 is above --queue 128: lower it, or raise --queue'),
        (['--max-picture-mb', '30', '--max-request-mb', '20'], '--max-picture-mb 30 is above'),
        (['--host', '203.0.113.7'], 'cannot listen to 203.0.113.7'),
        (['--host', 'nowhere.invalid'], "unknown --host 'nowhere.invalid'"),
        (['--port', '70000'], "'70000' is not a whole number from 0 to 65535"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(flags, words):
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, cwd=paths.CHECKOUT, timeout=60)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_file_that_is_no_graph_is_one_line_and_exit_code_2(forks):
    started = forks.command('src.inference.serve', '--model', 'README.md')
    _, error = started.communicate(timeout=60)
    assert started.returncode == 2 and 'is not a TensorFlow GraphDef' in error
    assert len(error.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, '--port', port], capture_output=True, text=True, cwd=paths.CHECKOUT, timeout=60
        )
    assert done.returncode == 2 and 'choose another --port' in done.stderr
