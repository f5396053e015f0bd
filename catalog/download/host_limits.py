"""Host limits: the limits of single hosts, read from `hosts.toml`.

::

    [hosts."images.example.com"]
    max_connections = 2
    rate_per_s = 5.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from upath import UPath

from catalog.download.host_limiter import Politeness
from catalog.storage.toml_files import TomlError, parse_toml

HOSTS_FILE = "hosts.toml"


def read_host_limits(folder: UPath, default: Politeness) -> dict[str, Politeness]:
    """Reads the limits of each host in the folder's `hosts.toml`; returns none where there is no such file.

    Settings that a host's table leaves out are as in `default`. Raises ValueError naming the file and the setting.
    """
    path = folder / HOSTS_FILE
    if not path.is_file():
        return {}
    try:
        hosts = parse_toml(path.read_bytes().decode("utf-8-sig")).get("hosts", {})
    except (TomlError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML in UTF-8: {error}; correct it there") from error
    if not isinstance(hosts, dict) or not all(isinstance(table, dict) for table in hosts.values()):
        raise ValueError(f"{path}: 'hosts' holds no tables; write [hosts.\"NAME\"] for each host")
    return {host.lower(): _limits(path, host, table, default) for host, table in hosts.items()}


def _limits(path: UPath, host: str, table: Mapping[str, Any], default: Politeness) -> Politeness:
    known = [field.name for field in fields(Politeness) if field.name != "share"]  # that one is the engine's
    for name, value in table.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int | float):
            settings = ", ".join(known)
            raise ValueError(f"{path}: [hosts.{host!r}] has {name} = {value!r}; it may have numbers for {settings}")
    try:
        return replace(default, **table)
    except ValueError as error:
        raise ValueError(f"{path}: [hosts.{host!r}]: {error}") from error
