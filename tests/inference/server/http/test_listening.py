"""The event loop: addresses, stopping, silent connections, and bodies for which there is no room."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time

import pytest
import requests

from src.common.errors import UserError
from src.inference.server.http import connections, listening
from src.inference.server.http.connections import Acceptor
from src.inference.server.http.listening import Listener, Outcome
from src.inference.server.http.sockets import bind, url_for_others, url_of
from tests.inference.server.http.test_sockets import bound

IPV6 = socket.has_ipv6


@pytest.mark.parametrize(
    'host, shown',
    [
        ('127.0.0.1', '127.0.0.1'),
        ('localhost', 'localhost'),
        ('0.0.0.0', '127.0.0.1'),
        ('::1', '[::1]'),
        ('[::1]', '[::1]'),
        ('::', '[::1]'),
    ],
)
def test_the_address_that_is_printed_can_be_opened(host, shown, monkeypatch):
    if host == '127.0.0.1':  # once as on Windows, which has no poll
        monkeypatch.delattr(select, 'poll', raising=False)
    if ':' in host and not IPV6:
        pytest.skip('no IPv6')
    sockets = bind(host, 0)
    port = sockets[0].getsockname()[1]
    assert {each.getsockname()[1] for each in sockets} == {port}
    assert url_of(host, sockets) == f'http://{shown}:{port}/'

    def app(environ, start_response):
        start_response('200 OK', [('Content-Length', '5')])
        return [b'hello']

    listener = Listener(app, sockets, 4, 1000)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(listener.run()))
    thread.start()
    try:
        with requests.Session() as session:
            session.trust_env = False
            others = url_for_others(host, sockets)
            assert not others or host in ('0.0.0.0', '::')
            for address in filter(None, (url_of(host, sockets), others)):
                assert session.get(address, timeout=10).text == 'hello'
    finally:
        listener.stop()
        thread.join(30)
    assert ended == [Outcome()]
    with pytest.raises(OSError):
        socket.create_connection((shown.strip('[]'), port), 2)


def test_a_port_that_is_taken_while_the_models_load(monkeypatch):
    """Two servers that start at the same time: both may bind, one may listen."""

    def refuse(*args, **options):
        raise OSError(98, 'Address already in use')

    monkeypatch.setattr(Acceptor, 'accept_connections', refuse)
    with bound('127.0.0.1') as sockets, pytest.raises(UserError, match='choose another --port'):
        Listener(lambda *_: [], sockets, 1, 1000)


@pytest.fixture
def listen():
    """A function that runs an application, and returns the listener, its address, and the list to which its
    outcome is added when it ends."""
    started = []

    def run(app, tokens=None, refused=lambda status: None, **options):
        sockets = bind('127.0.0.1', 0)
        listener, outcomes = Listener(app, sockets, 8, 100_000, tokens, refused), []
        thread = threading.Thread(target=lambda: outcomes.append(listener.run(**options)))
        thread.start()
        started.append((listener, thread))
        return listener, sockets[0].getsockname(), outcomes

    yield run
    for listener, thread in started:
        listener.stop()
        thread.join(40)
        assert not thread.is_alive()


def hello(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Length', '5')])
    return [b'hello']


def slow(begun: threading.Event, go: threading.Event):
    """An application that answers /slow when it may."""

    def app(environ, start_response):
        if environ['PATH_INFO'] == '/slow':
            begun.set()
            go.wait(30)
        return hello(environ, start_response)

    return app


def connect(address, sent: bytes = b'') -> socket.socket:
    made = socket.create_connection(address, 30)
    made.sendall(sent)
    return made


def received(connection: socket.socket) -> bytes:
    """All that is sent until the server closes the connection."""
    return b''.join(iter(lambda: connection.recv(1 << 16), b''))


GET = b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_was_taken_is_answered_and_each_answer_closes_its_connection(listen):
    begun, go = threading.Event(), threading.Event()
    listener, address, outcomes = listen(slow(begun, go))
    waiting = connect(address, GET.replace(b'/', b'/slow', 1))
    begun.wait(10)
    kept = connect(address, GET)
    assert kept.recv(1000).endswith(b'hello')
    pipelined = connect(address, GET.replace(b'/', b'/slow', 1) + GET)
    arriving = connect(address, b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12')
    wait_until(lambda: len(listener._connections()) == 4)
    listener.stop()
    wait_until(lambda: not listener._acceptors[0].accepting)
    with pytest.raises(OSError):
        connect(address)
    kept.sendall(GET)  # as a client that retries at once
    arriving.sendall(b'34')
    for connection in (kept, arriving):
        answer = received(connection)
        assert answer.startswith(b'HTTP/1.1 200 OK') and answer.endswith(b'hello')
        assert answer.count(b'Connection: close') == 1
    go.set()
    assert received(waiting).count(b'hello') == 1
    both = received(pipelined)
    assert both.count(b'hello') == 2 and both.count(b'Connection: close') == 1
    wait_until(lambda: outcomes)
    assert str(outcomes[0]) == 'all requests that had arrived were answered'


def test_clients_that_keep_asking_on_their_connections_do_not_hold_it_up(listen):
    listener, address, outcomes = listen(hello)
    lost, answered = [], []

    def ask() -> None:
        """Ask on one connection until the server says that it closes it."""
        with connect(address) as connection:
            while True:
                connection.sendall(GET)
                answer = connection.recv(1000)
                (answered if answer.endswith(b'hello') else lost).append(answer)
                if b'Connection: close' in answer or not answer:
                    return

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 100)
    listener.stop()
    for thread in threads:
        thread.join(20)
    wait_until(lambda: outcomes)
    assert not lost and outcomes == [Outcome()]


def test_what_is_not_answered_in_time_is_given_up_and_said(listen, monkeypatch):
    monkeypatch.setattr(listening, 'LATE_SECONDS', 0.3)
    monkeypatch.setattr(listening, 'STOP_SECONDS', 4)
    begun, go, never = threading.Event(), threading.Event(), threading.Event()

    def app(environ, start_response):
        if environ['PATH_INFO'] == '/never':
            begun.set()
            never.wait(30)
        return slow(begun, go)(environ, start_response)

    listener, address, outcomes = listen(app, give_up=go.set)
    waiting = connect(address, GET.replace(b'/', b'/slow', 1))
    begun.wait(10)
    begun.clear()
    connect(address, GET.replace(b'/', b'/never', 1))
    begun.wait(10)
    unfinished = connect(address, b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n')
    wait_until(lambda: any(each.arriving for each in listener._connections()))
    listener.stop()
    assert received(waiting).endswith(b'hello')  # as `give_up` let it go on
    wait_until(lambda: outcomes)
    never.set()
    unfinished.close()
    assert str(outcomes[0]).startswith('not all requests that had arrived were answered; 1 not answered')


def test_silent_connections_make_room_for_others(listen, monkeypatch):
    """Those of one client, however many; not those of a client that has few, nor one with a request."""
    monkeypatch.setattr(listening, 'CONNECTIONS', 20)
    begun, go = threading.Event(), threading.Event()
    listener, address, _ = listen(slow(begun, go))
    silent = [connect(address) for _ in range(10)]
    waiting = connect(address, GET.replace(b'/', b'/slow', 1))
    begun.wait(10)
    other = socket.create_connection(address, 30, ('127.0.0.2', 0))
    silent += [connect(address, GET[:5]) for _ in range(50)]
    for _ in range(3):
        fresh = connect(address, GET)
        assert fresh.recv(1000).endswith(b'hello')
    assert len(listener._connections()) <= 20
    other.sendall(GET)
    assert other.recv(1000).endswith(b'hello')
    go.set()
    assert waiting.recv(1000).endswith(b'hello')
    assert silent[0].recv(10) == b''  # closed, as the oldest


def test_a_head_that_does_not_end_is_cut_off(listen, monkeypatch):
    monkeypatch.setattr(connections, 'HEAD_SECONDS', 0.2)
    monkeypatch.setattr(listening, 'CHECK_SECONDS', 0)
    _, address, _ = listen(hello)
    dripping = connect(address, GET[:5])
    body = connect(address, b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1')
    assert dripping.recv(10) == b''
    body.sendall(b'2')  # a body may take its time
    assert body.recv(1000).endswith(b'hello')


def test_a_body_that_is_too_large_is_refused_with_an_answer(listen):
    refused = []
    _, address, _ = listen(hello, refused=refused.append)
    head = b'POST / HTTP/1.1\r\nHost: x\r\n'
    size = 2_000_000
    chunk = b'%x\r\n' % size + b'x' * size + b'\r\n0\r\n\r\n'
    for sent in (
        head + b'Content-Length: %d\r\n\r\n' % size + b'x' * size,
        head + b'Transfer-Encoding: chunked\r\n\r\n' + chunk,
        head + b'Expect: 100-continue\r\nContent-Length: %d\r\n\r\n' % size,
    ):
        answer = received(connect(address, sent))
        assert answer.startswith(b'HTTP/1.1 413 ') and b'more than 100,000 bytes' in answer
    assert connect(address, GET).recv(1000).endswith(b'hello')
    assert refused == [413, 413, 413]  # for the metrics


@pytest.mark.parametrize('chunked', [False, True])
def test_without_room_for_temporary_files_the_answer_is_507(listen, monkeypatch, chunked):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(listening, 'BODY_IN_MEMORY', 10_000)
    monkeypatch.setattr('tempfile.TemporaryFile', full)
    _, address, _ = listen(hello)
    body = b'x' * 90_000
    head, sent = b'Content-Length: 90000', body
    if chunked:
        head, sent = b'Transfer-Encoding: chunked', b'15f90\r\n' + body + b'\r\n0\r\n\r\n'
    answer = received(connect(address, b'POST / HTTP/1.1\r\nHost: x\r\n' + head + b'\r\n\r\n' + sent))
    assert answer.startswith(b'HTTP/1.1 507 Insufficient Storage')
    assert b'"the server has no room for a request of this size (No space left on device)' in answer
    small = connect(address, b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345')
    assert small.recv(1000).endswith(b'hello')
