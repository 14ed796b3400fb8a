"""Which IP addresses are public: a list of our own, which is the same with every version of Python.

A block of the IANA special-purpose registries is never public, also where its entry says "globally
reachable": such blocks hold relays and sinks, which the nearest operator answers, and no web sites. IPv4
addresses inside of IPv6 addresses are checked too. A NAT64 prefix that a network has chosen itself (RFC 6052,
section 2.2) cannot be recognized; its translator has to refuse private IPv4 addresses (section 3.1).

https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_network

IPV4_SPECIAL = (
    '0.0.0.0/8',  # "this network" (RFC 791)
    '10.0.0.0/8',  # private use (RFC 1918)
    '100.64.0.0/10',  # shared by providers (RFC 6598); Alibaba Cloud's services, 100.100.100.200
    '127.0.0.0/8',  # loopback (RFC 1122)
    '169.254.0.0/16',  # link-local (RFC 3927); the metadata services of most clouds, 169.254.169.254
    '172.16.0.0/12',  # private use (RFC 1918)
    '192.0.0.0/24',  # IETF protocol assignments (RFC 6890); Oracle Cloud Classic's metadata, 192.0.0.192
    '192.0.2.0/24',  # documentation (RFC 5737)
    '192.31.196.0/24',  # AS112-v4 (RFC 7535)
    '192.52.193.0/24',  # AMT relays (RFC 7450)
    '192.88.99.0/24',  # 6to4 relays, deprecated (RFC 7526)
    '192.168.0.0/16',  # private use (RFC 1918)
    '192.175.48.0/24',  # AS112, direct delegation (RFC 7534)
    '198.18.0.0/15',  # benchmarks (RFC 2544)
    '198.51.100.0/24',  # documentation (RFC 5737)
    '203.0.113.0/24',  # documentation (RFC 5737)
    '224.0.0.0/4',  # multicast (RFC 5771), in a registry of its own
    '240.0.0.0/4',  # reserved (RFC 1112), with the broadcast address 255.255.255.255 (RFC 919)
)

# Look like public addresses, and lead to services that a cloud offers to its own machines.
IPV4_CLOUD = (
    '168.63.129.16/32',  # Azure: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    '199.36.153.4/30',  # Google: https://cloud.google.com/vpc/docs/configure-private-google-access
    '199.36.153.8/30',
    '161.26.0.0/16',  # IBM: https://cloud.ibm.com/docs/vpc?topic=vpc-service-endpoints-for-vpc
    '166.8.0.0/14',
)

# The only block from which addresses of hosts are assigned (https://www.iana.org/assignments/ipv6-address-space).
# So all others are not public: ::1, ::/96 (IPv4-compatible), 64:ff9b:1::/48 (NAT64 of one network), 100::/64
# (discarded), 100:0:0:1::/64 (dummy), 5f00::/16 (SRv6), fc00::/7 (private, with fd00:ec2::254 of AWS and
# fd20:ce::254 of Google), fe80::/10 (link-local), fec0::/10 (site-local), ff00::/8 (multicast).
IPV6_HOSTS = '2000::/3'

# The entries of the registry inside of IPV6_HOSTS.
IPV6_SPECIAL = (
    '2001::/23',  # IETF protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID, AMT, AS112, DRIP
    '2001:db8::/32',  # documentation (RFC 3849)
    '2002::/16',  # 6to4 (RFC 3056): a tunnel to any IPv4 address
    '2620:4f:8000::/48',  # AS112, direct delegation (RFC 7534)
    '3fff::/20',  # documentation (RFC 9637)
)
IPV6_CLOUD = ('2600:2d00:2:1000::/64', '2600:2d00:2:2000::/64')  # Google, as above

# The IPv4 address in the last 32 bits is the one that is reached.
MAPPED = ip_network('::ffff:0:0/96')  # IPv4-mapped (RFC 4291): a connection by IPv4
NAT64 = ip_network('64:ff9b::/96')  # IPv4 from networks that have IPv6 only (RFC 6052)
ISATAP = (0x00005EFE, 0x02005EFE)  # bits 64 to 95 (RFC 5214): a tunnel to the IPv4 address, in any network

_IPV4 = [ip_network(block) for block in (*IPV4_SPECIAL, *IPV4_CLOUD)]
_IPV6 = [ip_network(block) for block in (*IPV6_SPECIAL, *IPV6_CLOUD)]
_IPV6_HOSTS = ip_network(IPV6_HOSTS)


def is_public(address: str) -> bool:
    """Whether an IP address is that of a host on the public internet. Raises ValueError for other text."""
    ip = ipaddress.ip_address(address.partition('%')[0])
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _IPV4)
    inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in MAPPED or ip in NAT64:
        return is_public(str(inner))
    if _is_isatap(ip) and not is_public(str(inner)):
        return False
    return ip in _IPV6_HOSTS and not any(ip in block for block in _IPV6)


def _is_isatap(ip: IPv6Address) -> bool:
    return int(ip) >> 32 & 0xFFFFFFFF in ISATAP
