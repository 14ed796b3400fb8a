"""Sockets: valid hosts and ports, printed addresses, and errors."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager

import pytest
import requests

from src.common.errors import UserError
from src.inference.server import listening
from src.inference.server.listening import Listener, bind, url_of

IPV6 = socket.has_ipv6


@contextmanager
def bound(host: str, port: int = 0):
    sockets = bind(host, port)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


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
            assert session.get(url_of(host, sockets), timeout=10).text == 'hello'
    finally:
        listener.stop()
        thread.join(30)
    assert ended == [True]
    with pytest.raises(OSError):
        socket.create_connection((shown.strip('[]'), port), 2)


def test_a_name_with_two_addresses_is_served_on_both_on_one_port(monkeypatch):
    """As localhost on many machines. An address that is not available is left out."""
    look_up = socket.getaddrinfo
    addresses = ['127.0.0.1', '203.0.113.7', '127.0.0.2']  # the second is of documentation, nobody's
    monkeypatch.setattr(
        socket, 'getaddrinfo', lambda host, *a, **k: [i for ip in addresses for i in look_up(ip, *a, **k)]
    )
    with bound('two.names') as sockets:
        assert [each.getsockname()[0] for each in sockets] == ['127.0.0.1', '127.0.0.2']
        assert len({each.getsockname()[1] for each in sockets}) == 1
    addresses[:] = ['203.0.113.7']
    with pytest.raises(UserError, match=r'cannot listen to two\.names:0 \(.*\): choose another --host'):
        bind('two.names', 0)


@pytest.mark.parametrize('host', ['nowhere.invalid', '', 'http://127.0.0.1', '127.0.0.1:80', 'a' * 70, '..'])
def test_hosts_that_are_unknown(host):
    with pytest.raises(UserError, match='unknown --host'):
        bind(host, 0)


def test_a_port_that_is_taken():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf'cannot listen to 127\.0\.0\.1:{port} .*another --port'):
            bind('127.0.0.1', port)


def test_a_port_that_is_taken_while_the_models_load(monkeypatch):
    """Two servers that start at the same time: both may bind, one may listen."""

    def refuse(*args, **options):
        raise OSError(98, 'Address already in use')

    monkeypatch.setattr(listening, 'create_server', refuse)
    with bound('127.0.0.1') as sockets, pytest.raises(UserError, match='choose another --port'):
        Listener(lambda *_: [], sockets, 1, 1000)
