"""HTTP sessions whose connections are opened by a function of ours, and can be cut from another thread.

The time limits of sockets are for one read: a server that sends a byte per second never reaches them. So a
watching thread cuts the connections of a fetch that takes too long or is too slow.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from src.common.errors import UserError
from src.downloads.http import USER_AGENT, shown_url, web_address

MAX_REDIRECTS = 5

Dial = Callable[[str, int, float], socket.socket]  # host, port, seconds


class Connections:
    """The open connections of a session."""

    def __init__(self):
        self._sockets: list[socket.socket] = []

    def add(self, sock: socket.socket) -> None:
        self._sockets.append(sock.dup())  # TLS takes over the original; both share the connection

    def cut(self) -> None:
        """End all connections: who reads from one gets its end or an error."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):  # closed already
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


def session(dial: Dial, trust_env: bool = True, **headers: str) -> requests.Session:
    """A session that opens its connections by `dial`. The Host header and TLS use the host's name.

    trust_env: whether the environment names proxies, certificates and passwords (.netrc).
    headers: of all requests; underscores stand for hyphens.
    """
    made = _Session()
    made.trust_env = trust_env
    made.headers.update({'User-Agent': USER_AGENT, 'Accept-Encoding': 'identity'})
    made.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
    for scheme in ('http://', 'https://'):
        made.mount(scheme, _Adapter(dial))
    return made


def follow(
    opened: requests.Session, url: str, timeout: tuple[float, float], headers: Mapping[str, str] | None = None
) -> requests.Response:
    """The first response that is not a redirect, its body not yet read. Bodies of redirects are not read.

    The scheme is checked at every hop. Raises UserError for other schemes, and after MAX_REDIRECTS.
    """
    for _ in range(MAX_REDIRECTS + 1):
        answer = opened.get(
            web_address(url), headers=headers, stream=True, timeout=timeout, allow_redirects=False
        )
        target = opened.get_redirect_target(answer)
        if target is None:
            return answer
        answer.close()
        url = urljoin(url, target)
    raise UserError(f'{shown_url(url)}: more than {MAX_REDIRECTS} redirects; give the last address itself')


class _Session(requests.Session):
    def resolve_redirects(self, *args, **kwargs):
        """No request: requests would read the whole body of a redirect, however long it is, to find the next
        one (https://github.com/psf/requests, sessions.py), also where redirects are not followed."""
        return iter(())


class _Adapter(HTTPAdapter):
    def __init__(self, dial: Dial):
        self._pools = {
            'http': _dialing(urllib3.HTTPConnectionPool, dial),
            'https': _dialing(urllib3.HTTPSConnectionPool, dial),
        }
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args, **kwargs):
        manager = super().proxy_manager_for(*args, **kwargs)
        if isinstance(manager, urllib3.ProxyManager):  # SOCKS proxies open their own connections
            manager.pool_classes_by_scheme = self._pools
        return manager


def _dialing(pool: type, dial: Dial) -> type:
    """A subclass of the connection pool `pool` whose connections open their socket by `dial`."""
    new = {'_new_conn': lambda self: dial(self.host, self.port, self.timeout)}
    return type(pool.__name__, (pool,), {'ConnectionCls': type('Connection', (pool.ConnectionCls,), new)})
