"""Guards: refuse links and addresses that untrusted links must not reach (server-side request forgery).

An address is checked where it is about to be used: literals in every link and redirect by `Guard.check_url`, names
after their resolution by `GuardedResolver`, which passes only checked addresses on to the connector. So a name that
resolves to a public address now and to a private one a second later (DNS rebinding) is refused, too. Clients that
follow redirects by themselves check once more as they connect, see `catalog.network.sessions`.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from catalog.network.addresses import control_address, is_public, parse_address

MAX_URL_LENGTH = 4096

_FORBIDDEN_IN_URLS = re.compile(r"[\x00-\x1f\x7f\\]")
_NUMERIC_LABEL = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\Z")


class InvalidUrlError(ValueError):
    """The link is not a usable http(s) URL."""


class BlockedAddressError(Exception):
    """The address is not public: private, loopback, link-local, a cloud's control service, reserved."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Allows connections to public addresses and to those inside `allowed_networks`.

    A cloud's control address is allowed only where it stands there by itself: a wider network does not open it.
    """

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def allowing(cls, networks: tuple[str, ...]) -> Guard:
        """Creates a guard that also allows these networks ("10.1.0.0/16") or single addresses ("127.0.0.1")."""
        return cls(tuple(ip_network(network) for network in networks))

    def allows(self, address: str) -> bool:
        """Returns whether this numeric address is allowed; an IPv4 address inside an IPv6 one is checked, too.

        Raises:
            ValueError: it is no plain address.
        """
        parsed = parse_address(address)
        is_listed = any(parsed in network for network in self.allowed_networks)
        if is_listed and (control := control_address(parsed)) is not None:
            return ip_network(parsed) in self.allowed_networks or ip_network(control) in self.allowed_networks
        return is_listed or is_public(parsed)

    def check_address(self, address: str) -> None:
        """Raises BlockedAddressError where this numeric address is not allowed."""
        if not self.allows(address):
            raise BlockedAddressError(f"address {address} is not public and not in allowed_networks")

    def check_url(self, url: str | URL) -> URL:
        """Parses the link; raises InvalidUrlError, or BlockedAddressError where the host is an address not allowed."""
        parsed = _parse(str(url))
        host = parsed.raw_host or ""
        if _NUMERIC_LABEL.search(host.rstrip(".").rsplit(".", 1)[-1]) or ":" in host:
            try:
                self.check_address(host)
            except ValueError as error:  # 127.1, 0x7f.0.0.1, 2130706433: disguised addresses
                raise InvalidUrlError(f"host {host!r} is neither a name nor a plain address") from error
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
