"""Hosts by the thousand, and hosts that never close, take no descriptor that something else needs."""

import errno
import json
import logging
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from upath import UPath

from catalog.download import descriptors
from catalog.download.descriptors import EACH, MAX_IDLE, MAX_LOOKUPS, DescriptorBudget, TooFewDescriptorsError
from catalog.download.settings import FetchSettings
from catalog.storage.files import StoreNotWritableError, wrap_os_errors
from tests.build_cache import REPOSITORY
from tests.catalog.download.download_until_killed import download
from tests.catalog.download.raw_server import RawServer
from tests.catalog.download.shop_deliveries import good
from tests.catalog.download.test_fetching import FOUND, serving


@pytest.mark.parametrize(("num_hosts", "limit"), [(1_500, 1_024), (200, 190)])
def test_hosts_by_the_thousand_arrive_within_the_limit_of_open_files(
    tmp_path: Path, num_hosts: int, limit: int
) -> None:
    command = [sys.executable, "-m", "tests.faults.many_hosts", str(num_hosts), str(limit), str(tmp_path / "store")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["statuses"] == {"ok": num_hosts}
    assert found["most_open"] < limit


@pytest.mark.parametrize("num_free", [8, 9, 20, 64, 128, 500, 836, 3_000, 1 << 20])
@pytest.mark.parametrize("max_connections", [1, 16, 128, 5_000])
def test_budget_never_exceeds_what_is_free(num_free: int, max_connections: int) -> None:
    budget = DescriptorBudget.of(max_connections, num_free)
    assert 1 <= budget.connections <= max_connections
    assert 1 <= budget.lookups <= MAX_LOOKUPS
    assert 0 <= budget.idle <= MAX_IDLE
    assert EACH * (budget.connections + budget.lookups) + budget.idle <= num_free


def test_budget_of_a_usual_limit_has_all_connections_that_the_settings_allow() -> None:
    assert DescriptorBudget.of(FetchSettings().max_connections, 1_024 - 128 - 60).connections == 128


def test_fewer_connections_than_the_settings_allow_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        DescriptorBudget.of(128, 100)
    assert "connections at once instead of 128" in caplog.text
    assert "ulimit -n" in caplog.text


@pytest.mark.parametrize("num_free", [-500, 0, 7])
def test_limit_that_leaves_no_connection_is_named_with_the_way_out(num_free: int) -> None:
    with pytest.raises(TooFewDescriptorsError, match=r"may open [\d,]+ files and has \d+ open.*raise the limit"):
        DescriptorBudget.of(128, num_free)


def test_download_without_descriptors_fails_with_that_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 130)
    with RawServer(serving(FOUND)) as server, pytest.raises(TooFewDescriptorsError, match="raise the limit"):
        download(good(server, 3), UPath(tmp_path / "store"))


def test_limit_of_this_process_is_read() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert descriptors.descriptor_limit() == soft
    before = descriptors.num_open()
    with socket.socket(), socket.socket():
        assert descriptors.num_open() == before + 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_full_table_of_files_is_not_reported_as_a_store_that_cannot_be_written(tmp_path: Path, number: int) -> None:
    with pytest.raises(StoreNotWritableError, match="raise its limit with `ulimit -n"), wrap_os_errors(tmp_path):
        raise OSError(number, "Too many open files")
