"""Who a client is: what one of them may use is limited, so that there is room for others.

A client is an IPv4 address, also where IPv6 carries it, or the first 64 bits of an IPv6 address, as a network
gives a host so many addresses. Behind a proxy all requests come from one address, and are of one client:
headers such as X-Forwarded-For can be written by anybody, and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Address

HOST_BITS = 64
_client: ContextVar[str] = ContextVar('client', default='')


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """The client at an IP address."""
    if ':' not in address:
        return address
    try:
        whole = IPv6Address(address.partition('%')[0])
    except ValueError:
        return address
    if whole.ipv4_mapped:
        return str(whole.ipv4_mapped)
    network = int(whole) >> HOST_BITS << HOST_BITS
    return f'{IPv6Address(network)}/{128 - HOST_BITS}'


@contextmanager
def serving(address: str) -> Iterator[None]:
    """Inside, this thread answers a request from `address`."""
    token = _client.set(client_of(address))
    try:
        yield
    finally:
        _client.reset(token)


def current() -> str:
    """The client whose request this thread answers; '' outside of requests."""
    return _client.get()
