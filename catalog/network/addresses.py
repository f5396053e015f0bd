"""Addresses: which of them are public, and which belong to the control services of clouds.

`ipaddress` knows most of IANA's registries of special-purpose addresses, in its newer versions more than in older
ones, and considers some addresses global at which a cloud serves its own machines. Those are listed here.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Metadata, credentials, and the host's own agents: address -> cloud.
CONTROL_ADDRESSES: dict[Address, str] = {
    ip_address(address): cloud
    for address, cloud in {
        "169.254.169.254": "AWS, Azure, GCP, OpenStack, DigitalOcean: metadata",
        "169.254.169.253": "AWS: name server",
        "169.254.169.123": "AWS: time server",
        "169.254.170.2": "AWS ECS: credentials of a task",
        "169.254.170.23": "AWS EKS: credentials of a pod",
        "169.254.0.23": "Tencent Cloud: metadata",
        "169.254.42.42": "Scaleway: metadata",
        "168.63.129.16": "Azure: agent of the host, name server",
        "192.0.0.192": "Oracle Cloud: metadata",
        "100.100.100.200": "Alibaba Cloud: metadata",
        "fd00:ec2::254": "AWS: metadata",
        "fd00:ec2::253": "AWS: name server",
        "fd00:ec2::123": "AWS: time server",
        "fd00:ec2::23": "AWS EKS: credentials of a pod",
        "fd20:ce::254": "GCP: metadata",
        "fd00:42::42": "Scaleway: metadata",
        "fd00:c1::a9fe:a9fe": "Oracle Cloud: metadata",
        "fe80::a9fe:a9fe": "OpenStack: metadata",
    }.items()
}

# Not public by IANA's registries, whatever the version of Python says.
_SPECIAL: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "192.0.0.0/24",  # IETF protocol assignments
            "192.88.99.0/24",  # relays of 6to4, withdrawn
            "198.18.0.0/15",  # benchmarks
            "240.0.0.0/4",  # reserved
            "64:ff9b:1::/48",  # NAT64 inside one network (RFC 8215)
            "100::/64",  # discarded
            "2001::/23",  # IETF protocol assignments, Teredo and ORCHID among them
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fec0::/10",  # sites, withdrawn
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_IPV4_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of an interface id (RFC 5214)


def parse_address(text: str) -> Address:
    """Return a numeric address, of an IPv4-mapped one the IPv4 address, without the zone of an IPv6 one.

    Raises:
        ValueError: the text is no plain address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_public(address: Address) -> bool:
    """Return True for an address that anybody may use, and that leads to no other one which is not."""
    return all(map(_is_public_itself, (address, *embedded_addresses(address))))


def control_address(address: Address) -> Address | None:
    """Return the control address of a cloud that this address is or leads to; None where there is none."""
    return next((each for each in (address, *embedded_addresses(address)) if each in CONTROL_ADDRESSES), None)


def embedded_addresses(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that a gateway (6to4, Teredo, NAT64, SIIT, ISATAP) would connect to for this one."""
    if isinstance(address, IPv4Address):
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64 or address in _IPV4_TRANSLATED or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return (last,)
    return (last,) if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP else ()


def _is_public_itself(address: Address) -> bool:
    if address in CONTROL_ADDRESSES or any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )
