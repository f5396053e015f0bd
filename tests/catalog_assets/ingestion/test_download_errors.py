"""Unforeseen errors of a delivery are counted by a check, and become an alert where they are too many."""

import logging
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import defs
from catalog_assets.ingestion.download_errors import check_errors
from resources.alerts import Alerts

NOWHERE = "http://127.0.0.1:9/secret"  # nothing listens
LOG = logging.getLogger("t")


def outcomes(num_errors: int, num_links: int) -> pl.DataFrame:
    statuses = ["internal_error"] * num_errors + ["ok", "gone", "timeout"] * num_links
    return pl.DataFrame({"status": statuses[:num_links]}, schema={"status": pl.String})


@pytest.mark.parametrize(
    ("num_errors", "num_links", "passed"),
    [(0, 0, True), (0, 10, True), (10, 1_000, True), (11, 1_000, False), (1, 1, False)],
)
def test_share_of_unforeseen_errors_decides(num_errors: int, num_links: int, passed: bool, tmp_path: Path) -> None:
    alerts = Alerts(webhook=NOWHERE, folder=str(tmp_path))
    result = check_errors("hansen.1", outcomes(num_errors, num_links), alerts, LOG)
    assert result.passed is passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.metadata["internal_error"].value == num_errors
    waiting = alerts.pending.waiting()
    assert len(waiting) == (0 if passed else 1)
    if not passed:
        (alert,) = waiting
        assert alert.text.startswith("download[hansen.1]")
        assert "internal_error" in alert.text
        assert alert.details["partition"] == "hansen.1"


def test_alert_that_is_neither_kept_nor_posted_fails_no_delivery(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "alerts").touch()  # no folder
    alerts = Alerts(webhook=NOWHERE, folder=str(tmp_path / "alerts"))
    assert not check_errors("hansen.1", outcomes(5, 10), alerts, LOG).passed
    assert "the alert of 'hansen.1' was neither kept nor posted" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_is_posted_without_a_webhook() -> None:
    assert not check_errors("hansen.1", outcomes(5, 10), Alerts(), LOG).passed


def test_check_is_one_of_each_delivery_and_blocks_nothing() -> None:
    graph = defs.resolve_asset_graph()
    key = dg.AssetCheckKey(dg.AssetKey("outcomes"), "download_errors")
    assert not graph.get(key).blocking
    assert graph.get(key).partitions_def is not None
