"""No untrusted link reaches a private address."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from catalog.network import addresses
from catalog.network.addresses import CONTROL_ADDRESSES
from catalog.network.guards import BlockedAddressError, Guard, GuardedResolver, InvalidUrlError

GUARD = Guard()
PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 an address to refuse
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.7",
    "::ffff:0:169.254.169.254",
    "::ffff:192.0.0.192",
    "64:ff9b::a83f:8110",
    "64:ff9b:1::808:808",
    "2002:a83f:8110::1",
    "2001:0:53aa:64c::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fe80::1%eth0",
    "2a00:1450::5efe:a83f:8110",
    "2a00:1450::200:5efe:7f00:1",
    *map(str, CONTROL_ADDRESSES),
)


def link(address: str) -> str:
    return f"http://[{address}]/a.jpg" if ":" in address else f"http://{address}/a.jpg"


@pytest.mark.parametrize("address", PRIVATE)
def test_link_to_a_private_address_is_blocked(address: str) -> None:
    with pytest.raises(BlockedAddressError):
        GUARD.check_url(link(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_link_to_a_public_address_is_accepted(address: str) -> None:
    assert GUARD.check_url(link(address)).path == "/a.jpg"


@pytest.mark.parametrize(
    "host",
    ["127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.5", "a.b.0x7f"],
)
def test_disguised_address_is_no_usable_link(host: str) -> None:
    with pytest.raises(InvalidUrlError, match="neither a name nor a plain address"):
        GUARD.check_url(f"http://{host}/a.jpg")


def test_full_width_digits_hide_nothing() -> None:
    disguised = "127.0.0.1".translate({ord(digit): 0xFF10 + int(digit) for digit in "0127"})
    with pytest.raises((BlockedAddressError, InvalidUrlError)):
        GUARD.check_url(f"http://{disguised}/a.jpg")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "n/a",
        "image.jpg",
        "//shop.example/a.jpg",
        "http://",
        "http:///a.jpg",
        "http://./a.jpg",
        "http://a..b/a.jpg",
        "http://.a.b/a.jpg",
        "http://" + "a" * 64 + ".example/a.jpg",
        "http://" + "abcdefg." * 32 + "example/a.jpg",
        "htp://shop.example/a.jpg",
        "ftp://shop.example/a.jpg",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "http://user@shop.example/a.jpg",
        "http://user:password@shop.example/a.jpg",
        "http://:@shop.example/a.jpg",
        "http://shop.example:99999/a.jpg",
        "http://shop.example:0/a.jpg",
        "http://[::1/a.jpg",
        "http://shop.example\\@127.0.0.1/a.jpg",
        "http://shop.example/a\r\nHost: inside",
        "http://shop.example/a\x00.jpg",
        "http://" + "a" * 300 + ".example/" + "b" * 4096,
    ],
)
def test_text_that_is_no_http_link_is_invalid(url: str) -> None:
    with pytest.raises(InvalidUrlError):
        GUARD.check_url(url)


@pytest.mark.parametrize(
    "url", ["http://shop.example/a b.jpg", " https://shop.example/a.jpg ", "https://schön.example/ä.jpg?x=1"]
)
def test_spaces_and_international_letters_are_accepted(url: str) -> None:
    assert GUARD.check_url(url).scheme in {"http", "https"}


def test_allowed_network_allows_its_addresses_only() -> None:
    guard = Guard.allowing(("127.0.0.1", "10.1.0.0/16", "fd00::/8"))
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::7"):
        assert guard.allows(address)
    for address in ("127.0.0.2", "10.2.0.1", "169.254.169.254", "fe80::1", "::127.0.0.1"):
        assert not guard.allows(address)


@pytest.mark.parametrize("control", list(map(str, CONTROL_ADDRESSES)))
def test_a_control_address_is_allowed_by_itself_and_by_no_wider_network(control: str) -> None:
    wide = "::/0" if ":" in control else "0.0.0.0/0"
    assert not Guard.allowing((wide,)).allows(control)
    assert Guard.allowing((wide, control)).allows(control)


@pytest.mark.parametrize("address", ["64:ff9b::a9fe:a9fe", "2002:a83f:8110::1", "2a00:1450::5efe:a9fe:a9fe"])
def test_a_wide_network_does_not_open_what_leads_to_a_control_address(address: str) -> None:
    assert not Guard.allowing(("::/0", "0.0.0.0/0")).allows(address)


@given(st.integers(0, 2**32 - 1))
def test_ipv4_address_is_checked_alike_in_every_ipv6_form(number: int) -> None:
    address = IPv4Address(number)
    is_public = addresses.is_public(address)
    assert address.is_global or not is_public
    assert GUARD.allows(str(address)) == is_public
    assert GUARD.allows(str(IPv6Address(0xFFFF << 32 | number))) == is_public
    if not is_public:
        for wrapped in (number, 0x0064_FF9B << 96 | number, 0x2002 << 112 | number << 80):
            assert not GUARD.allows(str(IPv6Address(wrapped)))


@given(st.integers(0, 2**128 - 1))
def test_no_ipv6_address_that_is_not_global_is_allowed(number: int) -> None:
    address = IPv6Address(number)
    if GUARD.allows(str(address)) and address.ipv4_mapped is None:
        assert address.is_global
        assert not address.is_multicast


HOSTILE = st.text(alphabet="htps:/[]@%\\.?#0123456789xabcdef\r\n é１", max_size=60)


@given(st.one_of(HOSTILE, HOSTILE.map(lambda rest: "http://" + rest), st.text(max_size=40)))
def test_any_text_is_a_safe_link_or_one_of_two_errors(text: str) -> None:
    try:
        url = GUARD.check_url(text)
    except (InvalidUrlError, BlockedAddressError):
        return
    assert url.scheme in {"http", "https"}
    assert url.user is None
    assert url.password is None
    assert url.raw_host
    try:
        address = ip_address(url.raw_host)
    except ValueError:
        return  # a name: checked by the resolver
    assert address.is_global


class ScriptedResolver(AbstractResolver):
    """A name server that returns the next of these replies each time, the last one for ever."""

    def __init__(self, *replies: list[str]) -> None:
        self._replies = list(replies)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in reply
        ]

    async def close(self) -> None:
        """Nothing is open."""


def resolved(resolver: GuardedResolver) -> list[str]:
    return [result["host"] for result in asyncio.run(resolver.resolve("shop.example", 80))]


def test_name_keeps_only_its_public_addresses() -> None:
    resolver = GuardedResolver(GUARD, ScriptedResolver(["10.0.0.1", "8.8.8.8", "127.0.0.1"]))
    assert resolved(resolver) == ["8.8.8.8"]


def test_name_of_private_addresses_is_blocked() -> None:
    with pytest.raises(BlockedAddressError, match=r"shop\.example resolves to 10\.0\.0\.1, 127\.0\.0\.1"):
        resolved(GuardedResolver(GUARD, ScriptedResolver(["127.0.0.1", "10.0.0.1"])))


def test_every_address_of_a_rebinding_name_is_checked() -> None:
    resolver = GuardedResolver(GUARD, ScriptedResolver(["8.8.8.8"], ["169.254.169.254"]))
    assert resolved(resolver) == ["8.8.8.8"]
    with pytest.raises(BlockedAddressError):
        resolved(resolver)
