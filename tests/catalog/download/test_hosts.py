"""Hosts are extracted by a pattern as the client's parser reads them."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.download.hosts import host_of
from catalog.network.guards import BlockedAddressError, Guard, InvalidUrlError


def host(url: str | None) -> str | None:
    found = pl.DataFrame({"url": [url]}, schema={"url": pl.String}).select(host_of("url")).item()
    assert found is None or isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop.example/a.jpg", "shop.example"),
        ("HTTPS://CDN.Shop.example:443/a.jpg?b=http://other.example/", "cdn.shop.example"),
        ("http://shop.example:8080", "shop.example:8080"),
        ("http://shop.example:443/", "shop.example:443"),
        ("https://shop.example:80/", "shop.example:80"),
        ("http://shop.example:0080/", "shop.example"),
        ("  http://shop.example#a  ", "shop.example"),
        ("http://[2001:db8::1]:81/a", "[2001:db8::1]:81"),
        ("http://127.0.0.1:9/", "127.0.0.1:9"),
        ("http://müller.example/", "müller.example"),
        ("http://me:secret@shop.example/", None),
        ("http://", None),
        ("n/a", None),
        ("", None),
        (None, None),
        ("htp:/shop/image.jpg", None),
        ("ftp://shop.example/image.jpg", None),
        ("//shop.example/image.jpg", None),
        ("image.jpg", None),
    ],
)
def test_host_is_its_name_and_its_port_unless_it_is_the_default(url: str | None, expected: str | None) -> None:
    assert host(url) == expected


SIGNS = [":", "//", "/", "@", "?", "#", "[", "]", "::1", "%", "\\", ".", "-", "_", " ", "\t"]
WORDS = ["http", "https", "HTTP", "ftp", "shop", "Example", "80", "443", "8080", "99999", "0", "127.0.0.1", "é", "xn--"]
PIECES = st.sampled_from([*SIGNS, *WORDS])
LIKELY = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "Https"]),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,20}", fullmatch=True),
    st.one_of(st.just(""), st.integers(0, 70_000).map(":{}".format), st.just(":")),
    st.one_of(st.just(""), st.sampled_from("/?#").flatmap(lambda sign: st.text(max_size=8).map(sign.__add__))),
)


@given(st.one_of(LIKELY, st.lists(PIECES, max_size=12).map("".join), st.text(max_size=30)))
def test_every_valid_link_has_the_host_that_a_request_goes_to(url: str) -> None:
    try:
        parsed = Guard().check_url(url)
    except BlockedAddressError:
        assert host(url) is not None  # a link to a refused address still has that host
        return
    except InvalidUrlError:
        return
    found = host(url)
    assert found is not None
    if url.isascii():  # else it is put into punycode
        name = f"[{parsed.raw_host}]" if ":" in (parsed.raw_host or "") else parsed.raw_host
        assert found == (name if parsed.is_default_port() else f"{name}:{parsed.port}")
