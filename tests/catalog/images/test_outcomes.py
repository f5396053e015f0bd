"""The statuses of downloads, and the table of outcomes."""

from dataclasses import fields
from datetime import UTC, datetime

from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, health, outcomes_table
from catalog.images.statuses import Status


def outcome(product_id: str, status: Status) -> Outcome:
    return Outcome(
        product_id=product_id,
        image_url="http://shop.example/a.jpg",
        status=status,
        http_status=None,
        final_url=None,
        attempts=1,
        bytes=None,
        width=None,
        height=None,
        sha256=None,
        dhash=2**64 - 1,
        shard=None,
        etag=None,
        last_modified=None,
        duration_ms=1.5,
        fetched_at=datetime(2024, 5, 1, tzinfo=UTC),
    )


def test_retryable_and_final_statuses_are_these() -> None:
    assert {status.value for status in Status if status.retryable} == {
        "timeout",
        "connect_error",
        "dns_error",
        "http_error",
        "host_refused",
        "host_paused",
    }
    assert {status.value for status in Status if not status.retryable} == {
        "ok",
        "invalid_url",
        "blocked_address",
        "gone",
        "redirected_home",
        "too_many_redirects",
        "not_an_image",
        "too_large",
        "too_small",
        "corrupt",
        "disallowed",
    }


def test_table_has_a_column_for_every_field_and_fits_64_bits() -> None:
    table = outcomes_table([outcome("a", Status.OK)])
    assert table.schema == OUTCOMES_SCHEMA
    assert tuple(table.columns) == tuple(field.name for field in fields(Outcome))
    assert table["dhash"].item() == 2**64 - 1
    assert table["status"].item() == "ok"


def test_health_counts_every_outcome_once() -> None:
    statuses = [Status.OK] * 5 + [Status.GONE] * 2 + [Status.TIMEOUT]
    table = health(outcomes_table(outcome(str(index), status) for index, status in enumerate(statuses)))
    assert table.rows() == [("ok", False, 5, 0.625), ("gone", False, 2, 0.25), ("timeout", True, 1, 0.125)]


def test_health_of_nothing_is_empty() -> None:
    assert health(outcomes_table([])).is_empty()
