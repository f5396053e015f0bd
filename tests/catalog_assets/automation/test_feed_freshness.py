"""Feed freshness as an asset: the check names the silent partner, in a green run, however busy the others are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from catalog_assets.automation.feed_freshness import CHECK, freshness_schedule
from catalog_assets.definitions import definitions
from resources.settings import Settings
from resources.store import Store
from tests.catalog.feeds.registered import registered
from tests.described import assert_described


def delivered(store: Store, key: str, days_ago: float) -> None:
    store.delivery_records.mkdir(parents=True, exist_ok=True)
    registered(key, datetime.now(UTC) - timedelta(days=days_ago)).save(store.delivery_records)


def watch(store: Store, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    job = definitions(Settings.read(store=store.root)).resolve_job_def("watch_feeds")
    result = job.execute_in_process(instance=instance)
    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.severity) == (CHECK, dg.AssetCheckSeverity.WARN)
    return check


def test_one_partner_s_daily_feed_does_not_hide_another_s_silence(store: Store, instance: dg.DagsterInstance) -> None:
    reference = Path(store.root) / "reference"
    reference.mkdir(parents=True)
    (reference / "partners.toml").write_text("[partners.hansen]\n[partners.meier]\n")
    for day in range(5):
        delivered(store, f"hansen.day-{day}", day)
    delivered(store, "meier.spring", 4)
    silent = watch(store, instance)
    assert not silent.passed
    assert "'meier': 4.0 days, allowed are 2" in str(silent.description)
    assert "hansen" not in str(silent.description)
    assert_described(store.root, "feed_freshness")

    delivered(store, "meier.summer", 0)
    assert watch(store, instance).passed


def test_the_project_s_limit_is_a_setting(store: Store, instance: dg.DagsterInstance, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("SHELFSIGHT_MAX_FEED_AGE_DAYS", "30")
    reference = Path(store.root) / "reference"
    reference.mkdir(parents=True)
    (reference / "partners.toml").write_text("[partners.meier]\n")
    delivered(store, "meier.spring", 20)
    assert watch(store, instance).passed


def test_the_schedule_waits_for_the_first_feed(store: Store, instance: dg.DagsterInstance) -> None:
    context = dg.build_schedule_context(
        instance=instance, resources={"store": store}, scheduled_execution_time=datetime(2026, 6, 15, 6, tzinfo=UTC)
    )
    assert isinstance(freshness_schedule(context), dg.SkipReason)
    delivered(store, "meier.spring", 1)
    assert isinstance(freshness_schedule(context), dg.RunRequest)
