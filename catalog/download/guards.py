"""Guards: refuse links and addresses that untrusted links must not reach (server-side request forgery).

An address is checked where it is about to be used: literals in every link and redirect by `Guard.check_url`, names
after their resolution by `GuardedResolver`, which passes only checked addresses on to the connector. So a name that
resolves to a public address now and to a private one a second later (DNS rebinding) is refused, too.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

MAX_URL_LENGTH = 4096

_FORBIDDEN_IN_URLS = re.compile(r"[\x00-\x1f\x7f\\]")
_NUMERIC_LABEL = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\Z")
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")


class InvalidUrlError(ValueError):
    """The link is not a usable http(s) URL."""


class BlockedAddressError(Exception):
    """The address is not public: private, loopback, link-local, metadata, reserved."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Allows connections to public addresses and to those inside `allowed_networks`."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def allowing(cls, networks: tuple[str, ...]) -> Guard:
        """Creates a guard that also allows these networks ("10.1.0.0/16") or single addresses ("127.0.0.1")."""
        return cls(tuple(ip_network(network) for network in networks))

    def allows(self, address: str) -> bool:
        """Returns whether this numeric address is allowed; an IPv4 address inside an IPv6 one is checked, too."""
        parsed = ip_address(address)
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        if any(parsed in network for network in self.allowed_networks):
            return True
        return all(map(_is_public, (parsed, *_embedded_ipv4(parsed))))

    def check_url(self, url: str | URL) -> URL:
        """Parses the link; raises InvalidUrlError, or BlockedAddressError where the host is an address not allowed."""
        parsed = _parse(str(url))
        host = parsed.raw_host or ""
        if _NUMERIC_LABEL.search(host.rstrip(".").rsplit(".", 1)[-1]) or ":" in host:
            try:
                allowed = self.allows(host)
            except ValueError as error:  # 127.1, 0x7f.0.0.1, 2130706433: disguised addresses
                raise InvalidUrlError(f"host {host!r} is neither a name nor a plain address") from error
            if not allowed:
                raise BlockedAddressError(f"address {host} is not public and not in allowed_networks")
        return parsed


class GuardedResolver(AbstractResolver):
    """Resolves names to the addresses that the guard allows; raises BlockedAddressError if none is left."""

    def __init__(self, guard: Guard, resolver: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            found = await self._resolver.resolve(host, port, family)
        except UnicodeError as error:  # a name that cannot be encoded cannot exist
            raise OSError(f"{host} cannot be resolved: {error}") from error
        if not found:
            raise OSError(f"{host} resolves to no address")
        allowed = [result for result in found if self._guard.allows(result["host"])]
        if not allowed:
            addresses = ", ".join(sorted({result["host"] for result in found}))
            raise BlockedAddressError(f"{host} resolves to {addresses}: not public, not in allowed_networks")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


def _parse(url: str) -> URL:
    if len(url) > MAX_URL_LENGTH:
        raise InvalidUrlError(f"link of {len(url)} characters; at most {MAX_URL_LENGTH} are accepted")
    if _FORBIDDEN_IN_URLS.search(url):
        raise InvalidUrlError(f"control character or backslash in link {url!r}")
    try:
        parsed = URL(url.strip(" "))
        host, port = parsed.raw_host, parsed.port
    except ValueError as error:  # yarl and idna: bad port, bad brackets, impossible name
        raise InvalidUrlError(f"link {url!r}: {error}") from error
    if parsed.scheme not in {"http", "https"}:
        raise InvalidUrlError(f"scheme of {url!r} is {parsed.scheme!r}; only http and https are accepted")
    if not host or not port or not _is_host(host):
        raise InvalidUrlError(f"link {url!r} names no host")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise InvalidUrlError(f"link to {host} carries credentials")
    return parsed


def _is_host(host: str) -> bool:
    """Returns whether this is an address or a name of valid length; Python's resolver raises an error for others."""
    labels = host.removesuffix(".").split(".")
    return ":" in host or (len(host) <= 253 and all(1 <= len(label) <= 63 for label in labels))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that a gateway (6to4, Teredo, NAT64) would connect to for this IPv6 address."""
    if isinstance(address, IPv4Address):
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()
