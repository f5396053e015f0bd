"""Hosts of links, for millions of links at once; limits and robots.txt apply to a host and its port.

An image root is one host, whatever the form of a link to it.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from catalog.download.image_roots import DEFAULT_ROOT, PARTS_ROOT, Root

# As `guards` and yarl read a link: what they refuse is null here, with few exceptions, and never the other way round.
_AUTHORITY = r"^ *(https?)://(\[[0-9a-f:.]+\]|[^\s/?#@:\\\[\]]+)(?::0*([0-9]{0,5}))?(?:[/?#]| *$)"
_DEFAULT_PORTS = {"http": "80", "https": "443"}


_NAME = r"^([a-z][a-z0-9_-]+):(?:[^/]|/[^/])"


def host_of(column: str, roots: Collection[Root] = ()) -> pl.Expr:
    """Returns the host of each link in lower case, with its port unless it is the scheme's; null for an invalid link.

    A name in letters beyond ASCII stays as it is written, where a request would put it into punycode. A link to an
    image root has `image_roots/NAME`; of a link that is refused the host says nothing.
    """
    web = _web_host(column)
    return pl.coalesce(web, _root_host(pl.col(column).str.strip_chars(" "), roots)) if roots else web


def _root_host(link: pl.Expr, roots: Collection[Root]) -> pl.Expr:
    """The host of a link to an image root, by its text; null for others."""
    named = link.str.extract(_NAME).replace_strict(
        {root.name: root.host for root in roots}, default=None, return_dtype=pl.String
    )
    found: list[pl.Expr] = []
    for root in sorted(roots, key=lambda each: -len(each.place)):  # the innermost first
        places = [f"{root.place}/"] + ([f"file://{root.place}/", f"local://{root.place}/"] if root.is_local else [])
        found += [pl.when(link.str.starts_with(place)).then(pl.lit(root.host)) for place in places]
    own = [root for root in roots if root.name != PARTS_ROOT]
    default = own[0] if len(own) == 1 else next((root for root in own if root.name == DEFAULT_ROOT), None)
    if default is not None:
        is_relative = ~link.str.contains(r"^(?:/|[A-Za-z][A-Za-z0-9+.-]*:|$)")
        found.append(pl.when(is_relative).then(pl.lit(default.host)))
    return pl.coalesce(named, *found)


def _web_host(column: str) -> pl.Expr:
    parts = pl.col(column).str.to_lowercase().str.extract_groups(_AUTHORITY)
    scheme, name, port = (parts.struct.field(group) for group in ("1", "2", "3"))
    is_default = port.is_null() | (port == "") | (port == scheme.replace_strict(_DEFAULT_PORTS, default=None))
    return pl.when(is_default).then(name).otherwise(name + ":" + port)
