"""Which addresses are public: one of each entry of the registries, their neighbors, and tunnels."""

from __future__ import annotations

import ipaddress

import pytest

from src.downloads import addresses
from src.downloads.addresses import is_public

# fmt: off
SPECIAL = [  # the entries of the IANA registries, and multicast
    '0.0.0.0/8', '0.0.0.0/32', '10.0.0.0/8',
    '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12',
    '192.0.0.0/24', '192.0.0.0/29', '192.0.0.8/32', '192.0.0.9/32', '192.0.0.10/32', '192.0.0.170/31',
    '192.0.2.0/24', '192.31.196.0/24',
    '192.52.193.0/24', '192.88.99.0/24', '192.88.99.2/32', '192.168.0.0/16',
    '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
    '255.255.255.255/32',
    '::/128', '::1/128', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64', '2001::/23', '2001::/32',
    '2001:1::1/128', '2001:1::2/128', '2001:1::3/128', '2001:2::/48', '2001:3::/32', '2001:4:112::/48',
    '2001:10::/28', '2001:20::/28', '2001:30::/28', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48',
    '3fff::/20', '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8',
]
CLOUD = [
    '169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200', '100.100.2.136', '192.0.0.192',
    '199.36.153.4', '199.36.153.11', '161.26.0.7', '166.9.1.1', 'fd00:ec2::254', 'fd20:ce::254',
    'fd00:42::42', 'fe80::a9fe:a9fe', 'fe80::a9fe:a9fe%eth0', '2600:2d00:2:2000::1',
]
TUNNELS = [  # IPv6 addresses that lead to IPv4 addresses
    '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:168.63.129.16', '::ffff:192.88.99.1',  # mapped
    '::127.0.0.1', '::7f00:1', '::a9fe:a9fe', '::8.8.8.8',  # compatible: deprecated, so never public
    '::ffff:0:127.0.0.1', '::ffff:0:8.8.8.8',  # translated (RFC 2765)
    '64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b::169.254.169.254', '64:ff9b::168.63.129.16',  # NAT64
    '64:ff9b:1::8.8.8.8', '64:ff9b:0:1::8.8.8.8',
    '2002:7f00:1::', '2002:a9fe:a9fe::1', '2002:808:808::1',  # 6to4
    '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001::f5ff:fffe',  # Teredo
    '2607:f8b0::5efe:7f00:1', '2607:f8b0::200:5efe:a9fe:a9fe', 'fe80::5efe:808:808',  # ISATAP
]
PUBLIC = [
    '1.1.1.1', '8.8.8.8', '171.64.68.10', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0',
    '126.255.255.255', '128.0.0.1', '168.63.129.15', '168.63.129.17', '169.253.255.255', '169.255.0.0',
    '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.0.3.0', '192.88.98.255', '192.88.100.0',
    '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '199.36.153.3', '199.36.153.12',
    '223.255.255.255', '161.27.0.1', '166.12.0.0',
    '2000::1', '2001:200::1', '2001:4860:4860::8888', '2001:db7::1', '2001:db9::1', '2003::1', '2607:f8b0::1',
    '2600:2d00:2:3000::1', '3ffe:ffff::1', '3fff:1000::1', '2a00:1450:4001::200e', '2606:4700::5efe:808:808',
    '::ffff:8.8.8.8', '64:ff9b::808:808',
]
# fmt: on


@pytest.mark.parametrize('block', SPECIAL)
def test_special_blocks(block):
    """The first and the last address of each; no Python calls them all private."""
    block = ipaddress.ip_network(block)
    assert not is_public(str(block[0])) and not is_public(str(block[-1]))


@pytest.mark.parametrize('address', [*CLOUD, *TUNNELS])
def test_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize('address', PUBLIC)
def test_public(address):
    assert is_public(address)


def test_an_ipv4_address_is_judged_alike_in_all_its_spellings():
    for address in (*PUBLIC, *CLOUD, *(block.partition('/')[0] for block in SPECIAL)):
        if ':' not in address:
            spellings = (f'::ffff:{address}', f'64:ff9b::{address}')
            assert [is_public(spelling) for spelling in spellings] == [is_public(address)] * 2


def test_no_block_lies_in_another():
    """An entry that others cover would never be used."""
    for blocks in (addresses._IPV4, addresses._IPV6):
        assert not [(a, b) for a in blocks for b in blocks if a is not b and a.overlaps(b)]


@pytest.mark.parametrize('text', ['', 'localhost', '127.1', '2130706433', '1.2.3.4.5', '[::1]'])
def test_text_that_is_no_address(text):
    with pytest.raises(ValueError, match='does not appear to be'):
        is_public(text)
