"""Clients take turns, and each may have a limited part."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty

import pytest

from src.common.process.budget import Unavailable
from src.inference.server.admission import AdmissionLimit, Busy, TooMuch
from src.inference.server.fairness import clients
from src.inference.server.fairness.turns import Shared, Turns


def test_each_client_is_served_in_turn_and_in_its_own_order():
    turns = Turns()
    for client, items in (('a', 'abcd'), ('b', 'x'), ('c', 'yz')):
        with clients.serving(client):
            for item in items:
                turns.put(item)
    assert len(turns) == 7
    assert [turns.get() for _ in range(5)] == list('axybz')
    with clients.serving('d'):
        turns.put('new')
    assert turns.get_all() == ['c', 'new', 'd'] and not turns
    with pytest.raises(IndexError):
        turns.get()


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_thing_goes_to_the_client_whose_turn_it_is():
    shared, order = Shared('thing'), []

    def use(client: str) -> None:
        with clients.serving(client), shared.one() as thing:
            assert thing == 'thing'
            order.append(client)

    threads = []
    thing = shared.get()
    for number, client in enumerate('aaab'):
        threads.append(threading.Thread(target=use, args=[client]))
        threads[-1].start()
        wait_until(lambda expected=number + 1: len(shared._waiting) == expected)
    shared.put(thing)
    for thread in threads:
        thread.join(10)
    assert order == ['a', 'b', 'a', 'a'] and shared.qsize() == 1


def test_a_thread_that_no_longer_waits_is_passed_over():
    shared = Shared()
    with pytest.raises(Empty):
        shared.get(timeout=0.01)
    shared.put('thing')
    assert shared.get(timeout=0) == 'thing' and shared.get_all() == []


def test_threads_that_wait_can_be_given_up():
    shared, faults = Shared('thing'), []

    def wait() -> None:
        try:
            with shared.one():
                pass
        except Unavailable as fault:
            faults.append(fault)

    with shared.one():
        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(shared._waiting) < 2:
            time.sleep(0.001)
        shared.give_up()
        for thread in threads:
            thread.join(30)
        assert len(faults) == 2
        with pytest.raises(Unavailable, match='no time for this picture'), shared.one():
            pass
    with shared.one() as thing:
        assert thing == 'thing'


def test_no_thing_is_lost_or_doubled_among_many_threads():
    shared, inside, most = Shared(0, 1, 2), set(), []

    def use(number: int) -> None:
        with clients.serving(str(number % 5)):
            for _ in range(200):
                try:
                    thing = shared.get(timeout=0.0005)
                except Empty:
                    continue
                assert thing not in inside
                inside.add(thing)
                most.append(len(inside))
                inside.discard(thing)
                shared.put(thing)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert sorted(shared.get_all()) == [0, 1, 2] and max(most) <= 3 and len(most) > 100


def test_one_client_gets_its_part_and_others_theirs():
    seen = []
    limit = AdmissionLimit(6, seen.append, per_client=4)
    with clients.serving('192.0.2.1'), limit.enter(3):
        with pytest.raises(Busy, match='other requests of yours'), limit.enter(2):
            pass
        with pytest.raises(TooMuch, match='5 bytes at once are more than the limit of 4'), limit.enter(5):
            pass
        with (
            clients.serving('192.0.2.2'),
            limit.enter(3),
            pytest.raises(Busy, match='the server is busy: try'),
            limit.enter(1),
        ):
            pass
        with limit.enter(1):
            assert seen[-1] == 4
    assert seen[-1] == 0 and not limit._of_clients


@pytest.mark.parametrize(
    'address, client',
    [
        ('192.0.2.7', '192.0.2.7'),
        ('2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'),
        ('2001:db8:1:2::9', '2001:db8:1:2::/64'),
        ('fe80::1%eth0', 'fe80::/64'),
        ('::1', '::/64'),
        ('::ffff:192.0.2.7', '192.0.2.7'),
        ('', ''),
        ('no:address', 'no:address'),
    ],
)
def test_who_a_client_is(address, client):
    assert clients.client_of(address) == client == clients.client_of(client)
