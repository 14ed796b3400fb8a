"""The soak test: it counts what is right, wrong and lost, and says what did not hold."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from benchmarks import soak, soak_clients
from benchmarks.served import running
from benchmarks.soak_clients import Client, Question
from src.inference.predictor import load_model
from tests.inference.models import bright_above, brightest_side
from tests.pictures import encoded

PICTURES = [encoded(bright_above()[::step].copy(), 'JPEG') for step in (1, -1)]
GOOD = {'counts': {'right': 9}, 'end': {'seconds': 3.0, 'code': 0, 'line': soak.HONEST}}


@pytest.mark.posix
def test_a_server_answers_all_and_ends_while_its_clients_go_on(tmp_path):
    path = brightest_side(tmp_path / 'side.pb')
    asked = soak_clients.questions('side', load_model(path), PICTURES)
    assert len(asked) == 4
    with running(path) as server:
        found = soak.soak(server, asked, clients=4, seconds=2)
    assert not soak.faults(found) and found['counts'].keys() <= {'right', 'refused', 'unheard'}
    assert found['counts']['right'] > 8 and max(found['memory']) > 10_000_000
    assert len(soak.row('side.pb', found)) == len(soak.COLUMNS)


def test_wrong_answers_are_seen():
    right = {'top': 0.7, 'bottom': 0.3}
    question = Question(b'', right)

    def best(label: str, probability: float) -> bytes:
        classes = [{'label': label, 'probability': probability}]
        return json.dumps({'pictures': [{'classes': classes}]}).encode()

    assert question.is_answered_by(best('top', 0.7002)) and question.is_answered_by(
        b'{"predictions": [[0.7, 0.3]]}'
    )
    assert not question.is_answered_by(best('top', 0.6)) and not question.is_answered_by(best('bottom', 0.3))
    assert not question.is_answered_by(b'{"predictions": [[0.3, 0.7]]}')


@pytest.mark.parametrize('answered, outcome', [(0, 'unheard'), (1, 'lost')])
def test_requests_without_an_answer_are_counted(answered, outcome):
    """A server that closes its connection after some answers, and is not there for the next one."""
    body = b'{"predictions": [[1.0]]}'
    with socket.create_server(('127.0.0.1', 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            listening.close()
            with connection:
                for _ in range(answered):
                    connection.recv(100)
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b' % (len(body), body))
                connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        client = Client(listening.getsockname(), [Question(b'GET / HTTP/1.1\r\n\r\n', {'a': 1.0})], 0)
        client.join(30)
        thread.join(30)
    assert client.counts == ({'right': 1, outcome: 1} if answered else {outcome: 1})


@pytest.mark.parametrize(
    'change, words',
    [
        ({'counts': {'right': 9, 'lost': 1}}, ['1 lost', 'the server says']),
        ({'counts': {'wrong': 2, 'errors': 1, 'refused': 5}}, ['2 wrong', '1 errors']),
        ({'end': GOOD['end'] | {'code': -11}}, ['exit code -11']),
        ({'end': GOOD['end'] | {'seconds': 99.0}}, ['it ended after 99 seconds']),
        ({'end': GOOD['end'] | {'line': 'stopped; not all requests'}}, ['the server says']),
        ({}, []),
    ],
)
def test_what_does_not_hold_is_said(change, words):
    said = soak.faults(GOOD | change)
    assert len(said) == len(words) and all(map(str.startswith, said, words))


def test_the_memory_of_the_first_and_the_last_quarter():
    assert soak.quarters([1, 2, 3, 4, 5, 6, 7, 9]) == (1.5, 8)
    assert soak.quarters([5]) == (5, 5)
