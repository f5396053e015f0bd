"""Hosts of links, for millions of links at once; limits and robots.txt apply to a host and its port."""

from __future__ import annotations

import polars as pl

# As `guards` and yarl read a link: what they refuse is null here, with few exceptions, and never the other way round.
_AUTHORITY = r"^ *(https?)://(\[[0-9a-f:.]+\]|[^\s/?#@:\\\[\]]+)(?::0*([0-9]{0,5}))?(?:[/?#]| *$)"
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def host_of(column: str) -> pl.Expr:
    """Returns the host of each link in lower case, with its port unless it is the scheme's; null for an invalid link.

    A name in letters beyond ASCII stays as it is written, where a request would put it into punycode.
    """
    parts = pl.col(column).str.to_lowercase().str.extract_groups(_AUTHORITY)
    scheme, name, port = (parts.struct.field(group) for group in ("1", "2", "3"))
    is_default = port.is_null() | (port == "") | (port == scheme.replace_strict(_DEFAULT_PORTS, default=None))
    return pl.when(is_default).then(name).otherwise(name + ":" + port)
