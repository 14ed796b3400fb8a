"""Requests that wait too long for memory or for their turn are answered 503, and so are those that wait when
the server stops."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from src.common.process.budget import Budget
from src.images import decode
from src.inference.server import explain, service
from tests.inference.models import bright_above
from tests.pictures import encoded

SMALL = encoded(bright_above(), 'JPEG')
LARGE = encoded(bright_above(2400, 1800), 'PNG')


@pytest.fixture
def budget(monkeypatch):
    made = Budget(100_000_000, 60_000_000)
    for module in (decode, service):
        monkeypatch.setattr(module, 'DECODING', made)
    return made


def refused(answer, words: str) -> bool:
    assert (answer.status_code, answer.headers['Retry-After']) == (503, '1')
    return words in answer.json['error']


def test_a_request_that_waits_too_long_for_memory_is_503(server, budget):
    budget.patience = 0.05
    with ExitStack() as held:
        inside, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with budget.held(60_000_000):
                inside.set()
                leave.wait(60)

        thread = threading.Thread(target=hold)
        thread.start()
        held.callback(thread.join)
        held.callback(leave.set)
        assert inside.wait(60)
        for path in ('/classify', '/explain'):
            assert refused(server.post(path, data=LARGE), 'no memory for this picture now')
    assert server.post('/classify', data=LARGE).status_code == 200
    assert server.admission.inside == 0


def test_a_request_that_waits_too_long_for_its_turn_is_503(server, budget, monkeypatch):
    monkeypatch.setattr(explain, 'WAIT_SECONDS', 0.05)
    computing = server.service._explainer._computing
    with ExitStack() as held:
        for _ in range(computing.qsize()):
            held.enter_context(computing.one())
        assert refused(server.post('/explain', data=LARGE), 'no time for this picture now')


def test_requests_that_wait_for_memory_end_with_the_server(server, budget):
    with ThreadPoolExecutor(1) as pool, budget.held(60_000_000):
        answer = pool.submit(server.post, '/classify', data=LARGE)
        while not budget._large._waiting:
            assert not answer.done()
            time.sleep(0.005)
        server.service.give_up()
        assert refused(answer.result(60), 'no memory for this picture now')


def test_large_json_bodies_are_parsed_one_at_a_time_and_do_not_hold_up_small_ones(server, monkeypatch):
    monkeypatch.setattr(service, 'WAIT_SECONDS', 0.05)
    small = json.dumps({'instances': [{'b64': base64.b64encode(SMALL).decode()}]})
    large = small.replace('{', '{' + ' ' * service.LARGE_BODY, 1)
    path = '/v1/models/side:predict'
    with server.service._parsing.one():
        assert refused(server.post(path, data=large), 'no time for this picture now')
        assert server.post(path, data=small).status_code == 200
    assert 'besides pictures' in server.post(path, data=large).json['error']
