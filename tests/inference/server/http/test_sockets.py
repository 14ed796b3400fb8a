"""Sockets: valid hosts and ports, and errors."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import pytest

from src.common.errors import UserError
from src.inference.server.http.sockets import bind


@contextmanager
def bound(host: str, port: int = 0):
    sockets = bind(host, port)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


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
