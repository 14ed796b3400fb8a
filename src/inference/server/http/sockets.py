"""The sockets that the server listens to, bound before a model is loaded."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

from src.common.errors import UserError

LOCAL = {'0.0.0.0': '127.0.0.1', '::': '::1'}  # the address to open for "all networks"


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`, all bound to one port, and not listening yet.

    An IPv6 address may be in brackets. With port 0 the system chooses the port. Raises UserError if the host
    is unknown or not an address of this machine, or the port is taken.
    """
    host = _without_brackets(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(
            f'unknown --host {host!r}: give a name or an address of this machine, or 0.0.0.0 for all networks'
        ) from error
    bound, missing = [], None
    for family, *_, address in dict.fromkeys(found):
        try:
            bound.append(_bound(family, (address[0], port, *address[2:])))
        except OSError as error:
            # A name such as localhost may have an IPv6 address where IPv6 is disabled.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise cannot_listen(host, port, error) from error
            missing = error
        else:
            port = bound[0].getsockname()[1]
    if not bound:
        raise cannot_listen(host, port, missing) from missing
    return bound


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """The address to open in a browser on this machine."""
    host = _without_brackets(host)
    host = LOCAL.get(host, host)
    return f'http://{f"[{host}]" if ":" in host else host}:{sockets[0].getsockname()[1]}/'


def url_for_others(host: str, sockets: list[socket.socket]) -> str:
    """The address to open on other machines of the network, if `host` is all networks; '' if it is not, or
    this machine is in no network."""
    host = _without_brackets(host)
    if host not in LOCAL:
        return ''
    family, far = (socket.AF_INET6, '2001:db8::1') if ':' in host else (socket.AF_INET, '192.0.2.1')
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((far, 9))  # sends nothing: the system chooses the address that it would send from
        return url_of(probe.getsockname()[0], sockets)
    return ''


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith('[') and host.endswith(']') else host


def _bound(family: int, address: tuple) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == 'posix':  # on Windows this would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def cannot_listen(host: str, port: int, error: OSError) -> UserError:
    """The error to raise: it names --host or --port, whichever is the cause."""
    where = f'[{host}]' if ':' in host else host
    cure = '--host' if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) else '--port'
    return UserError(f'cannot listen to {where}:{port} ({error.strerror}): choose another {cure}')
