"""A client beside attackers: its answers, those to the attackers, and the memory are measured."""

from __future__ import annotations

import sys

import pytest

from benchmarks import attackers
from benchmarks.served import running
from tests.inference.models import bright_above, brightest_side
from tests.pictures import encoded

PHOTO = encoded(bright_above(), 'JPEG')


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems have no address 127.0.0.2')
@pytest.mark.parametrize('addresses', [[], ['--addresses']])
def test_a_client_is_answered_beside_attackers(tmp_path, addresses):
    args = attackers.parse_args(['--seconds', '2', '--attackers', '3', *addresses])
    with running(brightest_side(tmp_path / 'side.pb')) as server:
        found = attackers.measure(server, [PHOTO], [b'no picture', PHOTO], args)
    assert found['statuses'].keys() == {200} and sum(found['statuses'].values()) >= 4
    assert len(found['beside']) > 1 and found['attackers'].keys() <= {200, 400, 415, 422, 503}
    assert 10_000_000 < found['memory'][0] <= found['memory'][1] * 1.5
    assert len(attackers.row('side.pb', found)) == len(attackers.COLUMNS)


def test_a_connection_that_breaks_is_status_0():
    class Server:
        address = ('127.0.0.1', 1)  # nobody listens there

    assert attackers.ask(Server, '127.0.0.1', PHOTO) == 0
