"""The server under overload and under malformed requests (the tools are those
of `python -m benchmarks.serving`, which does the same for longer)."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.clients import ask, post
from benchmarks.malformed import malformed, tiny_picture
from benchmarks.overload import overload, send_malformed
from benchmarks.served import running
from src.inference.predictor import load_model
from tests.inference.models import bright_above, brightest_side
from tests.pictures import encoded

PICTURES = [encoded(bright_above()[::step].copy(), 'JPEG') for step in (1, -1)]
SECONDS = 1.5


@pytest.fixture(scope='module', params=['tensorflow', 'litert'])
def model(request, tmp_path_factory):
    if request.param == 'litert':
        return request.getfixturevalue('lite_side')
    return brightest_side(tmp_path_factory.mktemp('load') / 'side.pb')


@pytest.fixture(scope='module')
def server(model):
    with running(model) as server:
        yield server


def still_answers(server) -> bool:
    answers = ask(server.address, [post('/classify', PICTURES[0])], 2, 0.2)
    return bool(answers) and {answer.status for answer in answers} == {200}


def test_overload_is_refused_and_what_is_accepted_is_right(server, model):
    result = overload(server, load_model(model), PICTURES, rate=20_000, seconds=SECONDS)
    assert result['statuses'].keys() <= {200, 503} and result['statuses'][200] > 0
    assert result['wrong'] == 0
    assert still_answers(server)


def test_malformed_requests_are_refused_and_leave_no_threads(server):
    result = send_malformed(server, 400, seed=7)
    assert sum(result['statuses'].values()) == 400
    assert 500 not in result['statuses'] and result['statuses'][400] > 20
    assert result['threads'][0] == result['threads'][1]
    assert still_answers(server)


def test_malformed_requests_are_the_same_for_the_same_seed():
    first, again, other = (list(islice(malformed(tiny_picture(), 'm', seed), 50)) for seed in (1, 1, 2))
    assert first == again != other


def test_clients_measure_what_they_sent(server):
    requests = [post('/classify', picture) for picture in PICTURES]
    paced = ask(server.address, requests, connections=4, seconds=SECONDS, rate=40)
    assert len(paced) == pytest.approx(40 * SECONDS, abs=2)
    assert {answer.index for answer in paced} == {0, 1}
    assert all(answer.status == 200 and answer.seconds > 0 for answer in paced)
