"""Freshness: each partner's newest feed is compared with that partner's own limit."""

from datetime import UTC, datetime, timedelta

import polars as pl

from catalog.feeds.deliveries import Delivery
from catalog.products.freshness import FRESHNESS_SCHEMA, feed_freshness
from catalog.products.partners import PartnerSettings
from tests.catalog.feeds.registered import registered

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def delivery(key: str, days_ago: float) -> Delivery:
    return registered(key, NOW - timedelta(days=days_ago))


def late(partners: list[PartnerSettings], deliveries: list[Delivery]) -> set[str]:
    rows = feed_freshness(partners, deliveries, max_age_days=2.0, now=NOW)
    assert rows.schema == FRESHNESS_SCHEMA
    assert len(rows) == len(partners)
    return set(rows.filter("is_late")["partner_id"])


def test_a_partner_s_daily_feed_does_not_hide_another_s_silence() -> None:
    partners = [PartnerSettings(partner_id="hansen"), PartnerSettings(partner_id="meier")]
    hansen = [delivery(f"hansen.day-{day}", day) for day in range(10)]
    assert late(partners, [*hansen, delivery("meier.spring", 9)]) == {"meier"}
    assert late(partners, [*hansen, delivery("meier.spring", 9), delivery("meier.summer", 1.9)]) == set()


def test_a_partner_s_own_limit_takes_precedence() -> None:
    monthly = PartnerSettings(partner_id="meier", max_feed_age_days=31)
    hourly = PartnerSettings(partner_id="hansen", max_feed_age_days=0.1)
    assert late([monthly, hourly], [delivery("meier.a", 30), delivery("hansen.a", 0.2)]) == {"hansen"}


def test_golden_partners_and_partners_that_never_delivered_are_not_late() -> None:
    partners = [PartnerSettings(partner_id="golden", golden=True), PartnerSettings(partner_id="new")]
    assert late(partners, [delivery("golden.all", 400)]) == set()
    assert late([PartnerSettings(partner_id="golden", golden=True, max_feed_age_days=9)], [delivery("golden.a", 400)])


def test_parts_of_one_feed_count_as_one() -> None:
    parts = [delivery(f"hansen.big.{number:05}", 1) for number in (1, 2, 3)]
    rows = feed_freshness([PartnerSettings(partner_id="hansen")], parts, max_age_days=2.0, now=NOW)
    assert rows.select("num_feeds", "age_days").row(0) == (1, 1.0)
    assert rows["received_at"].dtype == pl.Datetime("us", "UTC")
