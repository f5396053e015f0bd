"""The limits of single hosts are read from a file, and a mistake in it is named."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.download.host_limiter import HostLimiters, Politeness
from catalog.download.host_limits import read_host_limits

DEFAULT = Politeness(max_connections=8, pause_s=7.0)


def limits(folder: Path, text: str) -> dict[str, Politeness]:
    (folder / "hosts.toml").write_text(text)
    return read_host_limits(UPath(folder), DEFAULT)


def test_without_a_file_there_are_no_limits_of_single_hosts(tmp_path: Path) -> None:
    assert read_host_limits(UPath(tmp_path), DEFAULT) == {}


def test_settings_that_a_host_leaves_out_are_the_default(tmp_path: Path) -> None:
    read = limits(tmp_path, '[hosts."Images.Example.com"]\nmax_connections = 2\nrate_per_s = 5.0\n')
    assert read == {"images.example.com": Politeness(max_connections=2, rate_per_s=5.0, pause_s=7.0)}


def test_limits_of_a_host_hold_at_every_port() -> None:
    hosts = HostLimiters(DEFAULT, {"a.example": Politeness(max_connections=1)})
    assert hosts["a.example:80"]._politeness.max_connections == 1
    assert hosts["a.example:8080"]._politeness.max_connections == 1
    assert hosts["b.example:80"]._politeness is DEFAULT


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[hosts", "hosts.toml: not TOML"),
        ("hosts = 3", "'hosts' holds no tables"),
        ('[hosts."a"]\nspeed = 3', "speed = 3; it may have numbers for max_connections, rate_per_s"),
        ('[hosts."a"]\nrate_per_s = "fast"', "rate_per_s = 'fast'"),
        ('[hosts."a"]\nmax_connections = true', "max_connections = True"),
        ('[hosts."a"]\nmax_connections = 0', "must be at least 1"),
    ],
)
def test_mistake_names_the_file_and_the_setting(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        limits(tmp_path, text)
