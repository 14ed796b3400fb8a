"""Requests that arrive: framing, room for bodies, slow clients, pipelining."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from waitress.parser import HTTPRequestParser

from src.inference.server.http import connections, listening
from src.inference.server.http.arriving import FRAME_BYTES, Parser
from src.inference.server.http.tokens import Tokens
from tests.inference.server.http.test_listening import GET, connect, hello, listen, received, wait_until

__all__ = ['listen']  # a fixture

POST = b'POST / HTTP/1.1\r\nHost: x\r\n'
CHUNKED = b'Transfer-Encoding: chunked\r\n'
SMUGGLED = b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'


def noting(paths: list):
    def app(environ, start_response):
        paths.append(environ['PATH_INFO'])
        return hello(environ, start_response)

    return app


@pytest.mark.parametrize(
    'sent, status',
    [
        (POST + b'Content-Length: 5\r\n' + CHUNKED + b'\r\n0\r\n\r\n', 400),
        (POST + CHUNKED + b'Content-Length: 0\r\n\r\n0\r\n\r\n', 400),
        (POST + CHUNKED + CHUNKED + b'\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n', 400),
        (POST + b'Transfer-Encoding: gzip\r\n\r\n', 501),
        (POST + b'Content-Length: 0\r\nContent-Length: 5\r\n\r\n', 400),
        (POST + b'Content-Length: +5\r\n\r\nhello', 400),
        (POST + b'Content-Length: ' + b'9' * 5000 + b'\r\n\r\n', 400),
        (POST + b'X: a\nContent-Length: 5\r\n\r\n', 400),
        (POST + b'Host: y\r\n\r\n', 400),
        (b'GET / HTTP/1.1\r\n\r\n', 400),
        (b'POST / HTTP/1.0\r\nConnection: keep-alive\r\n' + CHUNKED + b'\r\n', 400),
        (b'POST / HTTP/9.9\r\nConnection: keep-alive\r\n' + CHUNKED + b'\r\n', 505),
        (b'GET /\r\nConnection: keep-alive\r\n\r\n', 505),
        (POST + CHUNKED + b'\r\n5;a="\r\n', 400),
        (POST + CHUNKED + b'\r\n2\r\nabc\r\n0\r\n\r\n', 400),
        (POST + CHUNKED + b'\r\n-1\r\n\r\n', 400),
        (POST + CHUNKED + b'\r\n0x5\r\nhello\r\n0\r\n\r\n', 400),
        (b'GET / HTTP/1.1\r\nHost: x\r\n' + b'X: y\r\n' * 101 + b'\r\n', 431),
        (b'GET / HTTP/1.1\r\nHost: x\r\nX:' + b' ' * 20_000 + b'\0\r\n\r\n', 400),
        (b'GET / HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 40_000 + b'\r\n\r\n', 431),
    ],
)
def test_heads_that_a_proxy_may_read_in_another_way_are_refused_and_nothing_is_read_behind_them(
    listen, sent, status
):
    paths = []
    _, address, _ = listen(noting(paths))
    answer = received(connect(address, sent + SMUGGLED))
    head, _, body = answer.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.') and int(head[9:12]) == status and b'Connection: close' in head
    assert json.loads(body).keys() == {'error'} and paths == []


@pytest.mark.parametrize(
    'sent',
    [
        POST + b'Content-Length: 5\r\n\r\nhello',
        POST + CHUNKED + b'\r\n2;name="a;\\"b"\r\nhe\r\n3\r\nllo\r\n0\r\nX: trailer\r\n\r\n',
        POST + b'TRANSFER-encoding:\tChunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n',
        b'POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello',
    ],
)
def test_bodies_end_where_they_say(listen, sent):
    bodies = []

    def app(environ, start_response):
        bodies.append(environ['wsgi.input'].read())
        return hello(environ, start_response)

    _, address, _ = listen(app)
    for step in (len(sent), 1):
        connection = connect(address)
        for at in range(0, len(sent), step):
            connection.sendall(sent[at : at + step])
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).count(b'HTTP/1.') == 2
    assert bodies == [b'hello', b''] * 2


def test_the_spaces_of_a_head_cost_nothing(monkeypatch):
    """waitress would take seconds for them, in which the server answers nobody."""
    parsed = []
    monkeypatch.setattr(HTTPRequestParser, 'parse_header', lambda self, head: parsed.append(head))
    for spaces in (b' ', b'\t', b' \t'):
        parser = Parser(None)
        parser.parse_header(b'GET / HTTP/1.1\r\nHost: x\r\nX:' + spaces * 15_000 + b'\0\r\n\r\n')
        assert parser.error.code == 400 and not parsed


@pytest.mark.parametrize(
    'body',
    [
        b'1\r\nx\r\n' * (FRAME_BYTES // 4 + 1),
        b'1;' + b'a' * FRAME_BYTES,
        b'0\r\nX: ' + b'a' * FRAME_BYTES,
        b'\r\n' * (FRAME_BYTES // 2 + 1),
    ],
    ids=['chunks', 'extension', 'trailer', 'lines'],
)
def test_a_body_in_chunks_that_is_mostly_frame_is_refused(listen, body):
    _, address, _ = listen(hello)
    answer = received(connect(address, POST + CHUNKED + b'\r\n' + body))
    assert answer.startswith(b'HTTP/1.1 400') and b'the chunks of the body are too small' in answer


def test_bodies_of_all_connections_have_a_limit_half_of_it_for_one_client(listen, monkeypatch):
    monkeypatch.setattr(listening, 'RECEIVED_BYTES', 300_000)
    listener, address, _ = listen(hello)
    held = listener._acceptors[0].adj.bodies
    head, most = POST + b'Content-Length: 90000\r\n\r\n', b'x' * 89_999
    first = connect(address, head + most)
    wait_until(lambda: held.inside == len(most))
    second = connect(address, head + most)
    wait_until(lambda: sum(each.arriving for each in listener._connections()) == 2)
    second.sendall(b'x')
    answer = received(second)
    assert answer.startswith(b'HTTP/1.1 503') and b'Retry-After: 1' in answer
    assert b'busy with other requests of yours' in answer
    other = socket.create_connection(address, 30, ('127.0.0.2', 0))
    other.sendall(head + most + b'x')
    assert other.recv(1000).endswith(b'hello')
    assert held.inside == len(most)
    first.sendall(b'x')
    assert first.recv(1000).endswith(b'hello')
    wait_until(lambda: held.inside == 0)
    for ending in (b'', b'zz\r\n'):  # a client that goes, and one whose body is refused
        gone = connect(address, POST + CHUNKED + b'\r\n3e8\r\n' + b'x' * 1000 + b'\r\n' + b'5\r\nabc')
        wait_until(lambda: held.inside == 1003)
        gone.sendall(ending)
        gone.close()
        wait_until(lambda: held.inside == 0)


def test_a_body_that_arrives_too_slowly_is_cut_off(listen, monkeypatch):
    monkeypatch.setattr(connections, 'BODY_SECONDS', 0.2)
    monkeypatch.setattr(connections, 'BODY_BYTES_A_SECOND', 1000)
    monkeypatch.setattr(listening, 'CHECK_SECONDS', 0)
    _, address, _ = listen(hello)
    slow = connect(address, POST + b'Content-Length: 90000\r\n\r\n123')
    fast = connect(address, POST + b'Content-Length: 60001\r\n\r\n' + b'x' * 60_000)
    assert slow.recv(10) == b''
    fast.sendall(b'x')
    assert fast.recv(1000).endswith(b'hello')


def test_an_answer_that_is_not_taken_is_cut_off(listen, monkeypatch):
    monkeypatch.setattr(connections, 'TAKING_SECONDS', 0.2)
    monkeypatch.setattr(listening, 'CHECK_SECONDS', 0)
    size = 30_000_000

    def app(environ, start_response):
        start_response('200 OK', [('Content-Length', str(size))])
        return [b'x' * size]

    listener, address, _ = listen(app)
    idle = connect(address, GET)
    wait_until(lambda: listener._connections())
    wait_until(lambda: not listener._connections())
    assert len(received(idle)) < size


def test_answers_to_pipelined_requests_wait_until_the_client_has_taken_those_before(listen):
    paths, size, number = [], 2_000_000, 20

    def app(environ, start_response):
        paths.append(environ['PATH_INFO'])
        start_response('200 OK', [('Content-Length', str(size))])
        return [b'x' * size]

    listener, address, _ = listen(app)
    greedy = connect(address)
    greedy.sendall(b''.join(GET.replace(b'/', b'/%d' % i, 1) for i in range(number)))
    wait_until(lambda: paths and not listener._connections()[0].requests)
    unsent = listener._connections()[0].total_outbufs_len
    assert unsent <= size + 1000 and len(paths) < number
    answers = 0
    greedy.settimeout(30)
    while answers < number * size:
        answers += len(greedy.recv(1 << 20))
    assert paths == [f'/{i}' for i in range(number)]


def test_one_connection_has_one_request_at_a_time(listen):
    begun, go, most = threading.Event(), threading.Event(), []

    def app(environ, start_response):
        begun.set()
        go.wait(30)
        most.extend(len(each.requests) for each in listener._connections())
        return hello(environ, start_response)

    listener, address, _ = listen(app)
    connection = connect(address, GET * 2000)
    begun.wait(30)
    connection.shutdown(socket.SHUT_WR)
    go.set()
    assert received(connection).count(b'hello') == 2000
    assert set(most) == {1}


def test_a_body_without_a_token_is_not_asked_for_and_not_kept(listen, tmp_path):
    (tmp_path / 'tokens').write_text('0123456789abcdef\n')
    listener, address, _ = listen(hello, tokens=Tokens(tmp_path / 'tokens'))
    expect = POST.replace(b'/', b'/classify', 1) + b'Content-Length: 50000\r\nExpect: 100-continue\r\n'
    answer = received(connect(address, expect + b'\r\n'))
    assert answer.startswith(b'HTTP/1.1 401') and b'Www-Authenticate: Bearer' in answer
    partial = connect(address, expect.replace(b'Expect: 100-continue\r\n', b'\r\n') + b'x' * 40_000)
    wait_until(lambda: any(each.arriving for each in listener._connections()))
    assert listener._acceptors[0].adj.bodies.inside == 0
    partial.sendall(b'x' * 10_000)
    assert received(partial).startswith(b'HTTP/1.1 401')
    known = connect(address, expect + b'Authorization: Bearer 0123456789abcdef\r\n\r\n')
    assert known.recv(1000).startswith(b'HTTP/1.1 100 Continue')
    known.sendall(b'x' * 50_000)
    assert known.recv(1000).endswith(b'hello')


def test_headers_of_proxies_do_not_change_who_the_client_is(listen):
    seen = []

    def app(environ, start_response):
        seen.append((environ['REMOTE_ADDR'], environ['wsgi.url_scheme']))
        seen.extend(key for key in environ if 'FORWARDED' in key)
        return hello(environ, start_response)

    _, address, _ = listen(app)
    for header in (b'X-Forwarded-For: 9.9.9.9', b'Forwarded: for=9.9.9.9', b'X-Forwarded-Proto: https'):
        assert connect(address, GET[:-2] + header + b'\r\n\r\n').recv(1000).endswith(b'hello')
    assert set(seen) == {('127.0.0.1', 'http')}
